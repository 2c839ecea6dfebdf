/** Within one call the kernel may ask for a capability more than once: it is told once. */
import type { CallRecord } from "./programs/record-layouts.ts";

/** Threads that are remembered; more than run at once. */
const LIMIT = 1_024;
/** Between two questions of one call. A process that calls again with the same arguments so soon is told once, too. */
const SAME_CALL_NS = 2_000_000n;

export class RecentAttempts {
  /** By thread, the oldest first. */
  readonly #last = new Map<number, { readonly key: string; readonly time: bigint }>();

  isRepeated({ task, number, args, time, result }: CallRecord): boolean {
    const key = `${number} ${result} ${args.join(" ")}`;
    const last = this.#last.get(task.tid);
    this.#last.delete(task.tid);
    const [oldest] = this.#last.keys();
    if (this.#last.size >= LIMIT && oldest !== undefined) this.#last.delete(oldest);
    this.#last.set(task.tid, { key, time });
    return last !== undefined && last.key === key && time - last.time < SAME_CALL_NS;
  }
}
