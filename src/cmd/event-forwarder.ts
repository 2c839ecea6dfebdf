/** Events of a process that has no store, on their way to the one of the control process. */
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { GapReason } from "../event/event.ts";
import type { ActionFields, DecisionFields, FindingFields, FlowFields } from "../event/producer.ts";
import { writeFileAtomic } from "../lib/atomic-write.ts";
import { messageOf } from "../lib/error.ts";
import type { DescribedEvent } from "../sensor/described-event.ts";
import type { Log } from "./log.ts";
import { askManagement } from "./management-client.ts";

/** What `POST /v1/events` takes. */
export interface ForwardedEvents {
  /** The process that they come from. */
  readonly producer: string;
  readonly decisions: readonly DecisionFields[];
  readonly actions: readonly ActionFields[];
  readonly findings: readonly FindingFields[];
  readonly flows: readonly FlowFields[];
  /** What processes did. */
  readonly observed: readonly DescribedEvent[];
  readonly gaps: readonly ForwardedGap[];
  /** Events that were lost because too many waited. */
  readonly lost: number;
}

/** What was lost before it became an event. */
export interface ForwardedGap {
  readonly count: number;
  readonly reason: Exclude<GapReason, "store_failed" | "decode_error">;
}

export const EVENTS_ROUTE = "POST /v1/events";

const MAX_WAITING = 10_000;
/** So many of what processes did, which waits behind all else: findings and decisions are neither pushed out nor held up by it. */
const MAX_OBSERVED_WAITING = 5_000;
/** Below what the management API takes as a body. */
const MAX_BATCH_BYTES = 48 * 1024;
/** So many wait before it is worth a line that they do. */
const MANY = 100;
const PAUSE_MS = 200;
const RETRY_MS = 2_000;

type Waiting = { readonly sizeBytes: number } & (
  | { readonly kind: "decision"; readonly fields: DecisionFields }
  | { readonly kind: "action"; readonly fields: ActionFields }
  | { readonly kind: "finding"; readonly fields: FindingFields }
  | { readonly kind: "flow"; readonly fields: FlowFields }
  | { readonly kind: "observed"; readonly fields: DescribedEvent }
  | { readonly kind: "gap"; readonly fields: ForwardedGap }
);

export class EventForwarder {
  readonly #options: { readonly stateDirectory: string; readonly producer: string; readonly log: Log };
  #waiting: Waiting[] = [];
  #observed: Waiting[] = [];
  #lost = 0;
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<boolean> | undefined;
  #isFailing = false;

  constructor(options: { readonly stateDirectory: string; readonly producer: string; readonly log: Log }) {
    this.#options = options;
    for (const event of this.#takeKept()) this.#add(event);
  }

  decided(fields: DecisionFields): void {
    this.#add({ kind: "decision", fields, sizeBytes: sizeOf(fields) });
  }

  acted(fields: ActionFields): void {
    this.#add({ kind: "action", fields, sizeBytes: sizeOf(fields) });
  }

  found(fields: FindingFields): void {
    this.#add({ kind: "finding", fields, sizeBytes: sizeOf(fields) });
  }

  flowed(fields: FlowFields): void {
    this.#add({ kind: "flow", fields, sizeBytes: sizeOf(fields) });
  }

  /** What a process did; false when too many such events wait: it is not stored then, and the caller counts it. */
  observed(event: DescribedEvent): boolean {
    const sizeBytes = sizeOf(event);
    if (this.#observed.length >= MAX_OBSERVED_WAITING || sizeBytes > MAX_BATCH_BYTES) return false;
    this.#observed.push({ kind: "observed", fields: event, sizeBytes });
    this.#schedule();
    return true;
  }

  /** Counts what was lost before it became an event. */
  missed(fields: ForwardedGap): void {
    this.#add({ kind: "gap", fields, sizeBytes: sizeOf(fields) });
  }

  /** Sends what waits, for so long at most. The store may have ended before: what is left is kept for the next start. */
  async close(withinMs: number): Promise<void> {
    clearTimeout(this.#timer);
    const untilMs = performance.now() + withinMs;
    await this.#sending;
    while (this.#all.length > 0 && performance.now() < untilMs) if (!(await this.#send())) break;
    const left = this.#all;
    if (left.length === 0) return;
    try {
      await writeFileAtomic(this.#keptPath, JSON.stringify(left));
    } catch (error) {
      this.#options.log("warning", `events are lost, they cannot be kept: ${messageOf(error)}`, { count: left.length });
    }
  }

  get #keptPath(): string {
    return join(this.#options.stateDirectory, `events-of-${this.#options.producer}.json`);
  }

  /** What the last run left, at most once. */
  #takeKept(): readonly Waiting[] {
    try {
      const text = readFileSync(this.#keptPath, "utf8");
      rmSync(this.#keptPath);
      // Written by this class, in a directory that only its owner can enter; the control process checks the form again.
      const kept: unknown = JSON.parse(text);
      return Array.isArray(kept) ? (kept as Waiting[]) : [];
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) {
        this.#options.log("warning", `events of the last run cannot be read: ${messageOf(error)}`);
      }
      return [];
    }
  }

  #add(event: Waiting): void {
    if (event.sizeBytes > MAX_BATCH_BYTES) {
      this.#lost++;
      return;
    }
    if (this.#waiting.length >= MAX_WAITING) {
      this.#waiting.shift();
      this.#lost++;
    }
    this.#waiting.push(event);
    this.#schedule();
  }

  #schedule(): void {
    this.#timer ??= setTimeout(() => this.#flush(), PAUSE_MS).unref();
  }

  get #all(): readonly Waiting[] {
    return [...this.#waiting, ...this.#observed];
  }

  #flush(): void {
    this.#sending = this.#send();
    void this.#sending.then((isSent) => {
      this.#timer =
        this.#waiting.length + this.#observed.length === 0 ? undefined : setTimeout(() => this.#flush(), isSent ? 0 : RETRY_MS).unref();
    });
  }

  #nextBatch(): readonly Waiting[] {
    let bytes = 0;
    const all = this.#all;
    const end = all.findIndex(({ sizeBytes }) => {
      bytes += sizeBytes;
      return bytes > MAX_BATCH_BYTES;
    });
    return end < 0 ? all : all.slice(0, end);
  }

  async #send(): Promise<boolean> {
    const { stateDirectory, producer, log } = this.#options;
    const batch = this.#nextBatch();
    const body: ForwardedEvents = {
      producer,
      decisions: batch.flatMap((event) => (event.kind === "decision" ? [event.fields] : [])),
      actions: batch.flatMap((event) => (event.kind === "action" ? [event.fields] : [])),
      findings: batch.flatMap((event) => (event.kind === "finding" ? [event.fields] : [])),
      flows: batch.flatMap((event) => (event.kind === "flow" ? [event.fields] : [])),
      observed: batch.flatMap((event) => (event.kind === "observed" ? [event.fields] : [])),
      gaps: batch.flatMap((event) => (event.kind === "gap" ? [event.fields] : [])),
      lost: this.#lost,
    };
    try {
      await askManagement(stateDirectory, EVENTS_ROUTE, body);
    } catch (error) {
      // The control process starts after this one; only what lasts is worth a line.
      const isLong = this.#waiting.length > MANY;
      if (!this.#isFailing && isLong) log("warning", `events wait for the store: ${messageOf(error)}`);
      this.#isFailing = isLong;
      return false;
    }
    // More may have come, and the oldest may have gone, while these were on their way.
    const sent = new Set(batch);
    this.#waiting = this.#waiting.filter((event) => !sent.has(event));
    this.#observed = this.#observed.filter((event) => !sent.has(event));
    this.#lost = 0;
    this.#isFailing = false;
    return true;
  }
}

const sizeOf = (fields: Waiting["fields"]): number => Buffer.byteLength(JSON.stringify(fields)) + 1;
