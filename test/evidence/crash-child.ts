/** Appends events as fast as it can and prints the id of each once it is acknowledged; made to be killed. */
import { writeSync } from "node:fs";
import { EventStore } from "../../src/evidence/event-store.ts";
import { sampleDecision, sampleProducer } from "./sample-producer.ts";

const producer = sampleProducer(`boot-${process.pid}`);
const store = new EventStore({ directory: process.argv[2] ?? "", producer });
for (;;) {
  const burst = Array.from({ length: 50 }, (_, i) => sampleDecision(producer, { verdict: i % 10 === 0 ? "deny" : "allow" }));
  const acknowledged = burst.map(async (event) => ((await store.appended(event)) ? event.id : ""));
  writeSync(1, `${(await Promise.all(acknowledged)).join("\n")}\n`);
}
