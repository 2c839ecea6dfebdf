/** Events of this process: made, stamped, and stored. */
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { join } from "node:path";
import type { GapEvent, VigilEvent } from "../../event/event.ts";
import { type ActionFields, type DecisionFields, EventProducer, type FindingFields, type FlowFields } from "../../event/producer.ts";
import { EventStore } from "../../evidence/event-store.ts";
import type { DescribedEvent } from "../../sensor/described-event.ts";
import { EVENTS_FOLDER } from "../events/store.ts";
import type { Log } from "../log.ts";
import { readVersion } from "../version.ts";
import type { ControlSettings } from "./settings.ts";

export interface Evidence {
  readonly store: EventStore;
  readonly directory: string;
  decided(fields: DecisionFields): void;
  acted(fields: ActionFields): void;
  found(fields: FindingFields): void;
  flowed(fields: FlowFields): void;
  /** What a process did. */
  observed(event: DescribedEvent): void;
  /** So many were lost before they became events. */
  missed(count: number, reason: GapEvent["reason"], subject: string): void;
}

const MIB = 1024 * 1024;

export function openEvidence({ stateDirectory, configuration }: ControlSettings, log: Log): Evidence {
  const producer = new EventProducer({
    producer: `control@${readVersion()}`,
    node: hostname(),
    bootId: randomUUID(),
    clock: () => performance.timeOrigin + performance.now(),
    random: (target) => void crypto.getRandomValues(target),
  });
  const directory = join(stateDirectory, EVENTS_FOLDER);
  const retention = { days: configuration["events.keepDays"], maxBytes: configuration["events.keepMebibytes"] * MIB };
  const onWriting = (error: string | undefined): void =>
    error === undefined
      ? log("info", "events are written again", { directory })
      : log("error", `events cannot be written: ${error}; they wait in memory, free the disk or its permissions`, { directory });
  const store = new EventStore({ directory, producer, retention, onWriting });
  return {
    store,
    directory,
    decided: (fields) => void store.append(producer.decision(fields)),
    acted: (fields) => void store.append(producer.action(fields)),
    found: (fields) => void store.append(producer.finding(fields)),
    flowed: (fields) => void store.append(producer.flow(fields)),
    observed: (event) => void store.append(stampObserved(producer, event)),
    missed: (count, reason, subject) => void store.append(producer.lost(count, reason, subject)),
  };
}

function stampObserved(producer: EventProducer, event: DescribedEvent): VigilEvent {
  switch (event.kind) {
    case "process":
      return producer.process(event.fields);
    case "file":
      return producer.file(event.fields);
    case "network":
      return producer.network(event.fields);
    default:
      return event satisfies never;
  }
}
