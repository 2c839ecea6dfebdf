/**
 * Which of the events of processes are stored: those that are asked for, so many a second at most, and of files and connections the same
 * again only once in a while. What is left out is counted.
 */
import type { DescribedEvent } from "../../sensor/described-event.ts";

export interface RecorderOptions {
  /** Takes an event; false when it cannot. */
  readonly store: (event: DescribedEvent) => boolean;
  /** So many were left out since it was told before. */
  readonly onGap: (count: number, reason: "rate_limited" | "repeated" | "queue_full") => void;
  /** Events a second, on average over ten. */
  readonly perSecond: number;
}

/** A burst may be so many seconds' worth. */
const BURST_SECONDS = 10;
const SAME_WITHIN_NS = 60_000_000_000n;
/** Different events that are remembered. */
const LIMIT = 8_192;

export class EventRecorder {
  readonly #options: RecorderOptions;
  /** When each was stored, the oldest first. */
  readonly #stored = new Map<string, bigint>();
  #tokens: number;
  #filledNs = 0n;
  #rateLimited = 0;
  #repeated = 0;
  #queueFull = 0;

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#tokens = options.perSecond * BURST_SECONDS;
  }

  /** Takes an event that happened at `timeNs`. */
  record(event: DescribedEvent, timeNs: bigint): void {
    if (event.kind !== "process" && this.#isRepeated(event, timeNs)) this.#repeated += 1;
    else if (!this.#takeToken(timeNs)) this.#rateLimited += 1;
    else if (!this.#options.store(event)) this.#queueFull += 1;
  }

  /** Tells what was left out since the last time. */
  flush(): void {
    const { onGap } = this.#options;
    if (this.#rateLimited > 0) onGap(this.#rateLimited, "rate_limited");
    if (this.#repeated > 0) onGap(this.#repeated, "repeated");
    if (this.#queueFull > 0) onGap(this.#queueFull, "queue_full");
    this.#rateLimited = 0;
    this.#repeated = 0;
    this.#queueFull = 0;
  }

  /** The same file or peer by the same program of the same workload, with the same outcome. */
  #isRepeated({ kind, fields }: Exclude<DescribedEvent, { readonly kind: "process" }>, timeNs: bigint): boolean {
    const { subject, binary, action, object, result } = fields;
    const key = [kind, subject, binary, action, object, result].join("\0");
    const before = this.#stored.get(key);
    if (before !== undefined && timeNs - before < SAME_WITHIN_NS) return true;
    this.#stored.delete(key);
    const [oldest] = this.#stored.keys();
    if (this.#stored.size >= LIMIT && oldest !== undefined) this.#stored.delete(oldest);
    this.#stored.set(key, timeNs);
    return false;
  }

  #takeToken(timeNs: bigint): boolean {
    const { perSecond } = this.#options;
    if (timeNs > this.#filledNs) {
      const seconds = this.#filledNs === 0n ? 0 : Number(timeNs - this.#filledNs) / 1e9;
      this.#tokens = Math.min(perSecond * BURST_SECONDS, this.#tokens + seconds * perSecond);
      this.#filledNs = timeNs;
    }
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
