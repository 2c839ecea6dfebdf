/** Finds what a set of selectors satisfies, in time that grows with the matches and not with the number of entries. */

interface Selected {
  readonly id: string;
  readonly selectors: readonly string[];
}

/** Those under one selector; by ID when they are several, which is seldom. */
type Bucket<T> = T | Map<string, T>;

/**
 * Every entry stands under one of its selectors, the one that fewest others stand under when it comes. A workload with all selectors of
 * an entry has that one too.
 */
export class SelectorIndex<T extends Selected> {
  readonly #buckets = new Map<string, Bucket<T>>();

  /** An entry of another ID than those that are in it. Throws a RangeError for an entry without selectors: it would match everything. */
  add(entry: T): void {
    const [first, ...rest] = entry.selectors;
    if (first === undefined) throw new RangeError(`the entry ${entry.id} has no selectors`);
    let [key, fewest] = [first, this.#sizeOf(first)];
    for (const selector of rest) {
      if (fewest === 0) break;
      const size = this.#sizeOf(selector);
      if (size < fewest) [key, fewest] = [selector, size];
    }
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) this.#buckets.set(key, entry);
    else if (bucket instanceof Map) bucket.set(entry.id, entry);
    else
      this.#buckets.set(
        key,
        new Map([
          [bucket.id, bucket],
          [entry.id, entry],
        ]),
      );
  }

  remove({ id, selectors }: T): void {
    for (const selector of selectors) {
      const bucket = this.#buckets.get(selector);
      if (bucket === undefined) continue;
      if (!(bucket instanceof Map)) {
        if (bucket.id === id) this.#buckets.delete(selector);
      } else if (bucket.delete(id) && bucket.size === 0) this.#buckets.delete(selector);
    }
  }

  /** The entries all of whose selectors are among these. */
  match(selectors: ReadonlySet<string>): T[] {
    const found: T[] = [];
    for (const selector of selectors) {
      const bucket = this.#buckets.get(selector);
      if (bucket === undefined) continue;
      for (const entry of bucket instanceof Map ? bucket.values() : [bucket])
        if (entry.selectors.every((wanted) => selectors.has(wanted))) found.push(entry);
    }
    return found;
  }

  #sizeOf(selector: string): number {
    const bucket = this.#buckets.get(selector);
    return bucket instanceof Map ? bucket.size : bucket === undefined ? 0 : 1;
  }
}
