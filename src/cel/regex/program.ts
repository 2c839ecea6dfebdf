/** Thompson's construction: a pattern as a program of few instructions, numbered from 0. */
import { ANY_CHAR, type CharSet, contains, unionOf, WORD_CHAR } from "./char-set.ts";
import { ASSERTION, canBeEmpty, type Pattern, type RepeatPattern } from "./pattern.ts";

/** Of a pattern, by `instructionCount`. Program counters fit into 15 bits. */
export const MAX_INSTRUCTIONS = 32_000;

const ASCII_SIZE = 128;
const WORDS_PER_SET = 4;
const NO_MEMBERS = new Uint32Array(0);

export const OP = {
  /** Consumes a code point of the set `operand`, goes to `next`. */
  set: 0,
  /** Goes to `next` if the assertion `operand` holds. */
  assert: 1,
  /** Goes to `next` or, less preferred, to `operand`. */
  split: 2,
  /** Stores the position in slot `operand`, goes to `next`. */
  save: 3,
  match: 4,
} as const;

export interface Program {
  readonly start: number;
  readonly ops: Uint8Array;
  readonly nexts: Uint16Array;
  readonly operands: Uint16Array;
  readonly sets: readonly CharSet[];
  /** Which ASCII characters each set holds, as 128 bits a set; empty in a program without captures. */
  readonly asciiMembers: Uint32Array;
  /** The number of the set of all code points that a match can begin with, or -1 when a match can be empty. */
  readonly leadingSet: number;
  readonly hasWordBoundary: boolean;
  readonly hasLineAssertion: boolean;
}

/** How many instructions `compileProgram` makes of a pattern, without its entry and match. */
export function instructionCount(pattern: Pattern): number {
  switch (pattern.kind) {
    case "empty":
      return 0;
    case "set":
    case "assertion":
      return 1;
    case "group":
      return instructionCount(pattern.body) + 2;
    case "sequence":
      return pattern.parts.reduce((sum, part) => sum + instructionCount(part), 0);
    case "choice":
      return pattern.branches.reduce((sum, branch) => sum + instructionCount(branch) + 1, -1);
    case "repeat": {
      const body = instructionCount(pattern.body);
      if (pattern.max === Infinity) return Math.max(1, pattern.min) * body + 2;
      return pattern.max * body + (pattern.max - pattern.min);
    }
    default:
      return pattern satisfies never;
  }
}

/** `search`: without captures, and with a loop in front that starts a match at every position; `anchored`: the same without the loop; `captures`: with slots. */
export type ProgramMode = "search" | "anchored" | "captures";

export function compileProgram(pattern: Pattern, mode: ProgramMode): Program {
  const builder = new ProgramBuilder(mode === "captures");
  const match = builder.emit(OP.match, 0, 0);
  let start = builder.compile(pattern, match);
  if (mode === "search") {
    const loop = builder.emit(OP.split, start, 0);
    builder.patch(loop, start, builder.emitSet(ANY_CHAR, loop));
    start = loop;
  }
  return builder.finish(start);
}

/** Emits backwards: every part is compiled with the place to go on to already known. */
class ProgramBuilder {
  readonly #hasCaptures: boolean;
  readonly #ops: number[] = [];
  readonly #nexts: number[] = [];
  readonly #operands: number[] = [];
  readonly #sets: CharSet[] = [];
  readonly #setIndex = new Map<CharSet | string, number>();

  constructor(hasCaptures: boolean) {
    this.#hasCaptures = hasCaptures;
  }

  emit(op: number, next: number, operand: number): number {
    this.#nexts.push(next);
    this.#operands.push(operand);
    return this.#ops.push(op) - 1;
  }

  emitSet(set: CharSet, next: number): number {
    return this.emit(OP.set, next, this.#intern(set));
  }

  patch(pc: number, next: number, operand: number): void {
    this.#nexts[pc] = next;
    this.#operands[pc] = operand;
  }

  /** Emits `pattern` so that it goes on to `next`, and returns where it starts. */
  compile(pattern: Pattern, next: number): number {
    switch (pattern.kind) {
      case "empty":
        return next;
      case "set":
        return this.emitSet(pattern.set, next);
      case "assertion":
        return this.emit(OP.assert, next, pattern.assertion);
      case "group": {
        if (!this.#hasCaptures) return this.compile(pattern.body, next);
        const end = this.emit(OP.save, next, 2 * pattern.index + 1);
        return this.emit(OP.save, this.compile(pattern.body, end), 2 * pattern.index);
      }
      case "sequence":
        return pattern.parts.reduceRight((after, part) => this.compile(part, after), next);
      case "choice":
        return pattern.branches
          .map((branch) => this.compile(branch, next))
          .reduceRight((rest, branch) => this.emit(OP.split, branch, rest));
      case "repeat":
        return this.#compileRepeat(pattern, next);
      default:
        return pattern satisfies never;
    }
  }

  #compileRepeat(repeat: RepeatPattern, next: number): number {
    const { body, min, max, greedy } = repeat;
    let start = next;
    if (max === Infinity) start = this.#compileLoop(repeat, next);
    else for (let i = min; i < max; i++) start = this.#patchSplit(this.emit(OP.split, 0, 0), this.compile(body, start), next, greedy);
    for (let i = max === Infinity ? 1 : 0; i < min; i++) start = this.compile(body, start);
    return start;
  }

  /** One turn or more; none as well if the minimum is 0. */
  #compileLoop({ body, min, greedy }: RepeatPattern, next: number): number {
    const loop = this.emit(OP.split, 0, 0);
    const start = this.compile(body, loop);
    this.#patchSplit(loop, start, next, greedy);
    if (min > 0) return start;
    // Entering at the split that ends a turn is enough, unless a turn can be empty: then its order of preference would be lost.
    if (!canBeEmpty(body, true)) return loop;
    return this.#patchSplit(this.emit(OP.split, 0, 0), start, next, greedy);
  }

  #patchSplit(pc: number, body: number, next: number, greedy: boolean): number {
    if (greedy) this.patch(pc, body, next);
    else this.patch(pc, next, body);
    return pc;
  }

  #intern(set: CharSet): number {
    const key = set.length <= 4 ? set.join() : set;
    const known = this.#setIndex.get(key);
    if (known !== undefined) return known;
    const index = this.#sets.push(set) - 1;
    this.#setIndex.set(key, index);
    return index;
  }

  /** The number of the set of all code points that can be consumed first, assertions taken as true; -1 if the match can be reached without. */
  #leadingSet(start: number): number {
    const ranges: number[] = [];
    const seen = new Set([start]);
    for (const pc of seen) {
      const next = this.#nexts[pc] ?? 0;
      const operand = this.#operands[pc] ?? 0;
      if (this.#ops[pc] === OP.match) return -1;
      if (this.#ops[pc] === OP.set) ranges.push(...(this.#sets[operand] ?? []));
      else seen.add(next);
      if (this.#ops[pc] === OP.split) seen.add(operand);
    }
    return this.#intern(unionOf(ranges));
  }

  finish(start: number): Program {
    const leadingSet = this.#hasCaptures ? this.#leadingSet(start) : -1;
    const assertions = new Set(this.#operands.filter((_, pc) => this.#ops[pc] === OP.assert));
    return {
      start,
      ops: Uint8Array.from(this.#ops),
      nexts: Uint16Array.from(this.#nexts),
      operands: Uint16Array.from(this.#operands),
      sets: this.#sets,
      asciiMembers: this.#hasCaptures ? asciiMembersOf(this.#sets) : NO_MEMBERS,
      leadingSet,
      hasWordBoundary: assertions.has(ASSERTION.wordBoundary) || assertions.has(ASSERTION.notWordBoundary),
      hasLineAssertion: assertions.has(ASSERTION.beginLine) || assertions.has(ASSERTION.endLine),
    };
  }
}

/** Which ASCII characters each set holds, as 128 bits a set. */
function asciiMembersOf(sets: readonly CharSet[]): Uint32Array {
  const members = new Uint32Array(sets.length * WORDS_PER_SET);
  for (const [index, set] of sets.entries()) {
    for (let i = 0; i < set.length && (set[i] ?? 0) < ASCII_SIZE; i += 2) {
      for (let char = set[i] ?? 0; char <= Math.min(set[i + 1] ?? 0, ASCII_SIZE - 1); char++) {
        const word = index * WORDS_PER_SET + (char >> 5);
        members[word] = (members[word] ?? 0) | (1 << (char & 31));
      }
    }
  }
  return members;
}

/** Whether the set numbered `set` holds `codePoint`; -1 stands for the end of the text, which is in no set. */
export function setAccepts({ sets, asciiMembers }: Program, set: number, codePoint: number): boolean {
  if (codePoint >= ASCII_SIZE) return contains(sets[set] ?? [], codePoint);
  return codePoint >= 0 && (((asciiMembers[set * WORDS_PER_SET + (codePoint >> 5)] ?? 0) >>> (codePoint & 31)) & 1) === 1;
}

/** Whether an assertion holds at `position`. */
export function holdsAt(assertion: number, text: string, position: number): boolean {
  switch (assertion) {
    case ASSERTION.beginText:
      return position === 0;
    case ASSERTION.beginLine:
      return position === 0 || text.charCodeAt(position - 1) === 0x0a;
    case ASSERTION.endText:
      return position === text.length;
    case ASSERTION.endLine:
      return position === text.length || text.charCodeAt(position) === 0x0a;
    default: {
      // Outside the text charCodeAt is NaN, which is in no set; half a surrogate pair is no word character either.
      const isBoundary = contains(WORD_CHAR, text.charCodeAt(position - 1)) !== contains(WORD_CHAR, text.charCodeAt(position));
      return isBoundary === (assertion === ASSERTION.wordBoundary);
    }
  }
}
