/** A function for each form of instruction. Registers and sizes are checked by their types, numbers when they are encoded. */
import type { Instruction, Register } from "../instruction.ts";
import type { MapSpec } from "../map-spec.ts";
import {
  ARITHMETIC,
  type ArithmeticOperation,
  ATOMIC,
  type AtomicOperation,
  CLASS,
  type Comparison,
  JUMP,
  MODE,
  PSEUDO_CALL,
  PSEUDO_VALUE,
  SIZE,
  SOURCE_REGISTER,
} from "../opcode.ts";
import type { Line } from "./line.ts";

/** Bytes of a load or a store. */
export type Width = 1 | 2 | 4 | 8;

/** The second operand: a register, or a number that is extended from 32 bits with its sign. */
export type Operand = { readonly register: Register } | number;

const instruction = (opcode: number, rest: Partial<Omit<Instruction, "opcode">> = {}): Instruction => ({
  dst: 0,
  src: 0,
  offset: 0,
  imm: 0,
  ...rest,
  opcode,
});

const line = (opcode: number, rest?: Partial<Omit<Instruction, "opcode">>): Line => ({
  kind: "instruction",
  instruction: instruction(opcode, rest),
});

/** `dst = dst OPERATION operand`, on 64 bits, or on 32 bits with the upper half cleared. */
export function arithmetic(operation: ArithmeticOperation, dst: Register, operand: Operand, bits: 32 | 64 = 64): Line {
  const isSigned = operation === "sdiv" || operation === "smod";
  const code = ARITHMETIC[operation === "sdiv" ? "div" : operation === "smod" ? "mod" : operation];
  return binary(code | (bits === 64 ? CLASS.alu64 : CLASS.alu), dst, operand, isSigned ? 1 : 0);
}

function binary(opcode: number, dst: Register, operand: Operand, offset = 0): Line {
  return typeof operand === "number"
    ? line(opcode, { dst, imm: operand, offset })
    : line(opcode | SOURCE_REGISTER, { dst, src: operand.register, offset });
}

/** `dst = operand`. */
export const move = (dst: Register, operand: Operand, bits: 32 | 64 = 64): Line => arithmetic("mov", dst, operand, bits);

/** `dst = src`, extended from its lowest `from` bits with their sign. */
export const moveSigned = (dst: Register, src: Register, from: 8 | 16 | 32): Line =>
  line(ARITHMETIC.mov | SOURCE_REGISTER | CLASS.alu64, { dst, src, offset: from });

/** `dst = -dst`. */
export const negate = (dst: Register, bits: 32 | 64 = 64): Line => line(ARITHMETIC.neg | (bits === 64 ? CLASS.alu64 : CLASS.alu), { dst });

/** `dst` between the machine's order and the named one (or swapped always), cut to so many bits. */
export function endian(order: "big" | "little" | "swap", dst: Register, bits: 16 | 32 | 64): Line {
  if (order === "swap") return line(ARITHMETIC.end | CLASS.alu64, { dst, imm: bits });
  return line(ARITHMETIC.end | (order === "big" ? SOURCE_REGISTER : 0) | CLASS.alu, { dst, imm: bits });
}

/** `dst = *(src + offset)`. */
export const load = (width: Width, dst: Register, src: Register, offset: number): Line =>
  line(CLASS.ldx | MODE.mem | SIZE[width], { dst, src, offset });

/** `dst = *(src + offset)`, extended with its sign. */
export const loadSigned = (width: 1 | 2 | 4, dst: Register, src: Register, offset: number): Line =>
  line(CLASS.ldx | MODE.signedMem | SIZE[width], { dst, src, offset });

/** `*(dst + offset) = value`. */
export function store(width: Width, dst: Register, offset: number, value: Operand): Line {
  return typeof value === "number"
    ? line(CLASS.st | MODE.mem | SIZE[width], { dst, offset, imm: value })
    : line(CLASS.stx | MODE.mem | SIZE[width], { dst, offset, src: value.register });
}

/** An operation on `*(dst + offset)` that no other CPU can come between. `compareExchange` expects the old value in r0. */
export const atomic = (operation: AtomicOperation, width: 4 | 8, dst: Register, offset: number, src: Register): Line =>
  line(CLASS.stx | MODE.atomic | SIZE[width], { dst, src, offset, imm: ATOMIC[operation] });

const LDDW = CLASS.ld | MODE.imm | SIZE[8];

/** `dst` = 64 bits. */
export const loadImmediate = (dst: Register, value: bigint | number): Line => line(LDDW, { dst, imm: value });

/** `dst` = the map, for a call of the kernel. */
export const loadMap = (dst: Register, map: MapSpec): Line => line(LDDW, { dst, src: PSEUDO_VALUE.map, map });

/** `dst` = the address of the one value of an array map, so many bytes from its start. */
export const loadMapValue = (dst: Register, map: MapSpec, mapValueOffset = 0): Line =>
  line(LDDW, { dst, src: PSEUDO_VALUE.mapValue, map, mapValueOffset });

/** `dst` = the address of a variable of the kernel, by its BTF id. */
export const loadVariable = (dst: Register, symbol: string, btfId: number): Line =>
  line(LDDW, { dst, src: PSEUDO_VALUE.variable, imm: btfId, symbol });

/** `dst` = the address of a subprogram, for a call of the kernel that calls back. */
export const loadFunction = (dst: Register, target: string): Line => ({
  kind: "jump",
  instruction: instruction(LDDW, { dst, src: PSEUDO_VALUE.function }),
  target,
  place: "imm",
});

/** Goes on at a label; `far` reaches beyond 32,767 slots. */
export function jump(target: string, reach: "near" | "far" = "near"): Line {
  return reach === "near"
    ? { kind: "jump", instruction: instruction(CLASS.jmp | JUMP.ja), target, place: "offset" }
    : { kind: "jump", instruction: instruction(CLASS.jmp32 | JUMP.ja), target, place: "imm" };
}

/** Goes on at a label if `dst COMPARISON operand`. */
export function jumpIf(comparison: Comparison, dst: Register, operand: Operand, target: string, bits: 32 | 64 = 64): Line {
  const compared = binary(JUMP[comparison] | (bits === 64 ? CLASS.jmp : CLASS.jmp32), dst, operand);
  return compared.kind === "instruction" ? { kind: "jump", instruction: compared.instruction, target, place: "offset" } : compared;
}

/** Goes on at a label once the loop has run for long enough (a budget of the kernel); needs Linux 6.9. */
export const mayGoto = (target: string): Line => ({
  kind: "jump",
  instruction: instruction(CLASS.jmp | JUMP.cond),
  target,
  place: "offset",
});

/** Calls a helper of the kernel, by its id. */
export const call = (helper: number, comment?: string): Line =>
  line(CLASS.jmp | JUMP.call, comment === undefined ? { imm: helper } : { imm: helper, comment });

/** Calls a function of the kernel, by its BTF id. */
export const callKernel = (symbol: string, btfId: number): Line =>
  line(CLASS.jmp | JUMP.call, { src: PSEUDO_CALL.kernelFunction, imm: btfId, symbol });

/** Calls a subprogram. */
export const callSubprogram = (target: string): Line => ({
  kind: "jump",
  instruction: instruction(CLASS.jmp | JUMP.call, { src: PSEUDO_CALL.subprogram }),
  target,
  place: "imm",
});

/** Returns r0. */
export const exit = (): Line => line(CLASS.jmp | JUMP.exit);

/** A place to jump to. */
export const label = (name: string): Line => ({ kind: "label", name });

/** The start of a subprogram. */
export const subprogram = (name: string): Line => ({ kind: "subprogram", name });

/** The line with a comment for the listing. */
export const commented = (comment: string, of: Line): Line =>
  of.kind === "label" || of.kind === "subprogram" ? of : { ...of, instruction: { ...of.instruction, comment } };
