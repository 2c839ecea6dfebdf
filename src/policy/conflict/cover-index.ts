/** Finds the rules that may cover another, that another may cover, or that may match a call, without comparing all with all. */
import type { Attribute, Facts, Side } from "./anchor.ts";

/** A fact about one side of a rule, and who has it. */
interface Key<T> {
  /** How many alternatives have it. */
  count: number;
  /** Who stands under it. */
  readonly items: T[];
  /** Whose first alternative of the side has it. */
  readonly firsts: T[];
}

interface Place<T> {
  readonly sides: readonly [subject: readonly (readonly Key<T>[])[], peer: readonly (readonly Key<T>[])[]];
  /** Empty: among the others. */
  under: readonly Key<T>[];
}

export abstract class Indexed<T> {
  /** What all whom an alternative of a side means have in common. */
  abstract readonly facts: { readonly [S in Side]: readonly Facts[] };
  /** Kept by the index. */
  place: Place<T> | undefined = undefined;
  lastQuery = 0;
}

/**
 * Each item stands under the rarest fact of each alternative of one of its sides, or among those of which some alternative has no fact on
 * either side. What is found are candidates: whoever is not found does certainly not cover, is not covered, does not match.
 */
export class CoverIndex<T extends Indexed<T>> {
  readonly #keys: { readonly [S in Side]: Map<Attribute, Map<string, Key<T>>> } = { subject: new Map(), peer: new Map() };
  readonly #all = new Set<T>();
  readonly #others: T[] = [];
  #query = 0;

  /** Adding many at once lets them stand under facts that are rare among all of them. */
  add(items: readonly T[]): void {
    for (const item of items) {
      const place: Place<T> = { sides: [this.#enter("subject", item), this.#enter("peer", item)], under: [] };
      item.place = place;
      this.#all.add(item);
    }
    for (const item of items) {
      if (item.place === undefined) continue;
      const under = rarest(item.place.sides, ({ count }) => count);
      item.place.under = under ?? [];
      if (under === undefined) this.#others.push(item);
      else for (const key of under) key.items.push(item);
    }
  }

  #enter(side: Side, item: T): readonly (readonly Key<T>[])[] {
    return item.facts[side].map((facts, index) =>
      facts.map((fact) => {
        const key = this.#keyOf(side, fact[0], fact[1]);
        key.count++;
        if (index === 0) key.firsts.push(item);
        return key;
      }),
    );
  }

  #keyOf(side: Side, attribute: Attribute, value: string): Key<T> {
    let byValue = this.#keys[side].get(attribute);
    if (byValue === undefined) {
      byValue = new Map();
      this.#keys[side].set(attribute, byValue);
    }
    let key = byValue.get(value);
    if (key === undefined) {
      key = { count: 0, items: [], firsts: [] };
      byValue.set(value, key);
    }
    return key;
  }

  delete(item: T): void {
    const { place } = item;
    if (place === undefined || !this.#all.delete(item)) return;
    item.place = undefined;
    if (place.under.length === 0) pull(this.#others, item);
    for (const key of place.under) pull(key.items, item);
    for (const side of ["subject", "peer"] as const) this.#leave(side, item);
  }

  #leave(side: Side, item: T): void {
    for (const [index, facts] of item.facts[side].entries()) {
      for (const [attribute, value] of facts) {
        const byValue = this.#keys[side].get(attribute);
        const key = byValue?.get(value);
        if (byValue === undefined || key === undefined) continue;
        if (index === 0) pull(key.firsts, item);
        if (--key.count > 0) continue;
        byValue.delete(value);
        if (byValue.size === 0) this.#keys[side].delete(attribute);
      }
    }
  }

  get size(): number {
    return this.#all.size;
  }

  /** Those that may cover an item: whoever does covers its first alternative on either side. */
  covering({ facts: { subject, peer } }: Pick<T, "facts">): readonly T[] {
    return this.matching(subject[0] ?? [], peer[0] ?? []);
  }

  /** Those that may match a call between ends that have these facts. */
  matching(subject: Facts, peer: Facts): readonly T[] {
    const query = ++this.#query;
    const found: T[] = [];
    collect(this.#others, query, found);
    // Facts are not taken apart here: that makes objects, and this is asked for each rule and each example.
    for (const fact of subject) collect(this.#keys.subject.get(fact[0])?.get(fact[1])?.items, query, found);
    for (const fact of peer) collect(this.#keys.peer.get(fact[0])?.get(fact[1])?.items, query, found);
    return found;
  }

  /** Those that an item may cover. */
  coveredBy({ facts }: Pick<T, "facts">): readonly T[] {
    const sides = (["subject", "peer"] as const).map((side) =>
      facts[side].map((all) => all.map(([attribute, value]) => this.#keys[side].get(attribute)?.get(value) ?? nobody<T>())),
    );
    const keys = rarest(sides, ({ firsts }) => firsts.length);
    if (keys === undefined) return [...this.#all];
    const query = ++this.#query;
    const found: T[] = [];
    for (const { firsts } of keys) collect(firsts, query, found);
    return found;
  }
}

const nobody = <T>(): Key<T> => ({ count: 0, items: [], firsts: [] });

/** Each once. */
function collect<T extends Indexed<T>>(items: readonly T[] | undefined, query: number, found: T[]): void {
  if (items === undefined) return;
  for (const item of items) {
    if (item.lastQuery === query) continue;
    item.lastQuery = query;
    found.push(item);
  }
}

/** The rarest key of each alternative, of the side whose commonest of them is rarer; undefined when both have one without a key. */
function rarest<T>(sides: readonly (readonly (readonly Key<T>[])[])[], countOf: (key: Key<T>) => number): readonly Key<T>[] | undefined {
  let best: readonly Key<T>[] | undefined;
  let lowest = Number.POSITIVE_INFINITY;
  for (const side of sides) {
    const keys: Key<T>[] = [];
    let cost = side.length === 0 ? Number.POSITIVE_INFINITY : 0;
    for (const alternative of side) {
      let rare: Key<T> | undefined;
      let count = Number.POSITIVE_INFINITY;
      for (const key of alternative) {
        const own = countOf(key);
        if (own >= count) continue;
        rare = key;
        count = own;
      }
      cost = Math.max(cost, count);
      if (rare !== undefined && !keys.includes(rare)) keys.push(rare);
    }
    if (cost >= lowest) continue;
    lowest = cost;
    best = keys;
  }
  return best;
}

function pull<T>(items: T[], item: T): void {
  const at = items.indexOf(item);
  if (at === -1) return;
  const last = items.pop();
  if (last !== undefined && last !== item) items[at] = last;
}
