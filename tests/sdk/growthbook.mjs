// The npm SDK of GrowthBook, unchanged: for every line {payload, units: [{attributes, docs?}]} the values of all features,
// by unit, as a line, and which experiments it told of. A value that is null is left out. A payload without features is
// the address and the client key to fetch one by.
import { createInterface } from "node:readline";
import { GrowthBookClient } from "@growthbook/growthbook";
import { exposure } from "./exposure.mjs";


function values(client, features, { attributes, docs }) {
  const tracked = {};
  const events = [];
  const context = {
    attributes,
    trackingCallback: (experiment, result) => {
      tracked[experiment.key] = result.key;
      events.push(exposure(experiment, result, attributes));
    },
  };
  if (docs) {
    context.stickyBucketAssignmentDocs = docs;
    context.saveStickyBucketAssignmentDoc = async () => undefined;
  }
  const found = {};
  for (const name of features) {
    const value = client.evalFeature(name, context).value;
    if (value !== null) found[name] = value;
  }
  return { values: found, tracked, events };
}

for await (const line of createInterface({ input: process.stdin })) {
  const { payload, units } = JSON.parse(line);
  const client = new GrowthBookClient(payload.features ? {} : payload);
  if (payload.features) client.initSync({ payload });
  else await client.init();
  const features = Object.keys(client.getFeatures());
  console.log(JSON.stringify(units.map((unit) => values(client, features, unit))));
}
