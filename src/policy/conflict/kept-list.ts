/** A list of things with what is kept about each of them, brought up to date by what differs in another list. */
interface Positioned {
  position: number;
}

export interface ListChanges<T> {
  readonly added: readonly T[];
  readonly removed: readonly T[];
  /** Whether some that stayed come in another order. */
  readonly isReordered: boolean;
}

/** Things are told apart as objects, and are in a list once. */
export class KeptList<K extends object, T extends Positioned> {
  readonly #make: (thing: K) => T;
  readonly #known = new Map<K, T>();
  #things: readonly K[] = [];
  #items: readonly T[] = [];

  constructor(make: (thing: K) => T) {
    this.#make = make;
  }

  /** In the order of the list. */
  get items(): readonly T[] {
    return this.#items;
  }

  get(thing: K): T | undefined {
    return this.#known.get(thing);
  }

  /** Costs little more than what differs between the two lists. */
  follow(things: readonly K[]): ListChanges<T> {
    const before = this.#things;
    const shorter = Math.min(before.length, things.length);
    let start = 0;
    while (start < shorter && before[start] === things[start]) start++;
    let tail = 0;
    while (tail < shorter - start && before[before.length - 1 - tail] === things[things.length - 1 - tail]) tail++;
    const left = new Set(before.slice(start, before.length - tail));
    const added: T[] = [];
    const middle: T[] = [];
    let isReordered = false;
    let last = -1;
    for (const thing of things.slice(start, things.length - tail)) {
      let item = this.#known.get(thing);
      if (item === undefined) {
        item = this.#make(thing);
        this.#known.set(thing, item);
        added.push(item);
      } else {
        isReordered ||= item.position <= last || !left.has(thing);
        last = item.position;
        left.delete(thing);
      }
      middle.push(item);
    }
    const removed = [...left].flatMap((thing) => this.#known.get(thing) ?? []);
    for (const thing of left) this.#known.delete(thing);
    this.#items = [...this.#items.slice(0, start), ...middle, ...this.#items.slice(before.length - tail)];
    const end = things.length === before.length ? things.length - tail : things.length;
    for (let position = start; position < end; position++) {
      const item = this.#items[position];
      if (item !== undefined) item.position = position;
    }
    this.#things = things;
    return { added, removed, isReordered };
  }
}
