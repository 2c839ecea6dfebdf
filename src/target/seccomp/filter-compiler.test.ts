import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Architecture, SYSCALL_NAMES, type SyscallName, syscallName, syscallNumber } from "../../linux/syscall-numbers.ts";
import { compileFilter } from "./filter-compiler.ts";
import {
  AUDIT_ARCHITECTURE,
  type FilterAction,
  type FilterInstruction,
  MAX_INSTRUCTIONS,
  returnValue,
  X32_BIT,
} from "./filter-instruction.ts";
import { runFilter, seccompData } from "./filter-machine.ts";
import { admits, type Condition, type ProfileCall } from "./profile.ts";

const DENY: FilterAction = { kind: "errno", errno: 1 };
const ENOSYS = returnValue({ kind: "errno", errno: 38 });
const ALLOW = returnValue({ kind: "allow" });

const ask = (filter: readonly FilterInstruction[], number: number, architecture: number, args: readonly bigint[] = []): number =>
  runFilter(filter, seccompData({ number, architecture, args }));

const call = (name: SyscallName, ...alternatives: readonly (readonly Condition[])[]): ProfileCall => ({
  name,
  reasons: ["seen"],
  alternatives,
});

/** What a filter must answer, written the obvious way. */
function expected(calls: readonly ProfileCall[], architecture: Architecture, number: number, args: readonly bigint[]): number {
  const name = syscallName(number, architecture);
  if (name === undefined) return ENOSYS;
  const entry = calls.find((each) => each.name === name);
  if (entry === undefined) return name === "clone3" ? ENOSYS : returnValue(DENY);
  return admits(entry, args) ? ALLOW : returnValue(DENY);
}

const words = fc.oneof(fc.bigInt(0n, 15n), fc.bigInt(0n, (1n << 64n) - 1n), fc.constantFrom(0xffff_ffffn, 1n << 32n, (1n << 64n) - 1n));
const masks = fc.oneof(fc.constantFrom(0xffff_ffffn, (1n << 64n) - 1n, 0xfn, 0xffff_ffff_0000_0000n), words);
const condition = fc
  .tuple(fc.integer({ min: 0, max: 5 }), masks, words)
  .map(([argument, mask, value]): Condition => ({ argument, mask, value: value & mask }));
const alternative = fc.uniqueArray(condition, { minLength: 1, maxLength: 3, selector: ({ argument }) => argument });
const calls = fc
  .uniqueArray(fc.constantFrom(...SYSCALL_NAMES), { maxLength: SYSCALL_NAMES.length })
  .chain((names) =>
    fc.tuple(
      ...names.map((name) =>
        fc
          .oneof({ weight: 5, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.array(alternative, { maxLength: 8 }) })
          .map((alternatives): ProfileCall => ({ name, reasons: ["seen"], alternatives })),
      ),
    ),
  );

describe.each(["x64", "arm64"] as const)("a filter for %s", (architecture) => {
  const machine = AUDIT_ARCHITECTURE[architecture];

  test("answers as the profile says, for random profiles, every call and random arguments", () => {
    fc.assert(
      fc.property(calls, fc.array(words, { minLength: 6, maxLength: 6 }), (profile, random) => {
        const filter = compileFilter({ calls: profile }, { architecture, otherwise: DENY });
        expect(filter.length).toBeLessThanOrEqual(MAX_INSTRUCTIONS);
        for (const { jt, jf } of filter) expect(Math.max(jt, jf)).toBeLessThanOrEqual(255);
        for (let number = 0; number < 520; number++) {
          const name = syscallName(number, architecture);
          const own = profile.find((each) => each.name === name)?.alternatives.at(-1) ?? [];
          // Arguments that fit the last alternative, so that both answers are common.
          const fitting = random.map((word, index) => {
            const wanted = own.find(({ argument }) => argument === index);
            return wanted === undefined ? word : (word & ~wanted.mask) | wanted.value;
          });
          for (const args of [random, fitting])
            expect(ask(filter, number, machine, args), `${number} ${args}`).toBe(expected(profile, architecture, number, args));
        }
      }),
      { numRuns: 40 },
    );
  });

  test("kills calls of any other architecture, whatever the number", () => {
    const filter = compileFilter({ calls: SYSCALL_NAMES.map((name) => call(name)) }, { architecture, otherwise: DENY });
    const i386 = 0x4000_0003;
    for (const number of [0, 1, 59, 0xffff_ffff]) expect(ask(filter, number, i386)).toBe(returnValue({ kind: "kill" }));
  });

  test("looks at most a dozen times at a number, with all calls in it", () => {
    const every = SYSCALL_NAMES.filter((_, index) => index % 2 === 0).map((name) => call(name));
    const filter = compileFilter({ calls: every }, { architecture, otherwise: DENY });
    const longest = Math.max(...Array.from({ length: 470 }, (_, number) => steps(filter, number, machine)));
    expect(longest).toBeLessThanOrEqual(18);
  });
});

/** Comparisons and jumps on the way to an answer. */
function steps(filter: readonly FilterInstruction[], number: number, architecture: number): number {
  let count = 0;
  const counting = new Proxy([...filter], {
    get(target, property, receiver) {
      if (typeof property === "string" && /^\d+$/.test(property)) count++;
      return Reflect.get(target, property, receiver);
    },
  });
  ask(counting, number, architecture);
  return count;
}

describe("on x86-64", () => {
  const filter = compileFilter({ calls: SYSCALL_NAMES.map((name) => call(name)) }, { architecture: "x64", otherwise: DENY });

  test("calls of the x32 ABI do not exist, also those that exist without its bit", () => {
    for (const number of [0, 59, 512, 547]) expect(ask(filter, X32_BIT | number, AUDIT_ARCHITECTURE.x64)).toBe(ENOSYS);
  });
  test("an argument is compared in all of its 64 bits", () => {
    const full = compileFilter(
      { calls: [call("ptrace", [{ argument: 0, mask: (1n << 64n) - 1n, value: 16n }])] },
      { architecture: "x64", otherwise: DENY },
    );
    const number = syscallNumber("ptrace", "x64") ?? 0;
    expect(ask(full, number, AUDIT_ARCHITECTURE.x64, [16n])).toBe(ALLOW);
    expect(ask(full, number, AUDIT_ARCHITECTURE.x64, [16n | (1n << 32n)])).toBe(returnValue(DENY));
  });
  test("a profile with more alternatives than a filter can hold is refused", () => {
    const many = Array.from({ length: 60 }, (_, index): readonly Condition[] =>
      [0, 1, 2, 3, 4, 5].map((argument) => ({ argument, mask: (1n << 64n) - 1n, value: BigInt(index) })),
    );
    const huge = SYSCALL_NAMES.slice(0, 20).map((name) => call(name, ...many));
    expect(() => compileFilter({ calls: huge }, { architecture: "x64", otherwise: DENY })).toThrow("instructions, the kernel takes 4096");
  });
});
