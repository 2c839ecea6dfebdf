/** What `main.ts` runs. */
export interface FuzzTarget {
  readonly name: string;
  /** How many things are judged of one input, when it is not one. */
  readonly casesPerInput?: number;
  /**
   * Makes one input from random numbers (0 up to, without, 1) and judges what the product does with it. The same numbers make the
   * same input. Throws, or rejects, when something is wrong, with the input that did it. A text that it returns, or resolves with,
   * is counted, so that a run can show what it reached.
   */
  run(random: () => number): unknown;
}

/** Processor time of this thread: other programs do not make an input slow. */
export function threadMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/** Random numbers that depend on nothing but the seed and the number of the input (mulberry32). */
export function randomOf(seed: number, input: number): () => number {
  let state = (Math.imul(seed, 0x9e3779b1) ^ Math.imul(input + 1, 0x85ebca6b)) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
