/**
 * Finds where a match begins and ends and what its groups hold, in the order of preference that Perl and RE2 share
 * ("leftmost-first"), by running all candidates side by side: at most every instruction once per character (Pike's machine).
 */
import { type CaptureSearch, NO_START, nextStart } from "./capture-search.ts";
import { holdsAt, OP, type Program, setAccepts } from "./program.ts";

const NONE = -1;
/** Marks of visits are kept in 32 bits. */
const MAX_VISIT = 0x7fffffff;

/** Candidates in order of preference: the instruction that each waits at, and a row of slots. */
interface Threads {
  count: number;
  readonly pcs: Uint16Array;
  readonly slots: Int32Array;
}

export class CaptureMachine {
  /** How much was done: instructions visited. For tests of growth. */
  steps: number = 0;

  readonly #program: Program;
  readonly #search: CaptureSearch;
  readonly #slotCount: number;
  #current: Threads;
  #next: Threads;
  /** Marks of the instructions that were visited at the current position. */
  readonly #visited: Uint32Array;
  #visit = 0;
  /** Instructions to visit; a negative entry restores a slot: its number, then the value. */
  readonly #stack: Int32Array;
  /** The slots of the candidate that is being followed. */
  readonly #slots: Int32Array;

  constructor(search: CaptureSearch) {
    const { program } = search;
    this.#program = program;
    this.#search = search;
    this.#slotCount = 2 * (search.groupCount + 1);
    const waiting = program.ops.reduce((sum, op) => (op === OP.set || op === OP.match ? sum + 1 : sum), 0);
    const threads = (): Threads => ({ count: 0, pcs: new Uint16Array(waiting), slots: new Int32Array(waiting * this.#slotCount) });
    this.#current = threads();
    this.#next = threads();
    this.#visited = new Uint32Array(program.ops.length);
    this.#stack = new Int32Array(3 * program.ops.length + 1);
    this.#slots = new Int32Array(this.#slotCount);
  }

  /** The slots of the first match that begins at `from` or later (begin and end of the match, then of each group, -1 where unset), or null. */
  find(text: string, from: number): Int32Array | null {
    let match: Int32Array | null = null;
    let position = from;
    this.#current.count = 0;
    for (;;) {
      if (this.#current.count === 0) {
        if (match !== null) return match;
        position = nextStart(this.#search, text, position);
        if (position === NO_START) return null;
        this.#forgetVisits();
      }
      if (match === null) this.#start(text, position);
      const codePoint = position < text.length ? (text.codePointAt(position) ?? NONE) : NONE;
      position += codePoint > 0xffff ? 2 : 1;
      match = this.#step(text, codePoint, position) ?? match;
      if (codePoint === NONE) return match;
      [this.#current, this.#next] = [this.#next, this.#current];
    }
  }

  /** Adds a candidate that begins here, less preferred than all before it: what those reached already is theirs. */
  #start(text: string, position: number): void {
    if (this.#search.isAnchored && position > 0) return;
    this.#slots.fill(NONE);
    this.#slots[0] = position;
    this.#follow(this.#current, this.#program.start, text, position);
  }

  /** Moves every candidate past the code point before `after`. Returns the slots of the most preferred one that has matched. */
  #step(text: string, codePoint: number, after: number): Int32Array | null {
    const { ops, nexts, operands } = this.#program;
    const { count, pcs, slots } = this.#current;
    const width = this.#slotCount;
    const own = this.#slots;
    this.#forgetVisits();
    this.#next.count = 0;
    for (let i = 0; i < count; i++) {
      const pc = pcs[i] ?? 0;
      if (ops[pc] === OP.match) return slots.slice(i * width, (i + 1) * width);
      if (!setAccepts(this.#program, operands[pc] ?? 0, codePoint)) continue;
      for (let slot = 0, from = i * width; slot < width; slot++) own[slot] = slots[from + slot] ?? NONE;
      this.#follow(this.#next, nexts[pc] ?? 0, text, after);
    }
    return null;
  }

  #forgetVisits(): void {
    if (++this.#visit <= MAX_VISIT) return;
    this.#visited.fill(0);
    this.#visit = 1;
  }

  /** Adds the candidates that `start` leads to at `position` without a character, most preferred first. */
  #follow(threads: Threads, start: number, text: string, position: number): void {
    const { ops, nexts, operands } = this.#program;
    const stack = this.#stack;
    const visited = this.#visited;
    const visit = this.#visit;
    const own = this.#slots;
    let depth = 0;
    stack[depth++] = start;
    while (depth > 0) {
      const pc = stack[--depth] ?? 0;
      if (pc < 0) {
        own[-pc] = stack[--depth] ?? NONE;
        continue;
      }
      if (visited[pc] === visit) continue;
      visited[pc] = visit;
      this.steps++;
      const op = ops[pc];
      const operand = operands[pc] ?? 0;
      const next = nexts[pc] ?? 0;
      if (op === OP.split) {
        stack[depth++] = operand;
        stack[depth++] = next;
      } else if (op === OP.save) {
        stack[depth++] = own[operand] ?? NONE;
        stack[depth++] = -operand;
        stack[depth++] = next;
        own[operand] = position;
      } else if (op === OP.assert) {
        if (holdsAt(operand, text, position)) stack[depth++] = next;
      } else this.#add(threads, pc, op === OP.match ? position : NONE);
    }
  }

  #add(threads: Threads, pc: number, end: number): void {
    const width = this.#slotCount;
    const own = this.#slots;
    const row = threads.count * width;
    threads.pcs[threads.count++] = pc;
    for (let slot = 0; slot < width; slot++) threads.slots[row + slot] = own[slot] ?? NONE;
    threads.slots[row + 1] = end;
  }
}
