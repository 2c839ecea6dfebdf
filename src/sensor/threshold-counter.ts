/** Counts what happens within a time: whether it was the n-th within it. */

export class ThresholdCounter {
  readonly #limit: number;
  /** Times of the last occurrences, oldest first; keys in the order of their last one. */
  readonly #times = new Map<string, bigint[]>();

  /** @param limit keys that are remembered; the one that has been silent longest is forgotten. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Counts one occurrence; true when there were `count` of them within `withinNs`, and every time from then on. */
  add(key: string, timeNs: bigint, count: number, withinNs: bigint): boolean {
    const times = this.#times.get(key) ?? [];
    this.#times.delete(key);
    times.push(timeNs);
    if (times.length > count) times.shift();
    const [oldest] = this.#times.keys();
    if (this.#times.size >= this.#limit && oldest !== undefined) this.#times.delete(oldest);
    this.#times.set(key, times);
    return times.length === count && timeNs - (times[0] ?? timeNs) <= withinNs;
  }
}
