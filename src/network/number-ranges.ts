/** Ranges of whole numbers from 0 on, taken and given back: the cells of a policy lie one after the other. */
export class NumberRanges {
  /** By length: where a free range of just that length begins. */
  readonly #free = new Map<number, number[]>();
  #end = 0;
  #waste = 0;

  /** One more than the largest number that was ever taken. */
  get end(): number {
    return this.#end;
  }

  /** Numbers below the end that are free. */
  get wasteCount(): number {
    return this.#waste;
  }

  /** Returns the first number of the range. */
  take(length: number): number {
    const found = this.#free.get(length)?.pop();
    if (found !== undefined) {
      this.#waste -= length;
      return found;
    }
    const first = this.#end;
    this.#end += length;
    return first;
  }

  giveBack(first: number, length: number): void {
    if (length === 0) return;
    this.#waste += length;
    const list = this.#free.get(length);
    if (list === undefined) this.#free.set(length, [first]);
    else list.push(first);
  }

  /** All are free again. */
  clear(): void {
    this.#free.clear();
    this.#end = 0;
    this.#waste = 0;
  }
}
