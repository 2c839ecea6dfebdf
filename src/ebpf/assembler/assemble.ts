/** Resolves the jumps of a program. */
import { EbpfError } from "../ebpf-error.ts";
import { type Instruction, slotsOf } from "../instruction.ts";
import type { Line } from "./line.ts";

const MAX_NEAR = 0x7fff;

/**
 * The instructions of a program, with jumps resolved to slots.
 *
 * Throws `EBPF_JUMP` when a label is missing, twice there, at the end of the program, or beyond the reach of a jump.
 */
export function assemble(lines: readonly Line[]): readonly Instruction[] {
  const places = placesOf(lines);
  const instructions: Instruction[] = [];
  let slot = 0;
  let label: string | undefined;
  for (const line of lines) {
    if (line.kind === "label") continue;
    if (line.kind === "subprogram") {
      label = line.name;
      continue;
    }
    const resolved = line.kind === "jump" ? resolve(line, slot, places) : line.instruction;
    instructions.push(label === undefined ? resolved : { ...resolved, label });
    label = undefined;
    slot += slotsOf(resolved);
  }
  return instructions;
}

function placesOf(lines: readonly Line[]): ReadonlyMap<string, number> {
  const places = new Map<string, number>();
  let slot = 0;
  for (const line of lines) {
    if (line.kind === "instruction" || line.kind === "jump") {
      slot += slotsOf(line.instruction);
      continue;
    }
    if (places.has(line.name)) throw new EbpfError("EBPF_JUMP", `the label \`${line.name}\` stands twice`);
    places.set(line.name, slot);
  }
  for (const [name, place] of places) if (place >= slot) throw new EbpfError("EBPF_JUMP", `no instruction follows the label \`${name}\``);
  return places;
}

function resolve(line: Extract<Line, { kind: "jump" }>, slot: number, places: ReadonlyMap<string, number>): Instruction {
  const { instruction, target, place } = line;
  const to = places.get(target);
  const { source } = instruction;
  if (to === undefined) throw new EbpfError("EBPF_JUMP", `no label \`${target}\``, { source });
  // Counted from the slot after the jump; the address of a function (`lddw`) is counted from its own first slot plus one as well.
  const distance = to - slot - 1;
  if (place === "imm") return { ...instruction, imm: distance };
  if (distance > MAX_NEAR || distance < -MAX_NEAR - 1)
    throw new EbpfError("EBPF_JUMP", `\`${target}\` is ${distance} slots away, of which a jump reaches ${MAX_NEAR}`, {
      source,
      hint: "split the program into subprograms, or jump with reach `far`",
    });
  return { ...instruction, offset: distance };
}
