import { describe, expect, test } from "vitest";
import { isSyscallName, SYSCALL_NAMES, syscallName, syscallNumber } from "./syscall-numbers.ts";

describe("numbers of system calls", () => {
  test.each([
    ["read", 0, 63],
    ["openat", 257, 56],
    ["open", 2, undefined],
    ["bpf", 321, 280],
    ["seccomp", 317, 277],
    ["clone3", 435, 435],
    ["landlock_restrict_self", 446, 446],
    ["file_setattr", 469, 469],
  ] as const)("%s", (name, x64, arm64) => {
    expect([syscallNumber(name, "x64"), syscallNumber(name, "arm64")]).toEqual([x64, arm64]);
  });

  test.each(["x64", "arm64"] as const)("have one name each on %s, and lead back to it", (architecture) => {
    const numbers = SYSCALL_NAMES.map((name) => syscallNumber(name, architecture)).filter((number) => number !== undefined);
    expect(new Set(numbers).size).toBe(numbers.length);
    for (const number of numbers) expect(syscallNumber(syscallName(number, architecture) ?? "read", architecture)).toBe(number);
  });

  test("are not found through a prototype", () => {
    expect(isSyscallName("toString")).toBe(false);
    expect(syscallName(9999, "x64")).toBeUndefined();
  });
});
