/**
 * Searches by a deterministic automaton that is built while it runs: each state is a set of instructions of the program, each
 * transition is found once and then read from a table. A text costs at most one transition to be found per character,
 * whatever the pattern; when the table outgrows its limit, it is emptied and the search goes on.
 */
import { type CharClasses, charClassesOf, classOf } from "./char-classes.ts";
import { contains, WORD_CHAR } from "./char-set.ts";
import { ASSERTION } from "./pattern.ts";
import { compileProgram, OP, type Program } from "./program.ts";
import type { SearchForm } from "./search-form.ts";

/** Of the table and the states of one automaton; at least one state is always kept. */
const MAX_STATE_BYTES = 256 * 1024;

const STATE_OVERHEAD_BYTES = 100;
/** Marks of visits are kept in 32 bits. */
const MAX_VISIT = 0x7fffffff;

const UNKNOWN = -1;
const DEAD = -2;
const MATCHED = -3;

/** What is known of the position before the next character, as bits. */
const AT_BEGINNING = 1;
const AFTER_NEWLINE = 2;
const AFTER_WORD = 4;

/**
 * What makes a state: its first unit holds the bits above, 0 where nothing can ask for them, the others in ascending order the
 * instructions that wait for a character (sets, and assertions that look at what follows). A string is small, and a key.
 */
type State = string;

export class SearchAutomaton {
  /** How much was done: characters read and instructions visited. For tests of growth. */
  steps: number = 0;

  readonly #program: Program;
  readonly #prefix: string;
  readonly #classes: CharClasses;
  /** Columns of the table: the classes, and one for the end of the text. */
  readonly #width: number;
  /** Cell `state + class` holds the next state (a multiple of the width), or one of the negative numbers above. */
  #table: Int32Array;
  #states: State[] = [];
  #rows = new Map<State, number>();
  /** By what stands before the start; UNKNOWN where not yet made. */
  readonly #startStates: number[] = new Array<number>(AFTER_WORD + 1).fill(UNKNOWN);
  #stateBytes = 0;

  /** Instructions reached in the current transition, and marks of those visited. */
  #reached: number[] = [];
  #isMatched = false;
  readonly #visited: Uint32Array;
  #visit = 0;
  readonly #stack: number[] = [];

  constructor({ pattern, isAnchored, prefix }: SearchForm) {
    const program = compileProgram(pattern, isAnchored ? "anchored" : "search");
    this.#program = program;
    this.#prefix = prefix;
    this.#classes = charClassesOf(program);
    this.#width = this.#classes.count + 1;
    this.#table = new Int32Array(4 * this.#width).fill(UNKNOWN);
    this.#visited = new Uint32Array(program.ops.length);
  }

  /** Whether a match begins at `from` or later. */
  search(text: string, from: number): boolean {
    const start = this.#prefix === "" ? from : text.indexOf(this.#prefix, from);
    if (start < 0) return false;
    let state = start === 0 ? (this.#startStates[AT_BEGINNING] ?? UNKNOWN) : UNKNOWN;
    if (state === UNKNOWN) state = this.#startState(text, start);
    if (state < 0) return state === MATCHED;
    // Nothing but ASCII and transitions that are known: a loop that does no more is half again as fast.
    const ascii = this.#classes.ascii;
    const table = this.#table;
    let i = start;
    let next = state;
    for (; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (unit > 127) break;
      next = table[state + (ascii[unit] ?? 0)] ?? DEAD;
      if (next < 0) break;
      state = next;
    }
    this.steps += i - start;
    return next === MATCHED || (next !== DEAD && this.#searchOn(text, i, state));
  }

  /** Goes on from `state` with any character, finding transitions that are not known yet. */
  #searchOn(text: string, start: number, from: number): boolean {
    const { ascii, count: end } = this.#classes;
    let state = from;
    let i = start;
    while (state >= 0 && i < text.length) {
      const codePoint = text.codePointAt(i) ?? 0;
      const charClass = codePoint < 128 ? (ascii[codePoint] ?? 0) : classOf(this.#classes, codePoint);
      state = this.#next(state, charClass);
      i += codePoint > 0xffff ? 2 : 1;
    }
    this.steps += i - start;
    return (state < 0 ? state : this.#next(state, end)) === MATCHED;
  }

  #next(state: number, charClass: number): number {
    const next = this.#table[state + charClass] ?? DEAD;
    return next === UNKNOWN ? this.#transition(state, charClass) : next;
  }

  #startState(text: string, from: number): number {
    const before = from === 0 ? AT_BEGINNING : this.#bitsAfter(text.charCodeAt(from - 1));
    const known = this.#startStates[before] ?? UNKNOWN;
    if (known !== UNKNOWN) return known;
    this.#begin();
    this.#follow(this.#program.start, before, -1);
    const start = this.#stateOf(before);
    this.#startStates[before] = start;
    return start;
  }

  /** Finds and records where `state` goes with a character of `charClass`. */
  #transition(from: number, charClass: number): number {
    const state = this.#states[from / this.#width];
    if (state === undefined) return DEAD;
    const next = this.#nextState(state, charClass);
    // The table may have been emptied meanwhile; then there is no row to write to.
    if (this.#states[from / this.#width] === state) this.#table[from + charClass] = next;
    return next;
  }

  #nextState(state: State, charClass: number): number {
    const { ops, nexts, operands, sets } = this.#program;
    this.#begin();
    const before = state.charCodeAt(0);
    for (let i = 1; i < state.length; i++) this.#follow(state.charCodeAt(i), before, charClass);
    if (this.#isMatched) return MATCHED;
    if (charClass === this.#classes.count) return DEAD;
    const sources = this.#reached;
    const codePoint = this.#classes.representatives[charClass] ?? 0;
    const after = this.#bitsAfter(codePoint);
    this.#begin();
    for (const pc of sources) {
      const set = sets[operands[pc] ?? 0];
      if (ops[pc] === OP.set && set !== undefined && contains(set, codePoint)) this.#follow(nexts[pc] ?? 0, after, -1);
    }
    this.steps += sources.length;
    return this.#stateOf(after);
  }

  #begin(): void {
    this.#reached = [];
    this.#isMatched = false;
    if (++this.#visit <= MAX_VISIT) return;
    this.#visited.fill(0);
    this.#visit = 1;
  }

  /**
   * Adds what is reached from `start` without a character to `#reached`. `following` is the class of the next character, or
   * -1 while it is not known: assertions that depend on it then wait.
   */
  #follow(start: number, before: number, following: number): void {
    const { ops, nexts, operands } = this.#program;
    const stack = this.#stack;
    stack.push(start);
    for (let pc = stack.pop(); pc !== undefined; pc = stack.pop()) {
      if (this.#visited[pc] === this.#visit) continue;
      this.#visited[pc] = this.#visit;
      this.steps++;
      const operand = operands[pc] ?? 0;
      const next = nexts[pc] ?? 0;
      switch (ops[pc]) {
        case OP.match:
          this.#isMatched = true;
          break;
        case OP.split:
          stack.push(operand, next);
          break;
        case OP.save:
          stack.push(next);
          break;
        case OP.set:
          this.#reached.push(pc);
          break;
        default:
          if (operand >= ASSERTION.endText && following < 0) this.#reached.push(pc);
          else if (this.#holds(operand, before, following)) stack.push(next);
      }
    }
  }

  #holds(assertion: number, before: number, following: number): boolean {
    const isAtEnd = following === this.#classes.count;
    const codePoint = isAtEnd ? -1 : (this.#classes.representatives[following] ?? -1);
    switch (assertion) {
      case ASSERTION.beginText:
        return (before & AT_BEGINNING) !== 0;
      case ASSERTION.beginLine:
        return (before & (AT_BEGINNING | AFTER_NEWLINE)) !== 0;
      case ASSERTION.endText:
        return isAtEnd;
      case ASSERTION.endLine:
        return isAtEnd || codePoint === 0x0a;
      default: {
        const isBoundary = ((before & AFTER_WORD) !== 0) !== contains(WORD_CHAR, codePoint);
        return isBoundary === (assertion === ASSERTION.wordBoundary);
      }
    }
  }

  #bitsAfter(codePoint: number): number {
    const newline = codePoint === 0x0a ? AFTER_NEWLINE : 0;
    return contains(WORD_CHAR, codePoint) ? newline | AFTER_WORD : newline;
  }

  /** The row of the state of what was reached. */
  #stateOf(after: number): number {
    if (this.#isMatched) return MATCHED;
    if (this.#reached.length === 0) return DEAD;
    const hasAssertion = this.#reached.some((pc) => this.#program.ops[pc] === OP.assert);
    const state = stateText(hasAssertion ? after : 0, this.#reached);
    return this.#rows.get(state) ?? this.#addState(state);
  }

  #addState(state: State): number {
    const width = this.#width;
    const bytes = 4 * width + 2 * state.length + STATE_OVERHEAD_BYTES;
    if (this.#stateBytes + bytes > MAX_STATE_BYTES) {
      this.#states = [];
      this.#rows = new Map();
      this.#startStates.fill(UNKNOWN);
      this.#stateBytes = 0;
    }
    this.#stateBytes += bytes;
    const row = (this.#states.push(state) - 1) * width;
    if (row + width > this.#table.length) {
      const larger = new Int32Array(2 * this.#table.length);
      larger.set(this.#table);
      this.#table = larger;
    }
    this.#table.fill(UNKNOWN, row, row + width);
    this.#rows.set(state, row);
    return row;
  }
}

/** Arguments of one call. */
const TEXT_CHUNK = 4096;

function stateText(before: number, reached: readonly number[]): State {
  const waiting = new Uint16Array(reached).sort();
  let text = String.fromCharCode(before);
  for (let i = 0; i < waiting.length; i += TEXT_CHUNK) text += String.fromCharCode(...waiting.subarray(i, i + TEXT_CHUNK));
  return text;
}
