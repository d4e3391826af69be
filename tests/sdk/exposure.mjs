// As docs/api.md shows it: what the tracking callback of an SDK sends to /api/v1/events.
export const exposure = (experiment, result, attributes) => ({
  event_id: crypto.randomUUID(),
  type: "exposure",
  at: new Date().toISOString(),
  unit: { [result.hashAttribute]: String(result.hashValue) },
  scenario: attributes.scenario,
  experiment: experiment.key,
  variant: result.key,
  phase: Number(experiment.phase),
});
