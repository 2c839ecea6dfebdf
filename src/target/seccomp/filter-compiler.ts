/**
 * Profiles to seccomp filters: the architecture is checked first, then the x32 bit, then a binary search over ranges of numbers finds
 * what is to be done. About nine comparisons for any call, where a list would take as many as there are calls.
 */
import { VigilError } from "../../lib/error.ts";
import { type Architecture, SYSCALL_NAMES, type SyscallName, syscallNumber } from "../../linux/syscall-numbers.ts";
import {
  AUDIT_ARCHITECTURE,
  CODE,
  type FilterAction,
  type FilterInstruction,
  MAX_INSTRUCTIONS,
  OFFSET,
  returnValue,
  X32_BIT,
} from "./filter-instruction.ts";
import type { Alternative, Condition, Profile, ProfileCall } from "./profile.ts";

export type FilterErrorCode = "PROFILE_FILTER_TOO_LONG";

export interface FilterOptions {
  readonly architecture: Architecture;
  /** For what the profile does not allow. */
  readonly otherwise: FilterAction;
  /** For numbers that Vigil does not know; ENOSYS unless said, so that a libc falls back as on an older kernel. */
  readonly unknown?: FilterAction;
  /** For calls of another architecture (32-bit calls on a 64-bit system): killed unless said. */
  readonly foreign?: FilterAction;
  readonly allowed?: FilterAction;
  /** Arguments that are refused before the profile is asked, whatever it says. */
  readonly refused?: Refusals;
}

export type Refusals = { readonly [N in SyscallName]?: readonly Alternative[] };

const ENOSYS: FilterAction = { kind: "errno", errno: 38 };
const MAX_JUMP = 255;
const UINT32 = 0xffff_ffffn;

/**
 * The filter. `clone3` is answered with ENOSYS where the profile has no entry for it: its flags cannot be looked at, and every libc then
 * takes `clone`. Throws `PROFILE_FILTER_TOO_LONG`.
 */
export function compileFilter(profile: Pick<Profile, "calls">, options: FilterOptions): readonly FilterInstruction[] {
  const { architecture, otherwise, unknown = ENOSYS, foreign = { kind: "kill" }, allowed = { kind: "allow" } } = options;
  const assembler = new BackwardAssembler();
  const actions: Actions = { otherwise, unknown, allowed, refused: options.refused ?? {} };
  const search = emitSearch(assembler, buildRanges(profile, architecture, actions), actions);
  // From here on backwards: what comes first in the filter is emitted last.
  let start = search;
  if (architecture === "x64") {
    const wrongAbi = assembler.returnOf(unknown);
    start = assembler.branch(CODE.jumpGreaterOrEqual, X32_BIT, wrongAbi, search);
  }
  start = assembler.emit(CODE.load, OFFSET.number, start);
  const otherMachine = assembler.returnOf(foreign);
  assembler.branch(CODE.jumpEqual, AUDIT_ARCHITECTURE[architecture], start, otherMachine);
  assembler.emit(CODE.load, OFFSET.architecture);
  const program = assembler.finish();
  if (program.length <= MAX_INSTRUCTIONS) return program;
  throw new VigilError(
    "PROFILE_FILTER_TOO_LONG" satisfies FilterErrorCode,
    `the filter has ${program.length} instructions, the kernel takes ${MAX_INSTRUCTIONS}`,
    { hint: "allow the calls with the most alternatives with any arguments" },
  );
}

type Outcome = { readonly kind: "action"; readonly action: FilterAction } | { readonly kind: "arguments"; readonly call: ProfileCall };

/** From this number on, up to the next range, this outcome. */
interface Range {
  readonly from: number;
  readonly outcome: Outcome;
}

interface Actions {
  readonly otherwise: FilterAction;
  readonly unknown: FilterAction;
  readonly allowed: FilterAction;
  readonly refused: Refusals;
}

/** Ranges by ascending number; the first is from 0. */
function buildRanges(profile: Pick<Profile, "calls">, architecture: Architecture, actions: Actions): readonly Range[] {
  const calls = new Map<number, ProfileCall>();
  for (const call of profile.calls) {
    const number = syscallNumber(call.name, architecture);
    if (number !== undefined) calls.set(number, call);
  }
  const known = new Map(SYSCALL_NAMES.map((name) => [syscallNumber(name, architecture), name]));
  const last = Math.max(...[...known.keys()].map((number) => number ?? 0));
  const ranges: Range[] = [];
  for (let number = 0; number <= last + 1; number++) {
    const outcome = outcomeOf(calls.get(number), known.get(number), actions);
    const before = ranges.at(-1)?.outcome;
    if (before === undefined || !sameOutcome(before, outcome)) ranges.push({ from: number, outcome });
  }
  return ranges;
}

function outcomeOf(call: ProfileCall | undefined, name: string | undefined, { otherwise, unknown, allowed, refused }: Actions): Outcome {
  if (name === undefined) return { kind: "action", action: unknown };
  if (call === undefined) return { kind: "action", action: name === "clone3" && otherwise.kind !== "notify" ? ENOSYS : otherwise };
  return call.alternatives.length === 0 && refused[call.name] === undefined
    ? { kind: "action", action: allowed }
    : { kind: "arguments", call };
}

const sameOutcome = (a: Outcome, b: Outcome): boolean =>
  a.kind === "action" && b.kind === "action" && returnValue(a.action) === returnValue(b.action);

/** Where in the filter something begins, counted from its end. */
type Label = number;

/** Emits from the last instruction to the first, so that every jump knows its target. */
class BackwardAssembler {
  readonly #reversed: FilterInstruction[] = [];
  readonly #returns = new Map<number, Label>();

  /** The label of the instruction that was emitted last. */
  get here(): Label {
    return this.#reversed.length;
  }

  emit(code: number, k: number, next: Label = this.here): Label {
    if (next !== this.here) this.#jumpTo(next);
    this.#reversed.push({ code, jt: 0, jf: 0, k });
    return this.here;
  }

  #jumpTo(target: Label): void {
    this.#reversed.push({ code: CODE.jump, jt: 0, jf: 0, k: this.here - target });
  }

  /** A return of the action that a jump from here can reach: one that is there already, or a new one. */
  returnOf(action: FilterAction): Label {
    const value = returnValue(action);
    const before = this.#returns.get(value);
    // Two further instructions may come between: the other side's trampoline and the comparison itself.
    if (before !== undefined && this.here - before <= MAX_JUMP - 2) return before;
    this.#reversed.push({ code: CODE.return, jt: 0, jf: 0, k: value });
    this.#returns.set(value, this.here);
    return this.here;
  }

  /** A comparison; jumps that are too far go through an unconditional one. */
  branch(code: number, k: number, whenTrue: Label, whenFalse: Label): Label {
    const near = (target: Label): Label => {
      if (this.here - target <= MAX_JUMP - 1) return target;
      this.#jumpTo(target);
      return this.here;
    };
    const first = near(whenFalse);
    const second = near(whenTrue);
    this.#reversed.push({ code, jt: this.here - second, jf: this.here - first, k });
    return this.here;
  }

  finish(): readonly FilterInstruction[] {
    return this.#reversed.toReversed();
  }
}

/** A search over the ranges, with A = the number; returns where it begins. */
function emitSearch(assembler: BackwardAssembler, ranges: readonly Range[], actions: Actions): Label {
  const [only] = ranges;
  if (ranges.length === 1 && only !== undefined) {
    if (only.outcome.kind === "action") return assembler.returnOf(only.outcome.action);
    return emitArguments(assembler, only.outcome.call, actions);
  }
  const middle = ranges.length >> 1;
  const upper = emitSearch(assembler, ranges.slice(middle), actions);
  const lower = emitSearch(assembler, ranges.slice(0, middle), actions);
  return assembler.branch(CODE.jumpGreaterOrEqual, ranges[middle]?.from ?? 0, upper, lower);
}

/** First what is refused, then what is allowed; with any arguments where the call has no alternatives. */
function emitArguments(assembler: BackwardAssembler, { name, alternatives }: ProfileCall, { otherwise, allowed, refused }: Actions): Label {
  const last = alternatives.length === 0 ? allowed : otherwise;
  const accepting = emitAlternatives(assembler, alternatives, allowed, assembler.returnOf(last));
  return emitAlternatives(assembler, refused[name] ?? [], otherwise, accepting);
}

/** `action` where one of the alternatives holds, else what `fails` leads to. */
function emitAlternatives(assembler: BackwardAssembler, alternatives: readonly Alternative[], action: FilterAction, fails: Label): Label {
  let next = fails;
  for (const alternative of alternatives.toReversed()) {
    let holds = assembler.returnOf(action);
    for (const condition of alternative.toReversed()) holds = emitCondition(assembler, condition, holds, next);
    next = holds;
  }
  return next;
}

/** Both halves of the argument, as far as the mask has bits in them. */
function emitCondition(assembler: BackwardAssembler, { argument, mask, value }: Condition, holds: Label, fails: Label): Label {
  const half = (offset: number, halfMask: number, halfValue: number, whenTrue: Label): Label => {
    if (halfMask === 0) return whenTrue;
    assembler.branch(CODE.jumpEqual, halfValue, whenTrue, fails);
    if (halfMask !== 0xffff_ffff) assembler.emit(CODE.and, halfMask);
    return assembler.emit(CODE.load, offset);
  };
  const high = half(OFFSET.high(argument), Number(mask >> 32n), Number(value >> 32n), holds);
  return half(OFFSET.low(argument), Number(mask & UINT32), Number(value & UINT32), high);
}
