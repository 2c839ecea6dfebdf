import { describe, expect, test } from "vitest";
import { assemble } from "../assembler/assemble.ts";
import * as form from "../assembler/instructions.ts";
import type { Line } from "../assembler/line.ts";
import { rawTracepointProgram } from "../builder/program.ts";
import { array, bytes, struct, text, u8, u32, u64 } from "../layout.ts";
import { encodeValue } from "../layout-codec.ts";
import { hashMap } from "../map-spec.ts";
import { mapsOf, type ProgramSpec } from "../program-spec.ts";
import { Machine } from "./machine.ts";

function program(lines: readonly Line[]): ProgramSpec {
  const instructions = assemble(lines);
  return { name: "test", type: "raw_tracepoint", license: "GPL", instructions, maps: mapsOf(instructions) };
}
const result = (lines: readonly Line[]): bigint => new Machine().run(program(lines)).result;

const MIN = 1n << 63n;
const ALL = (1n << 64n) - 1n;

describe("arithmetic", () => {
  test.each([
    ["div", 7n, 0n, 0n],
    ["mod", 7n, 0n, 7n],
    ["sdiv", MIN, ALL, MIN],
    ["smod", MIN, ALL, 0n],
    ["sdiv", ALL - 6n, 2n, ALL - 2n],
    ["smod", ALL - 6n, 2n, ALL],
    ["lsh", 1n, 65n, 2n],
    ["rsh", ALL, 63n, 1n],
    ["arsh", MIN, 127n, ALL],
    ["mul", ALL, ALL, 1n],
  ] as const)("%s of %s and %s is %s", (operation, a, b, expected) => {
    expect(result([form.loadImmediate(0, a), form.loadImmediate(1, b), form.arithmetic(operation, 0, { register: 1 }), form.exit()])).toBe(
      expected,
    );
  });

  test("of 32 bits clears the upper half", () => {
    expect(result([form.loadImmediate(0, ALL), form.arithmetic("add", 0, 1, 32), form.exit()])).toBe(0n);
    expect(
      result([form.loadImmediate(0, 7n << 32n), form.loadImmediate(1, 0), form.arithmetic("mod", 0, { register: 1 }, 32), form.exit()]),
    ).toBe(0n);
  });
});

describe("what the kernel would refuse is an error", () => {
  test.each([
    ["a null pointer", [form.move(1, 0), form.load(8, 0, 1, 0), form.exit()], /pointer is null/],
    ["a read beyond the stack", [form.load(8, 0, 10, 0), form.exit()], /beyond/],
    ["a read below the stack", [form.load(8, 0, 10, -520), form.exit()], /no memory|beyond/],
    ["a loop without end", [form.label("a"), form.move(0, 0), form.jump("a")], /more than 1000000/],
    ["no exit", [form.move(0, 0)], /no instruction/],
    ["a function that is not simulated", [form.call(9999), form.exit()], /9999 is not simulated/],
    ["recursion", [form.label("a"), form.callSubprogram("a"), form.exit()], /8 deep/],
  ] as readonly (readonly [string, readonly Line[], RegExp])[])("%s", (_, lines, message) => {
    expect(() => result(lines)).toThrow(expect.objectContaining({ code: "EBPF_RUN", message: expect.stringMatching(message) }));
  });
});

describe("maps", () => {
  const rules = hashMap("rules", { key: struct("prefix", { bits: u32, octets: bytes(4) }), value: u32, maxEntries: 10, type: "lpm_trie" });
  test("find the longest prefix", () => {
    const machine = new Machine();
    const map = machine.map(rules);
    map.set({ bits: 8, octets: Uint8Array.of(10, 0, 0, 0) }, 1);
    map.set({ bits: 20, octets: Uint8Array.of(10, 1, 16, 0) }, 2);
    const find = (...octets: readonly number[]): number | undefined => map.get({ bits: 32, octets: Uint8Array.from(octets) });
    expect([find(10, 1, 31, 255), find(10, 1, 32, 0), find(11, 0, 0, 0)]).toEqual([2, 1, undefined]);
  });
  test("of type LRU make room", () => {
    const machine = new Machine();
    const map = machine.map(hashMap("lru", { key: u32, value: u32, maxEntries: 2, type: "lru_hash" }));
    for (const key of [1, 2, 3]) map.set(key, key);
    expect([map.get(1), map.get(3), map.size]).toEqual([undefined, 3, 2]);
  });
});

test("functions of the kernel see what the test has placed", () => {
  const Args = struct("args", { path: u64 });
  const spec = rawTracepointProgram("reads", { args: Args }, (code, args) => {
    const path = code.buffer(text(8));
    const length = code.call("probe_read_user_str", path, args.get("path"));
    const same = code.call("strncmp", path, args.get("path"));
    code.return(
      length
        .mul(100)
        .add(path.as(array(u8, 8)).element(1).value())
        .add(same.shl(32)),
    );
  });
  const machine = new Machine();
  const run = (content: string): bigint =>
    machine.run(spec, encodeValue(Args, { path: machine.place("a path", Buffer.from(content)) })).result & 0xffff_ffffn;
  expect([run("/etc\0"), run("/a/very/long/path\0")]).toEqual([500n + 101n, 800n + 97n]);
  expect(machine.run(spec, encodeValue(Args, { path: 12n })).result & 0xffff_ffffn).toBe(BigInt.asUintN(32, -1400n));
});
