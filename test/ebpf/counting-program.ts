/** Programs that count how often they run, for tests of hooks. */
import { assemble } from "../../src/ebpf/assembler/assemble.ts";
import * as asm from "../../src/ebpf/assembler/instructions.ts";
import { u64AsNumber } from "../../src/ebpf/layout.ts";
import { arrayMap, type MapSpec } from "../../src/ebpf/map-spec.ts";
import { mapsOf, type ProgramSpec } from "../../src/ebpf/program-spec.ts";

const MAP_LOOKUP = 1;

export const hits = (name = "hits"): MapSpec<number, number> => arrayMap(name, { value: u64AsNumber, maxEntries: 1 });

/** Adds 1 to the value at index 0 and returns `verdict`. */
export function countingProgram(
  counter: MapSpec<number, number>,
  verdict: number,
  spec: Pick<ProgramSpec, "type"> & Partial<ProgramSpec>,
): ProgramSpec {
  const instructions = assemble([
    asm.store(4, 10, -4, 0),
    asm.loadMap(1, counter),
    asm.move(2, { register: 10 }),
    asm.arithmetic("add", 2, -4),
    asm.call(MAP_LOOKUP),
    asm.jumpIf("eq", 0, 0, "end"),
    asm.move(1, 1),
    asm.atomic("add", 8, 0, 0, 1),
    { kind: "label", name: "end" },
    asm.move(0, verdict),
    asm.exit(),
  ]);
  return { name: "counting", license: "GPL", instructions, maps: mapsOf(instructions), ...spec };
}
