/** Registration entries by selectors: which of them a workload with some selectors has. */

/** The part of an entry that it is found by. */
export interface Selectable {
  readonly id: string;
  /** Distinct, not empty. */
  readonly selectors: readonly string[];
}

/**
 * Each entry stands under its rarest selector, so that what is common (a uid, a namespace) never leads through thousands of entries.
 * Immutable; a change makes a new one.
 */
export class RegistrationIndex<E extends Selectable> {
  readonly #bySelector = new Map<string, E[]>();
  readonly #byId = new Map<string, E>();

  constructor(entries: Iterable<E>) {
    for (const entry of entries) this.#byId.set(entry.id, entry);
    const counts = new Map<string, number>();
    for (const { selectors } of this.#byId.values())
      for (const selector of selectors) counts.set(selector, (counts.get(selector) ?? 0) + 1);
    for (const entry of this.#byId.values()) {
      const [first = "", ...more] = entry.selectors;
      const rarest = more.reduce((best, selector) => ((counts.get(selector) ?? 0) < (counts.get(best) ?? 0) ? selector : best), first);
      const bucket = this.#bySelector.get(rarest);
      if (bucket === undefined) this.#bySelector.set(rarest, [entry]);
      else bucket.push(entry);
    }
  }

  get size(): number {
    return this.#byId.size;
  }

  get(id: string): E | undefined {
    return this.#byId.get(id);
  }

  entries(): IterableIterator<E> {
    return this.#byId.values();
  }

  /** The entries all of whose selectors the workload has, in the order of their IDs. */
  match(selectors: ReadonlySet<string>): readonly E[] {
    const found: E[] = [];
    for (const selector of selectors)
      for (const entry of this.#bySelector.get(selector) ?? [])
        if (entry.selectors.every((wanted) => selectors.has(wanted))) found.push(entry);
    return found.sort((a, b) => (a.id < b.id ? -1 : 1));
  }
}
