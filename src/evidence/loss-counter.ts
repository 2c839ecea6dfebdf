/** Counts events that could not be kept, until there is room for the gap event that tells of them. */
import type { GapEvent, VigilEvent } from "../event/event.ts";
import type { GapFields } from "../event/producer.ts";

export class LossCounter {
  #open: { fromSeq: number; toSeq: number; count: number; reason: GapEvent["reason"] } | undefined;
  #total = 0;

  /** Events lost since the start. */
  get total(): number {
    return this.#total;
  }

  count(event: VigilEvent, reason: GapEvent["reason"]): void {
    this.#total += 1;
    this.#open ??= { fromSeq: event.seq, toSeq: event.seq, count: 0, reason };
    this.#open.fromSeq = Math.min(this.#open.fromSeq, event.seq);
    this.#open.toSeq = Math.max(this.#open.toSeq, event.seq);
    this.#open.count += 1;
    this.#open.reason = reason;
  }

  /** The gap since the last call, or undefined when nothing was lost. */
  take(): GapFields | undefined {
    const gap = this.#open;
    this.#open = undefined;
    return gap && { severity: 4, subject: "vigil", ...gap };
  }
}
