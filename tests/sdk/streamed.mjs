// The npm SDK of GrowthBook, unchanged, on a stream: told {apiHost, streamingHost, clientKey} as its argument, it prints
// the names of its features as a line, and again whenever it is told of others, until its input ends.
import { GrowthBook, setPolyfills } from "@growthbook/growthbook";
import { EventSource } from "eventsource";

setPolyfills({ EventSource }); // as browsers have it

const growthbook = new GrowthBook(JSON.parse(process.argv[2]));
const tell = () => console.log(JSON.stringify(Object.keys(growthbook.getFeatures()).sort()));
await growthbook.init({ streaming: true });
tell();
growthbook.setRenderer(tell);
for await (const _ of process.stdin);
process.exit(0);
