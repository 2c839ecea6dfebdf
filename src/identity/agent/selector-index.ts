/** Finds what a set of selectors satisfies, in time that grows with the matches and not with the number of entries. */

interface Selected {
  readonly id: string;
  readonly selectors: readonly string[];
}

/**
 * Every entry stands under one of its selectors, the one that fewest others stand under when it comes. A workload with all selectors of
 * an entry has that one too.
 */
export class SelectorIndex<T extends Selected> {
  readonly #buckets = new Map<string, Map<string, T>>();
  readonly #bucketOf = new Map<string, string>();

  /** Throws a RangeError for an entry without selectors: it would match everything. */
  add(entry: T): void {
    const [first, ...rest] = entry.selectors;
    if (first === undefined) throw new RangeError(`the entry ${entry.id} has no selectors`);
    const key = rest.reduce((best, selector) => (this.#sizeOf(selector) < this.#sizeOf(best) ? selector : best), first);
    let bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      bucket = new Map();
      this.#buckets.set(key, bucket);
    }
    bucket.set(entry.id, entry);
    this.#bucketOf.set(entry.id, key);
  }

  remove({ id }: T): void {
    const key = this.#bucketOf.get(id) ?? "";
    const bucket = this.#buckets.get(key);
    bucket?.delete(id);
    if (bucket?.size === 0) this.#buckets.delete(key);
    this.#bucketOf.delete(id);
  }

  /** The entries all of whose selectors are among these. */
  match(selectors: ReadonlySet<string>): T[] {
    const found: T[] = [];
    for (const selector of selectors) {
      for (const entry of this.#buckets.get(selector)?.values() ?? []) {
        if (entry.selectors.every((wanted) => selectors.has(wanted))) found.push(entry);
      }
    }
    return found;
  }

  #sizeOf(selector: string): number {
    return this.#buckets.get(selector)?.size ?? 0;
  }
}
