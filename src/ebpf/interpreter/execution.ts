/** One run of one program. */
import { EbpfError } from "../ebpf-error.ts";
import type { Instruction } from "../instruction.ts";
import { instructionText } from "../listing.ts";
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
} from "../opcode.ts";
import type { AddressSpace, MemoryRegion } from "./address-space.ts";
import { computed, holds, swapped } from "./arithmetic.ts";

export interface ExecutionOptions {
  readonly slots: readonly (Instruction | undefined)[];
  readonly space: AddressSpace;
  readonly stepLimit: number;
  readonly call: (id: number | string, args: readonly bigint[]) => bigint;
  /** The slots of the program at an index of a program array. */
  readonly tailCall: (programs: bigint, index: bigint) => readonly (Instruction | undefined)[] | undefined;
}

const STACK_BYTES = 512;
const MAX_FRAMES = 8;
const MAX_TAIL_CALLS = 33;
const TAIL_CALL = 12;
const SIZES: Readonly<Record<number, number>> = { 0: 4, 8: 2, 16: 1, 24: 8 };
/** Addresses of functions of the program: no memory lies there. */
const CODE_ADDRESS = 1n << 62n;

interface CallFrame {
  readonly returnTo: number;
  readonly saved: readonly bigint[];
  readonly stack: MemoryRegion;
}

export class Execution {
  readonly #options: ExecutionOptions;
  readonly #space: AddressSpace;
  readonly #registers: bigint[] = new Array<bigint>(11).fill(0n);
  readonly #frames: CallFrame[] = [];
  #slots: readonly (Instruction | undefined)[];
  #at = 0;
  #steps = 0;
  #tailCalls = 0;

  constructor(options: ExecutionOptions) {
    this.#options = options;
    this.#space = options.space;
    this.#slots = options.slots;
  }

  run(context: bigint): { readonly result: bigint; readonly steps: number } {
    this.#registers[1] = context;
    this.#enter(-1);
    this.#runUntil(0);
    return { result: this.#registers[0] ?? 0n, steps: this.#steps };
  }

  /** Calls a function of the program on behalf of the kernel. */
  callBack(address: bigint, args: readonly bigint[]): bigint {
    const saved = [...this.#registers];
    const from = this.#at;
    const depth = this.#frames.length;
    for (const [index, argument] of args.entries()) this.#registers[index + 1] = argument;
    this.#enter(from);
    this.#at = Number(address - CODE_ADDRESS);
    this.#runUntil(depth);
    const result = this.#registers[0] ?? 0n;
    for (const [index, value] of saved.entries()) this.#registers[index] = value;
    this.#at = from;
    return result;
  }

  #enter(returnTo: number): void {
    if (this.#frames.length >= MAX_FRAMES) throw this.#stopped(`functions call each other more than ${MAX_FRAMES} deep`);
    // What nobody has written is not zero in the kernel either.
    const stack = this.#space.place("the stack", new Uint8Array(STACK_BYTES).fill(0xcc));
    this.#frames.push({ returnTo, saved: this.#registers.slice(6), stack });
    this.#registers[10] = stack.address + BigInt(STACK_BYTES);
  }

  /** Until so many frames are left. */
  #runUntil(depth: number): void {
    while (this.#frames.length > depth) {
      if (++this.#steps > this.#options.stepLimit)
        throw this.#stopped(`the program runs for more than ${this.#options.stepLimit} instructions`);
      const instruction = this.#slots[this.#at];
      if (instruction === undefined) throw this.#stopped(`there is no instruction at ${this.#at}`);
      const at = this.#at;
      this.#at += instruction.opcode === 0x18 ? 2 : 1;
      try {
        this.#step(instruction);
      } catch (error) {
        if (!(error instanceof EbpfError) || error.source !== undefined) throw error;
        throw new EbpfError("EBPF_RUN", `${error.message}, at ${at}: \`${instructionText(instruction)}\``, {
          source: instruction.source,
          cause: error,
        });
      }
    }
  }

  #stopped(message: string): EbpfError {
    return new EbpfError("EBPF_RUN", message);
  }

  #step(instruction: Instruction): void {
    switch (instruction.opcode & CLASS_MASK) {
      case CLASS.alu:
        this.#arithmetic(instruction, 32);
        return;
      case CLASS.alu64:
        this.#arithmetic(instruction, 64);
        return;
      case CLASS.jmp:
        this.#jump(instruction, 64);
        return;
      case CLASS.jmp32:
        this.#jump(instruction, 32);
        return;
      case CLASS.ldx:
        this.#load(instruction);
        return;
      case CLASS.stx:
      case CLASS.st:
        this.#store(instruction);
        return;
      default:
        this.#wide(instruction);
        return;
    }
  }

  #register(index: number): bigint {
    return this.#registers[index] ?? 0n;
  }

  #operand({ opcode, src, imm }: Instruction): bigint {
    return (opcode & SOURCE_REGISTER) !== 0 ? this.#register(src) : BigInt.asUintN(64, BigInt.asIntN(32, BigInt(imm)));
  }

  #wide(instruction: Instruction): void {
    const { opcode, dst, src, imm } = instruction;
    if (opcode !== 0x18) throw this.#stopped("this is no instruction that programs may use");
    const value = src === PSEUDO_VALUE.function ? CODE_ADDRESS + BigInt(this.#at - 1) + BigInt.asIntN(32, BigInt(imm)) : BigInt(imm);
    if (src !== PSEUDO_VALUE.number && src !== PSEUDO_VALUE.function) throw this.#stopped("variables of the kernel are not simulated");
    this.#registers[dst] = BigInt.asUintN(64, value);
  }

  #arithmetic(instruction: Instruction, bits: 32 | 64): void {
    const { opcode, dst, src, offset, imm } = instruction;
    const operation = opcode & OPERATION_MASK;
    if (operation === ARITHMETIC.end) {
      const isSwap = bits === 64 || (opcode & SOURCE_REGISTER) !== 0;
      const value = BigInt.asUintN(Number(imm), this.#register(dst));
      this.#registers[dst] = isSwap ? swapped(value, Number(imm)) : value;
      return;
    }
    if (operation === ARITHMETIC.mov && offset !== 0) {
      this.#registers[dst] = BigInt.asUintN(bits, BigInt.asIntN(offset, this.#register(src)));
      return;
    }
    const result = computed(operation, this.#register(dst), this.#operand(instruction), bits, offset === 1);
    if (result === undefined) throw this.#stopped("this is no arithmetic");
    this.#registers[dst] = result;
  }

  #jump(instruction: Instruction, bits: 32 | 64): void {
    const { opcode, dst, offset, imm } = instruction;
    const operation = opcode & OPERATION_MASK;
    if (operation === JUMP.exit) {
      this.#exit();
      return;
    }
    if (operation === JUMP.call) {
      this.#call(instruction);
      return;
    }
    if (operation === JUMP.ja) this.#at += bits === 64 ? offset : Number(BigInt.asIntN(32, BigInt(imm)));
    // The budget of `may_goto` is far above the limit of steps.
    else if (operation === JUMP.cond) return;
    else {
      const isTaken = holds(operation, this.#register(dst), this.#operand(instruction), bits);
      if (isTaken === undefined) throw this.#stopped("this is no jump");
      if (isTaken) this.#at += offset;
    }
  }

  #exit(): void {
    const frame = this.#frames.pop();
    if (frame === undefined) return;
    this.#space.remove(frame.stack);
    for (const [index, value] of frame.saved.entries()) this.#registers[6 + index] = value;
    this.#at = frame.returnTo;
  }

  #call({ src, imm, symbol }: Instruction): void {
    const number = Number(BigInt.asIntN(32, BigInt(imm)));
    if (src === PSEUDO_CALL.subprogram) {
      this.#enter(this.#at);
      this.#at += number;
      return;
    }
    const args = this.#registers.slice(1, 6);
    if (src === PSEUDO_CALL.helper && number === TAIL_CALL && this.#tailCall(args)) return;
    const result =
      number === TAIL_CALL && src === PSEUDO_CALL.helper
        ? -2n
        : this.#options.call(src === PSEUDO_CALL.helper ? number : (symbol ?? number), args);
    this.#registers[0] = BigInt.asUintN(64, result);
    // What the kernel leaves in them is anything.
    for (let register = 1; register <= 5; register++) this.#registers[register] = 0xdead_beef_dead_beefn;
  }

  #tailCall(args: readonly bigint[]): boolean {
    const slots = this.#options.tailCall(args[1] ?? 0n, BigInt.asUintN(32, args[2] ?? 0n));
    if (slots === undefined || ++this.#tailCalls > MAX_TAIL_CALLS) return false;
    this.#slots = slots;
    this.#at = 0;
    this.#registers[1] = args[0] ?? 0n;
    return true;
  }

  #load({ opcode, dst, src, offset }: Instruction): void {
    const size = SIZES[opcode & SIZE_MASK] ?? 8;
    const mode = opcode & MODE_MASK;
    if (mode !== MODE.mem && mode !== MODE.signedMem) throw this.#stopped("this is no load");
    const value = this.#space.load(this.#register(src) + BigInt(offset), size);
    this.#registers[dst] = mode === MODE.mem ? value : BigInt.asUintN(64, BigInt.asIntN(size * 8, value));
  }

  #store(instruction: Instruction): void {
    const { opcode, dst, src, offset, imm } = instruction;
    const size = SIZES[opcode & SIZE_MASK] ?? 8;
    const address = this.#register(dst) + BigInt(offset);
    const mode = opcode & MODE_MASK;
    if (mode === MODE.atomic) {
      this.#atomic(address, size, Number(imm), src);
      return;
    }
    if (mode !== MODE.mem) throw this.#stopped("this is no store");
    const value = (opcode & CLASS_MASK) === CLASS.st ? BigInt.asIntN(32, BigInt(imm)) : this.#register(src);
    this.#space.store(address, size, BigInt.asUintN(size * 8, value));
  }

  #atomic(address: bigint, size: number, operation: number, src: number): void {
    const bits = size * 8;
    const before = this.#space.load(address, size);
    const operand = BigInt.asUintN(bits, this.#register(src));
    if (operation === ATOMIC.compareExchange) {
      if (before === BigInt.asUintN(bits, this.#register(0))) this.#space.store(address, size, operand);
      this.#registers[0] = before;
      return;
    }
    this.#space.store(address, size, atomicResult(operation & ~ATOMIC.fetchAdd, before, operand, bits));
    if ((operation & ATOMIC.fetchAdd) !== 0) this.#registers[src] = before;
  }
}

function atomicResult(operation: number, before: bigint, operand: bigint, bits: number): bigint {
  if (operation === ATOMIC.add) return BigInt.asUintN(bits, before + operand);
  if (operation === ATOMIC.or) return before | operand;
  if (operation === ATOMIC.and) return before & operand;
  if (operation === ATOMIC.xor) return before ^ operand;
  if (operation === (ATOMIC.exchange & ~ATOMIC.fetchAdd)) return operand;
  throw new EbpfError("EBPF_RUN", "this is no atomic operation");
}
