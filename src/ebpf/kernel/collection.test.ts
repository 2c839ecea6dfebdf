import { readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { assemble } from "../assembler/assemble.ts";
import * as asm from "../assembler/instructions.ts";
import { struct, u32, u64 } from "../layout.ts";
import { arrayMap, hashMap } from "../map-spec.ts";
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
  test("loads nothing when one of its programs is refused, and says why", () => {
    const before = openDescriptors();
    const wrong = program("wrong", [asm.load(8, 0, 1, 4096), asm.call(GET_SMP_PROCESSOR_ID), asm.load(8, 0, 5, 0), asm.exit()]);
    expect(() => loadCollection({ programs: [counting, wrong], maps: [rules] })).toThrow(/the kernel refuses the program `wrong`: .+/);
    expect(openDescriptors()).toBe(before);
  });
});
