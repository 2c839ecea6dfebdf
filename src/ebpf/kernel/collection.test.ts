import { readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { assemble } from "../assembler/assemble.ts";
import * as asm from "../assembler/instructions.ts";
import { struct, u32, u64 } from "../layout.ts";
import { arrayMap, hashMap, programArray } from "../map-spec.ts";
import { mapsOf, type ProgramSpec } from "../program-spec.ts";
import { loadCollection } from "./collection.ts";
import { testRun } from "./program.ts";

const GET_SMP_PROCESSOR_ID = 8;

function program(name: string, lines: Parameters<typeof assemble>[0]): ProgramSpec {
  const instructions = assemble(lines);
  return { name, type: "raw_tracepoint", license: "GPL", instructions, maps: mapsOf(instructions) };
}

const openDescriptors = (): number => readdirSync("/proc/self/fd").length;

const counts = arrayMap("counts", { value: u64, maxEntries: 4 });
const rules = hashMap("rules", {
  key: struct("Key", { a: u32, b: u64 }),
  value: struct("Rule", { hits: u64, port: u32 }),
  maxEntries: 100,
});

const counting = program("counting", [
  asm.store(4, 10, -4, 2),
  asm.loadMap(1, counts),
  asm.move(2, { register: 10 }),
  asm.arithmetic("add", 2, -4),
  asm.call(1),
  asm.jumpIf("eq", 0, 0, "end"),
  asm.move(1, 1),
  asm.atomic("add", 8, 0, 0, 1),
  { kind: "label", name: "end" },
  asm.move(0, 0),
  asm.exit(),
]);

describe("a collection", () => {
  test("is loaded, run, and closed with all that it owns", () => {
    const before = openDescriptors();
    {
      using collection = loadCollection({ programs: [counting], maps: [rules] });
      for (let run = 0; run < 5; run++) testRun(collection.program(counting));
      expect(collection.keyed(counts).get(2)).toBe(5n);
      expect(openDescriptors()).toBe(before + 3);
    }
    expect(openDescriptors()).toBe(before);
  });
  test("has functions that the kernel calls back", () => {
    const BPF_LOOP = 181;
    const looping = program("looping", [
      asm.store(8, 10, -8, 0),
      asm.move(1, 10),
      asm.loadFunction(2, "round"),
      asm.move(3, { register: 10 }),
      asm.arithmetic("add", 3, -8),
      asm.move(4, 0),
      asm.call(BPF_LOOP),
      asm.load(8, 0, 10, -8),
      asm.exit(),
      { kind: "subprogram", name: "round" },
      asm.load(8, 1, 2, 0),
      asm.arithmetic("add", 1, 3),
      asm.store(8, 2, 0, { register: 1 }),
      asm.move(0, 0),
      asm.exit(),
    ]);
    using collection = loadCollection({ programs: [looping] });
    expect(testRun(collection.program(looping)).returned).toBe(30);
  });

  test("jumps to programs by their index, as long as they are there", () => {
    const TAIL_CALL = 12;
    const targets = programArray("targets", 2);
    const caller = program("caller", [asm.loadMap(2, targets), asm.move(3, 1), asm.call(TAIL_CALL), asm.move(0, 1), asm.exit()]);
    const target = program("target", [asm.move(0, 2), asm.exit()]);
    using collection = loadCollection({ programs: [caller, target] });
    const slots = collection.references(targets);
    expect(testRun(collection.program(caller)).returned).toBe(1);
    slots.set(1, collection.program(target));
    expect(testRun(collection.program(caller)).returned).toBe(2);
    expect(slots.delete(1)).toBe(true);
    expect(testRun(collection.program(caller)).returned).toBe(1);
  });

  test("loads nothing when one of its programs is refused, and says why", () => {
    const before = openDescriptors();
    const wrong = program("wrong", [asm.load(8, 0, 1, 4096), asm.call(GET_SMP_PROCESSOR_ID), asm.load(8, 0, 5, 0), asm.exit()]);
    expect(() => loadCollection({ programs: [counting, wrong], maps: [rules] })).toThrow(/the kernel refuses the program `wrong`: .+/);
    expect(openDescriptors()).toBe(before);
  });
});
