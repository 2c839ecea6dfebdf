/** Programs as bytes, little-endian. */
import { type Instruction, LOAD_IMMEDIATE_64, slotsOf } from "./instruction.ts";
import type { MapSpec } from "./map-spec.ts";
import { PSEUDO_VALUE } from "./opcode.ts";

/** Bytes of a slot. */
export const SLOT_SIZE = 8;

/** The bytes of a program as the kernel takes them. `fdOf` gives the descriptors of the maps that it uses. */
export function encodeInstructions(instructions: readonly Instruction[], fdOf: (map: MapSpec) => number): Uint8Array {
  let slots = 0;
  for (const instruction of instructions) slots += slotsOf(instruction);
  const encoded = new Uint8Array(slots * SLOT_SIZE);
  const view = new DataView(encoded.buffer);
  let at = 0;
  for (const instruction of instructions) {
    at = encode(view, at, instruction, fdOf);
  }
  return encoded;
}

function encode(view: DataView, at: number, instruction: Instruction, fdOf: (map: MapSpec) => number): number {
  const { opcode, dst, src, offset, map } = instruction;
  if (!inRange(opcode, 0, 0xff) || !inRange(dst, 0, 10) || !inRange(src, 0, 10))
    throw new RangeError(`expected opcode ${opcode} with registers 0 to 10, got ${dst} and ${src}`);
  if (!inRange(offset, -0x8000, 0x7fff)) throw new RangeError(`expected an offset of 16 bits with sign, got ${offset}`);
  view.setUint8(at, opcode);
  view.setUint8(at + 1, (src << 4) | dst);
  view.setInt16(at + 2, offset, true);
  if (opcode !== LOAD_IMMEDIATE_64) {
    const imm = Number(instruction.imm);
    if (!inRange(imm, -0x8000_0000, 0xffff_ffff)) throw new RangeError(`expected an immediate of 32 bits, got ${instruction.imm}`);
    view.setUint32(at + 4, imm >>> 0, true);
    return at + SLOT_SIZE;
  }
  const [low, high] = halves(instruction, map === undefined ? undefined : fdOf(map));
  view.setUint32(at + 4, low, true);
  view.setUint32(at + 12, high, true);
  return at + 2 * SLOT_SIZE;
}

function halves(instruction: Instruction, fd: number | undefined): readonly [number, number] {
  if (fd !== undefined) return [fd >>> 0, (instruction.mapValueOffset ?? 0) >>> 0];
  // The kernel wants the upper half of a distance to be zero, not its sign.
  if (instruction.src === PSEUDO_VALUE.function) return [Number(instruction.imm) >>> 0, 0];
  if (typeof instruction.imm === "number" && !Number.isSafeInteger(instruction.imm))
    throw new RangeError(`expected a whole number below 2^53 or a bigint, got ${instruction.imm}`);
  const value = BigInt(instruction.imm);
  if (value < -(1n << 63n) || value >= 1n << 64n) throw new RangeError(`expected an immediate of 64 bits, got ${value}`);
  return [Number(value & 0xffff_ffffn), Number((value >> 32n) & 0xffff_ffffn)];
}

const inRange = (value: number, low: number, high: number): boolean => Number.isInteger(value) && value >= low && value <= high;

/**
 * The instructions of encoded bytes: what is loaded, dumped or tested. Of maps, only their descriptors are known: `imm` has them.
 *
 * Throws a `RangeError` when the bytes are no whole number of slots.
 */
export function decodeInstructions(encoded: Uint8Array): readonly Instruction[] {
  // UNTRUSTED: whatever the caller has read; each slot is looked at once.
  if (encoded.length % SLOT_SIZE !== 0) throw new RangeError(`expected a multiple of ${SLOT_SIZE} bytes, got ${encoded.length}`);
  const view = new DataView(encoded.buffer, encoded.byteOffset, encoded.byteLength);
  const instructions: Instruction[] = [];
  for (let at = 0; at < encoded.length; at += SLOT_SIZE) {
    const opcode = view.getUint8(at);
    const registers = view.getUint8(at + 1);
    const shape = { opcode, dst: registers & 0x0f, src: registers >> 4, offset: view.getInt16(at + 2, true) };
    if (opcode !== LOAD_IMMEDIATE_64) {
      instructions.push({ ...shape, imm: view.getInt32(at + 4, true) });
      continue;
    }
    if (at + 2 * SLOT_SIZE > encoded.length) throw new RangeError("expected a second slot after `lddw`");
    const imm = (BigInt(view.getUint32(at + 12, true)) << 32n) | BigInt(view.getUint32(at + 4, true));
    instructions.push({ ...shape, imm });
    at += SLOT_SIZE;
  }
  return instructions;
}
