/** Counts what happens within a time: whether it was the n-th within it. */

export class ThresholdCounter {
  readonly #limit: number;
  /** Times of the last occurrences, oldest first; keys in the order of their last one. */
  readonly #times = new Map<string, bigint[]>();
  #held = 0;

  /** @param limit occurrences that are remembered, of all keys together; the key that has been silent longest is forgotten. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Occurrences that are remembered. */
  get held(): number {
    return this.#held;
  }

  /** Counts one occurrence; true when there were `count` of them within `withinNs`, and every time from then on. */
  add(key: string, timeNs: bigint, count: number, withinNs: bigint): boolean {
    const times = this.#times.get(key) ?? [];
    this.#times.delete(key);
    this.#times.set(key, times);
    times.push(timeNs);
    this.#held += 1;
    // What is too old counts no more, and only the last `count` can.
    while (times.length > count || timeNs - (times[0] ?? timeNs) > withinNs) {
      times.shift();
      this.#held -= 1;
    }
    this.#makeRoom(key);
    return times.length === count;
  }

  #makeRoom(kept: string): void {
    for (const [key, times] of this.#times) {
      if (this.#held <= this.#limit || key === kept) return;
      this.#times.delete(key);
      this.#held -= times.length;
    }
  }
}
