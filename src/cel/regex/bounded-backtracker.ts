/**
 * Finds a match and its groups by trying one way after the other, most preferred first, and never the same instruction at the
 * same position twice. That makes it linear too, at one bit for every instruction at every position: it is for short texts,
 * where it is several times as fast as `CaptureMachine`, with the same answers.
 */
import { type CaptureSearch, NO_START, nextStart } from "./capture-search.ts";
import { holdsAt, OP, type Program, setAccepts } from "./program.ts";

const MAX_VISIT_BITS = 1 << 18;
const NONE = -1;

export class BoundedBacktracker {
  /** How much was done: instructions visited. For tests of growth. */
  steps: number = 0;

  readonly search: CaptureSearch;
  readonly #program: Program;
  /** One bit for each instruction at each position. */
  #visited: Uint32Array = new Uint32Array(0);
  /** Ways not yet tried, as position and instruction; a negative instruction restores a slot: the value, then the slot's number. */
  readonly #stack: number[] = [];
  readonly #slots: Int32Array;

  constructor(search: CaptureSearch) {
    this.search = search;
    this.#program = search.program;
    this.#slots = new Int32Array(2 * (search.groupCount + 1));
  }

  /** Whether the memory suffices to search `length` UTF-16 units. */
  fits(length: number): boolean {
    return this.#program.ops.length * (length + 1) <= MAX_VISIT_BITS;
  }

  /** As `CaptureMachine.find`; the slots are overwritten by the next call. */
  find(text: string, from: number): Int32Array | null {
    const words = (this.#program.ops.length * (text.length - from + 1) + 31) >> 5;
    if (this.#visited.length < words) this.#visited = new Uint32Array(words);
    else this.#visited.fill(0, 0, words);
    for (let start = from; ; start++) {
      start = nextStart(this.search, text, start);
      if (start === NO_START) return null;
      if (this.#matchesAt(text, start, from)) return this.#slots;
    }
  }

  #matchesAt(text: string, start: number, from: number): boolean {
    const slots = this.#slots;
    const stack = this.#stack;
    slots.fill(NONE);
    slots[0] = start;
    stack.length = 0;
    stack.push(start, this.#program.start);
    while (stack.length > 0) {
      const pc = stack.pop() ?? 0;
      const position = stack.pop() ?? 0;
      if (pc < 0) slots[-pc] = position;
      else {
        const end = this.#run(pc, text, position, from);
        if (end === NONE) continue;
        slots[1] = end;
        return true;
      }
    }
    return false;
  }

  /** Goes the preferred way from `pc` until it fails or matches, and notes the others. Returns the end of the match or -1. */
  #run(start: number, text: string, at: number, from: number): number {
    const { ops, nexts, operands } = this.#program;
    const positions = text.length - from + 1;
    let pc = start;
    let position = at;
    while (this.#isNew(pc * positions + position - from)) {
      const operand = operands[pc] ?? 0;
      const op = ops[pc];
      if (op === OP.match) return position;
      if (op === OP.set) {
        const codePoint = position < text.length ? (text.codePointAt(position) ?? NONE) : NONE;
        if (!setAccepts(this.#program, operand, codePoint)) return NONE;
        position += codePoint > 0xffff ? 2 : 1;
      } else if (op === OP.split) this.#stack.push(position, operand);
      else if (op === OP.save) {
        this.#stack.push(this.#slots[operand] ?? NONE, -operand);
        this.#slots[operand] = position;
      } else if (!holdsAt(operand, text, position)) return NONE;
      pc = nexts[pc] ?? 0;
    }
    return NONE;
  }

  /** Marks an instruction at a position as visited and says whether it was not. */
  #isNew(bit: number): boolean {
    const word = this.#visited[bit >> 5] ?? 0;
    const mask = 1 << (bit & 31);
    this.#visited[bit >> 5] = word | mask;
    this.steps++;
    return (word & mask) === 0;
  }
}
