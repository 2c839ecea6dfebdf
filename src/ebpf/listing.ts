/** Programs as text, in the notation of the kernel's and LLVM's own tools. */
import { type Instruction, LOAD_IMMEDIATE_64, slotStarts } from "./instruction.ts";
import {
  ARITHMETIC,
  ATOMIC,
  CLASS,
  CLASS_MASK,
  JUMP,
  MODE,
  MODE_MASK,
  OPERATION_MASK,
  PSEUDO_CALL,
  PSEUDO_VALUE,
  SIZE_MASK,
  SOURCE_REGISTER,
} from "./opcode.ts";

const SYMBOLS: Readonly<Record<number, string>> = {
  [ARITHMETIC.add]: "+=",
  [ARITHMETIC.sub]: "-=",
  [ARITHMETIC.mul]: "*=",
  [ARITHMETIC.div]: "/=",
  [ARITHMETIC.or]: "|=",
  [ARITHMETIC.and]: "&=",
  [ARITHMETIC.lsh]: "<<=",
  [ARITHMETIC.rsh]: ">>=",
  [ARITHMETIC.mod]: "%=",
  [ARITHMETIC.xor]: "^=",
  [ARITHMETIC.mov]: "=",
  [ARITHMETIC.arsh]: "s>>=",
};

const COMPARISONS: Readonly<Record<number, string>> = {
  [JUMP.eq]: "==",
  [JUMP.gt]: ">",
  [JUMP.ge]: ">=",
  [JUMP.set]: "&",
  [JUMP.ne]: "!=",
  [JUMP.sgt]: "s>",
  [JUMP.sge]: "s>=",
  [JUMP.lt]: "<",
  [JUMP.le]: "<=",
  [JUMP.slt]: "s<",
  [JUMP.sle]: "s<=",
};

const WIDTHS: Readonly<Record<number, number>> = { 0: 32, 8: 16, 16: 8, 24: 64 };

const FETCHES: Readonly<Record<number, string>> = {
  [ATOMIC.fetchAdd]: "atomic_fetch_add",
  [ATOMIC.fetchOr]: "atomic_fetch_or",
  [ATOMIC.fetchAnd]: "atomic_fetch_and",
  [ATOMIC.fetchXor]: "atomic_fetch_xor",
};

/** One instruction, as `r1 = *(u64 *)(r10 - 8)`. What is no instruction is shown by its opcode. */
export function instructionText(instruction: Instruction): string {
  const { opcode } = instruction;
  const text = opcode === LOAD_IMMEDIATE_64 ? wideText(instruction) : textOfClass(instruction);
  return text ?? `.opcode 0x${opcode.toString(16).padStart(2, "0")}`;
}

function textOfClass(instruction: Instruction): string | undefined {
  switch (instruction.opcode & CLASS_MASK) {
    case CLASS.alu:
      return arithmeticText(instruction, 32);
    case CLASS.alu64:
      return arithmeticText(instruction, 64);
    case CLASS.jmp:
      return jumpText(instruction, 64);
    case CLASS.jmp32:
      return jumpText(instruction, 32);
    case CLASS.ldx:
      return loadText(instruction);
    case CLASS.st:
    case CLASS.stx:
      return storeText(instruction);
    default:
      return undefined;
  }
}

function wideText({ dst, src, imm, map, mapValueOffset, symbol }: Instruction): string {
  if (src === PSEUDO_VALUE.map) return `r${dst} = map[${map?.name ?? imm}]`;
  if (src === PSEUDO_VALUE.mapValue) return `r${dst} = map[${map?.name ?? imm}][0]+${mapValueOffset ?? 0}`;
  if (src === PSEUDO_VALUE.variable) return `r${dst} = &${symbol ?? imm}`;
  if (src === PSEUDO_VALUE.function) return `r${dst} = subprog[${signed(Number(imm))}]`;
  return `r${dst} = ${BigInt.asIntN(64, BigInt(imm))} ll`;
}

const registerName = (register: number, bits: 32 | 64): string => `${bits === 64 ? "r" : "w"}${register}`;

function operandText({ opcode, src, imm }: Instruction, bits: 32 | 64): string {
  return (opcode & SOURCE_REGISTER) !== 0 ? registerName(src, bits) : String(Number(imm) | 0);
}

function arithmeticText(instruction: Instruction, bits: 32 | 64): string | undefined {
  const { opcode, dst, src, offset, imm } = instruction;
  const operation = opcode & OPERATION_MASK;
  const target = registerName(dst, bits);
  if (operation === ARITHMETIC.neg) return `${target} = -${target}`;
  if (operation === ARITHMETIC.end) {
    const order = bits === 64 ? "bswap" : (opcode & SOURCE_REGISTER) !== 0 ? "be" : "le";
    return `r${dst} = ${order}${imm} r${dst}`;
  }
  if (operation === ARITHMETIC.mov && offset !== 0) return `${target} = (s${offset})${registerName(src, bits)}`;
  const symbol = SYMBOLS[operation];
  if (symbol === undefined) return undefined;
  return `${target} ${offset === 1 ? "s" : ""}${symbol} ${operandText(instruction, bits)}`;
}

/** `+5` or `-5`. */
const signed = (value: number): string => (value < 0 ? String(value) : `+${value}`);

const place = (register: number, offset: number): string => `(r${register} ${offset < 0 ? "-" : "+"} ${Math.abs(offset)})`;

function jumpText(instruction: Instruction, bits: 32 | 64): string | undefined {
  const { opcode, dst, offset, imm } = instruction;
  const operation = opcode & OPERATION_MASK;
  if (operation === JUMP.ja) return bits === 64 ? `goto ${signed(offset)}` : `gotol ${signed(Number(imm))}`;
  if (operation === JUMP.cond) return `may_goto ${signed(offset)}`;
  if (operation === JUMP.exit) return "exit";
  if (operation === JUMP.call) return callText(instruction);
  const symbol = COMPARISONS[operation];
  return symbol === undefined
    ? undefined
    : `if ${registerName(dst, bits)} ${symbol} ${operandText(instruction, bits)} goto ${signed(offset)}`;
}

function callText({ src, imm, symbol }: Instruction): string {
  if (src === PSEUDO_CALL.subprogram) return `call pc${signed(Number(imm))}`;
  return src === PSEUDO_CALL.kernelFunction ? `call ${symbol ?? `kernel-function#${imm}`}` : `call ${imm}`;
}

function loadText({ opcode, dst, src, offset }: Instruction): string | undefined {
  const mode = opcode & MODE_MASK;
  if (mode !== MODE.mem && mode !== MODE.signedMem) return undefined;
  return `r${dst} = *(${mode === MODE.mem ? "u" : "s"}${WIDTHS[opcode & SIZE_MASK]} *)${place(src, offset)}`;
}

function storeText({ opcode, dst, src, offset, imm }: Instruction): string | undefined {
  const width = WIDTHS[opcode & SIZE_MASK];
  const mode = opcode & MODE_MASK;
  const at = `*(u${width} *)${place(dst, offset)}`;
  if (mode === MODE.mem) return `${at} = ${(opcode & CLASS_MASK) === CLASS.st ? Number(imm) | 0 : `r${src}`}`;
  if (mode !== MODE.atomic) return undefined;
  return atomicText(Number(imm), width === 64 ? 64 : 32, at, `(r${dst} ${offset < 0 ? "-" : "+"} ${Math.abs(offset)}`, src);
}

function atomicText(operation: number, width: 32 | 64, at: string, address: string, src: number): string | undefined {
  const from = registerName(src, width);
  if (operation === ATOMIC.exchange) return `${from} = xchg${width === 64 ? "_64" : "32_32"}${address}, ${from})`;
  if (operation === ATOMIC.compareExchange) {
    const r0 = registerName(0, width);
    return `${r0} = cmpxchg${width === 64 ? "_64" : "32_32"}${address}, ${r0}, ${from})`;
  }
  const fetch = FETCHES[operation];
  if (fetch !== undefined) return `${from} = ${fetch}((u${width} *)${address}), ${from})`;
  const symbol = SYMBOLS[operation];
  return symbol === undefined ? undefined : `lock ${at} ${symbol} ${from}`;
}

export interface ListingOptions {
  /** Names the file and line of each instruction where they change; the same text on every machine without it. */
  readonly withSource?: boolean;
}

/** A whole program: slots, instructions and comments, with the names of subprograms. */
export function listing(instructions: readonly Instruction[], options: ListingOptions = {}): string {
  const starts = slotStarts(instructions);
  const lines: string[] = [];
  let shown = "";
  for (const [index, instruction] of instructions.entries()) {
    if (instruction.label !== undefined) lines.push(`${instruction.label}:`);
    const { source } = instruction;
    const where = source === undefined ? "" : `${source.file}:${source.line}`;
    if (options.withSource === true && where !== shown && where !== "") lines.push(`; ${where}`);
    shown = where;
    const text = `${String(starts[index]).padStart(6)}: ${instructionText(instruction)}`;
    lines.push(instruction.comment === undefined || instruction.comment === "" ? text : `${text.padEnd(48)} ; ${instruction.comment}`);
  }
  return lines.map((line) => `${line}\n`).join("");
}
