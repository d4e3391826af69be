// The npm clients of OpenFeature, unchanged. Told {url, key, contexts, flags: {key: default}} as its argument, it prints
// a line of what the server client says of every flag to each context, a line of the same by the web client, and then a
// line of flags that changed whenever the web client hears so on its stream, until its input ends.
import { OFREPProvider } from "@openfeature/ofrep-provider";
import { OFREPWebProvider } from "@openfeature/ofrep-web-provider";
import { OpenFeature as Server } from "@openfeature/server-sdk";
import { OpenFeature as Web, ProviderEvents } from "@openfeature/web-sdk";
import { EventSource } from "eventsource";

globalThis.EventSource = EventSource; // as browsers have it

const { url, key, contexts, flags } = JSON.parse(process.argv[2]);
const options = { baseUrl: url, headers: [["Authorization", `Bearer ${key}`]] };
const KINDS = { boolean: "Boolean", string: "String", number: "Number", object: "Object" };

const told = ({ value, variant, reason, errorCode, flagMetadata }) => ({ value, variant, reason, errorCode, flagMetadata });
const method = (fallback) => `get${KINDS[typeof fallback]}Details`;

async function byServer(context) {
  const client = Server.getClient();
  const asked = Object.entries(flags).map(async ([name, fallback]) => {
    return [name, told(await client[method(fallback)](name, fallback, context))];
  });
  return Object.fromEntries(await Promise.all(asked));
}

async function byWeb(context) {
  await Web.setContext(context);
  const client = Web.getClient();
  const details = ([name, fallback]) => [name, told(client[method(fallback)](name, fallback))];
  return Object.fromEntries(Object.entries(flags).map(details));
}

async function each(ask) {
  const found = [];
  for (const context of contexts) found.push(await ask(context));
  console.log(JSON.stringify(found));
}

await Server.setProviderAndWait(new OFREPProvider(options));
await each(byServer);
await Web.setContext(contexts[0]);
await Web.setProviderAndWait(new OFREPWebProvider({ ...options, cacheMode: "disabled" }));
await each(byWeb);
Web.addHandler(ProviderEvents.ConfigurationChanged, ({ flagsChanged }) => console.log(JSON.stringify(flagsChanged)));
for await (const _ of process.stdin);
process.exit(0);
