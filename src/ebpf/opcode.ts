/** The parts of an opcode, as RFC 9669 names them. */

/** The lowest three bits: the class. */
export const CLASS = { ld: 0, ldx: 1, st: 2, stx: 3, alu: 4, jmp: 5, jmp32: 6, alu64: 7 } as const;

export const CLASS_MASK = 0x07;
/** Of arithmetic and jumps: the operand is a register rather than `imm`. */
export const SOURCE_REGISTER = 0x08;
export const OPERATION_MASK = 0xf0;
/** Of loads and stores. */
export const SIZE_MASK = 0x18;
export const MODE_MASK = 0xe0;

/** Of loads and stores: how many bytes. */
export const SIZE: Readonly<Record<1 | 2 | 4 | 8, number>> = { 1: 0x10, 2: 0x08, 4: 0x00, 8: 0x18 };

/** Of loads and stores: how the address is meant. */
export const MODE = { imm: 0x00, mem: 0x60, signedMem: 0x80, atomic: 0xc0 } as const;

/** Arithmetic. Signed division and modulo are those with offset 1. */
export const ARITHMETIC = {
  add: 0x00,
  sub: 0x10,
  mul: 0x20,
  div: 0x30,
  or: 0x40,
  and: 0x50,
  lsh: 0x60,
  rsh: 0x70,
  neg: 0x80,
  mod: 0x90,
  xor: 0xa0,
  mov: 0xb0,
  arsh: 0xc0,
  end: 0xd0,
} as const;

/** Arithmetic of two operands. */
export type ArithmeticOperation = Exclude<keyof typeof ARITHMETIC, "neg" | "end"> | "sdiv" | "smod";

/** Jumps. */
export const JUMP = {
  ja: 0x00,
  eq: 0x10,
  gt: 0x20,
  ge: 0x30,
  set: 0x40,
  ne: 0x50,
  sgt: 0x60,
  sge: 0x70,
  call: 0x80,
  exit: 0x90,
  lt: 0xa0,
  le: 0xb0,
  slt: 0xc0,
  sle: 0xd0,
  cond: 0xe0,
} as const;

/** Comparisons that jump; `set` is `dst & operand != 0`. */
export type Comparison = Exclude<keyof typeof JUMP, "ja" | "call" | "exit" | "cond">;

/** `imm` of atomic operations; those with `fetch` leave the old value in `src`. */
export const ATOMIC = {
  add: 0x00,
  or: 0x40,
  and: 0x50,
  xor: 0xa0,
  fetchAdd: 0x01,
  fetchOr: 0x41,
  fetchAnd: 0x51,
  fetchXor: 0xa1,
  exchange: 0xe1,
  compareExchange: 0xf1,
} as const;

export type AtomicOperation = keyof typeof ATOMIC;

/** `src` of `lddw`: what the 64 bits are. */
export const PSEUDO_VALUE = { number: 0, map: 1, mapValue: 2, variable: 3, function: 4 } as const;

/** `src` of `call`: what is called. */
export const PSEUDO_CALL = { helper: 0, subprogram: 1, kernelFunction: 2 } as const;
