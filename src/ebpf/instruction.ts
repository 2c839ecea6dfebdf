/** One instruction of a program, as plain data. */
import type { MapSpec } from "./map-spec.ts";

/** A place in the TypeScript that generates a program. */
export interface SourcePosition {
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  /** 1-based, in UTF-16 units. */
  readonly column: number;
}

/** A register: r0 holds results, r1–r5 arguments, r6–r9 survive calls, r10 points to the end of the stack frame. */
export type Register = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10;

/**
 * An instruction as RFC 9669 lays it out; jumps are resolved.
 *
 * `offset` of jumps and `imm` of calls within the program count *slots* of eight bytes, of which `lddw` takes two.
 */
export interface Instruction {
  /** 0–255. */
  readonly opcode: number;
  readonly dst: number;
  /** A register, or for `lddw` and `call` what kind of pseudo value `imm` is. */
  readonly src: number;
  /** Signed, 16 bits. */
  readonly offset: number;
  /** Signed or unsigned, 32 bits; 64 bits where `opcode` is `lddw`. */
  readonly imm: number | bigint;
  /** The map whose descriptor takes the place of `imm` when the program is loaded. */
  readonly map?: MapSpec;
  /** With `map`: the address of its value (not the map) is meant, so many bytes from its start. */
  readonly mapValueOffset?: number;
  /** The name of the kernel's function or variable whose BTF id `imm` is. */
  readonly symbol?: string;
  /** The name of the subprogram that begins here. */
  readonly label?: string;
  readonly comment?: string;
  readonly source?: SourcePosition;
}

/** `lddw`: the one instruction of two slots. */
export const LOAD_IMMEDIATE_64 = 0x18;

/** How many slots of eight bytes an instruction takes. */
export const slotsOf = (instruction: Instruction): 1 | 2 => (instruction.opcode === LOAD_IMMEDIATE_64 ? 2 : 1);

/** The slot at which each instruction begins, and after them the count of all slots. */
export function slotStarts(instructions: readonly Instruction[]): Uint32Array {
  const starts = new Uint32Array(instructions.length + 1);
  let slot = 0;
  for (const [index, instruction] of instructions.entries()) {
    starts[index] = slot;
    slot += slotsOf(instruction);
  }
  starts[instructions.length] = slot;
  return starts;
}
