/** Registration entries by selectors: which of them a workload with some selectors has. */

/** The part of an entry that it is found by. */
export interface Selectable {
  readonly id: string;
  /** Distinct, not empty. */
  readonly selectors: readonly string[];
}

/**
 * Each entry stands under its rarest selector, so that what is common (a uid, a namespace) never leads through thousands of entries.
 * Immutable; a change makes a new one. What is under a selector is put together when somebody first asks.
 */
export class RegistrationIndex<E extends Selectable> {
  readonly #byId = new Map<string, E>();
  #bySelector: ReadonlyMap<string, readonly E[]> | undefined;

  constructor(entries: Iterable<E>) {
    for (const entry of entries) this.#byId.set(entry.id, entry);
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
    this.#bySelector ??= bySelector([...this.#byId.values()]);
    const found: E[] = [];
    for (const selector of selectors)
      for (const entry of this.#bySelector.get(selector) ?? [])
        if (entry.selectors.every((wanted) => selectors.has(wanted))) found.push(entry);
    return found.sort((a, b) => (a.id < b.id ? -1 : 1));
  }
}

function bySelector<E extends Selectable>(entries: readonly E[]): ReadonlyMap<string, readonly E[]> {
  const counts = new Map<string, number>();
  for (const { selectors } of entries) for (const selector of selectors) counts.set(selector, (counts.get(selector) ?? 0) + 1);
  const buckets = new Map<string, E[]>();
  for (const entry of entries) {
    const [first = "", ...more] = entry.selectors;
    const rarest = more.reduce((best, selector) => ((counts.get(selector) ?? 0) < (counts.get(best) ?? 0) ? selector : best), first);
    const bucket = buckets.get(rarest);
    if (bucket === undefined) buckets.set(rarest, [entry]);
    else bucket.push(entry);
  }
  return buckets;
}
