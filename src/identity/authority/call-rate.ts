/** How often each caller may call: a bucket of tokens for each, filled by the clock. */
export class CallRate {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #nowMs: () => number;
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>();

  /** `nowMs`: a clock that does not jump. */
  constructor(limit: { readonly perSecond: number; readonly burst: number }, nowMs: () => number) {
    this.#perSecond = limit.perSecond;
    this.#burst = limit.burst;
    this.#nowMs = nowMs;
  }

  /** Takes `count` from the caller's bucket; false when it has not that many, and then it takes none. */
  take(caller: string, count: number = 1): boolean {
    const atMs = this.#nowMs();
    const known = this.#buckets.get(caller);
    const tokens = known === undefined ? this.#burst : Math.min(this.#burst, known.tokens + ((atMs - known.atMs) / 1000) * this.#perSecond);
    if (tokens < count) return false;
    this.#buckets.delete(caller);
    this.#buckets.set(caller, { tokens: tokens - count, atMs });
    this.#forgetFull(atMs);
    return true;
  }

  /** Those who have not called for as long as it takes to fill a bucket are as if they never had. */
  #forgetFull(atMs: number): void {
    const fullAfterMs = (this.#burst / this.#perSecond) * 1000;
    for (const [caller, bucket] of this.#buckets) {
      if (atMs - bucket.atMs < fullAfterMs) return;
      this.#buckets.delete(caller);
    }
  }
}
