/**
 * Which system calls the code of a file may make, function by function, by looking for patterns rather than by disassembling: `syscall` with a number
 * put into eax before it, calls and jumps to other functions, addresses of functions. What looks like one and is none adds too much, never too little.
 */
import type { ElfFile, Segment } from "./elf-file.ts";

/** What one function does and leads to. */
export interface ScannedFunction {
  readonly calls: Set<number>;
  /** Functions of the same file, by where they begin. */
  readonly leadsTo: Set<number>;
  /** Names of functions, of this file or of others. */
  readonly uses: Set<string>;
  /** It makes a call whose number comes from its caller. */
  isWrapper: boolean;
}

const LOOK_BACK = 64;
const MAX_NUMBER = 512;
/** A table of functions (a vtable) of which code takes the address is taken as used for so many bytes. */
const TABLE_BYTES = 256;
const MAX_WRAPPER_DEPTH = 4;

interface CallSite {
  readonly from: number;
  readonly to: number;
  /** The numbers in edi (the C library's `syscall`) and eax (Go's) before it. */
  readonly numbers: readonly number[];
}

/** The functions of a file, by where they begin. */
export function scanCode(elf: ElfFile): ReadonlyMap<number, ScannedFunction> {
  const scan = new Scan(elf);
  for (const segment of elf.segments) if (segment.isExecutable) scan.segment(segment.offset, segment.size, segment.address);
  return scan.finish();
}

class Scan {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #starts: readonly number[];
  readonly #isStart: ReadonlySet<number>;
  readonly #functions = new Map<number, ScannedFunction>();
  readonly #slots: ReadonlyMap<number, { readonly symbol: string; readonly addend: number }>;
  readonly #tables: readonly { readonly address: number; readonly addend: number }[];
  readonly #sites: CallSite[] = [];

  constructor(elf: ElfFile) {
    this.#bytes = elf.bytes;
    this.#view = new DataView(elf.bytes.buffer, elf.bytes.byteOffset, elf.bytes.byteLength);
    this.#slots = new Map(elf.relocations.map(({ address, symbol, addend }) => [address, { symbol, addend }]));
    this.#isStart = new Set([
      ...elf.functions,
      ...elf.segments.filter(({ isExecutable }) => isExecutable).flatMap((segment) => this.#stubs(segment)),
    ]);
    this.#starts = [...this.#isStart].sort((a, b) => a - b);
    this.#tables = elf.relocations
      .filter(({ symbol, addend }) => symbol === "" && this.#isStart.has(addend))
      .toSorted((a, b) => a.address - b.address);
  }

  /** The stubs of the procedure linkage table, which have no names and one entry in the unwind table for all: `[endbr64] [bnd] jmp [rip + slot]`. */
  #stubs({ offset, size, address }: Segment): readonly number[] {
    const stubs: number[] = [];
    const end = Math.min(offset + size, this.#bytes.length) - 5;
    for (let at = this.#bytes.indexOf(0xff, offset); at >= 0 && at < end; at = this.#bytes.indexOf(0xff, at + 1)) {
      const where = address + at - offset;
      if (this.#bytes[at + 1] !== 0x25 || !this.#slots.has(this.#target(at + 2, where, at) ?? 0)) continue;
      const bound = this.#bytes[at - 1] === 0xf2 ? 1 : 0;
      const hasMark = [0xf3, 0x0f, 0x1e, 0xfa].every((byte, index) => this.#bytes[at - bound - 4 + index] === byte);
      stubs.push(where - bound - (hasMark ? 4 : 0));
    }
    return stubs;
  }

  /** The function that an address lies in; code before the first one counts to it. */
  #functionAt(address: number): ScannedFunction {
    return this.#function(this.#starts[lastAtMost(this.#starts, address)] ?? 0);
  }

  #function(start: number): ScannedFunction {
    const known = this.#functions.get(start);
    if (known !== undefined) return known;
    const created: ScannedFunction = { calls: new Set(), leadsTo: new Set(), uses: new Set(), isWrapper: false };
    this.#functions.set(start, created);
    return created;
  }

  segment(offset: number, size: number, address: number): void {
    const end = Math.min(offset + size, this.#bytes.length) - 1;
    for (let at = offset; at < end; at++) {
      const first = this.#bytes[at] ?? 0;
      const second = this.#bytes[at + 1] ?? 0;
      const where = address + at - offset;
      if (first === 0x0f && second === 0x05) this.#syscall(at, where);
      else if (first === 0x0f && (second & 0xf0) === 0x80) this.#branch(at + 2, where, at);
      else if (first === 0xe8 || first === 0xe9) this.#branch(at + 1, where, at);
      else if (first === 0xff && (second === 0x15 || second === 0x25)) this.#throughSlot(at + 2, where, at);
      else if ((first === 0x48 || first === 0x4c) && (second === 0x8d || second === 0x8b)) this.#takesAddress(at, where);
    }
  }

  #target(at: number, where: number, from: number): number | undefined {
    return at + 4 <= this.#bytes.length ? where + (at + 4 - from) + this.#view.getInt32(at, true) : undefined;
  }

  #syscall(at: number, where: number): void {
    const caller = this.#functionAt(where);
    const number = this.#numberBefore(at, where, EAX);
    if (number === undefined) caller.isWrapper = true;
    else caller.calls.add(number);
  }

  #branch(at: number, where: number, from: number): void {
    const target = this.#target(at, where, from);
    if (target === undefined || !this.#isStart.has(target)) return;
    this.#functionAt(where).leadsTo.add(target);
    const numbers = [EDI, EAX].flatMap((register) => this.#numberBefore(from, where, register) ?? []);
    this.#sites.push({ from: this.#starts[lastAtMost(this.#starts, where)] ?? 0, to: target, numbers });
  }

  /** `call [rip + slot]`, and the stubs of the procedure linkage table. */
  #throughSlot(at: number, where: number, from: number): void {
    const slot = this.#target(at, where, from);
    if (slot === undefined) return;
    this.#useSlot(slot, where);
    // The function of the C library that takes the number as its first argument.
    if (this.#slots.get(slot)?.symbol !== "syscall") return;
    const number = this.#numberBefore(from, where, EDI);
    if (number === undefined) this.#functionAt(where).isWrapper = true;
    else this.#functionAt(where).calls.add(number);
  }

  #useSlot(slot: number, where: number): void {
    const relocation = this.#slots.get(slot);
    if (relocation === undefined) return;
    const caller = this.#functionAt(where);
    if (relocation.symbol !== "") caller.uses.add(relocation.symbol);
    else if (this.#isStart.has(relocation.addend)) caller.leadsTo.add(relocation.addend);
  }

  /** `lea register, [rip + address]` or `mov register, [rip + slot]`. */
  #takesAddress(at: number, where: number): void {
    if (((this.#bytes[at + 2] ?? 0) & 0xc7) !== 0x05) return;
    const target = this.#target(at + 3, where, at);
    if (target === undefined) return;
    const caller = this.#functionAt(where);
    if (this.#isStart.has(target)) caller.leadsTo.add(target);
    else this.#useSlot(target, where);
    const places = this.#tables;
    for (let index = firstAtLeast(places, target); index < places.length && (places[index]?.address ?? 0) < target + TABLE_BYTES; index++) {
      caller.leadsTo.add(places[index]?.addend ?? 0);
    }
  }

  /** The last constant that goes into the register before this place, in the same function. */
  #numberBefore(at: number, where: number, { move, zero }: typeof EAX): number | undefined {
    const start = this.#starts[lastAtMost(this.#starts, where)] ?? 0;
    const limit = Math.max(0, at - Math.min(LOOK_BACK, where - start));
    for (let back = at - 2; back >= limit; back--) {
      const first = this.#bytes[back];
      if (first === move && back + 5 <= at) {
        const value = this.#view.getUint32(back + 1, true);
        if (value < MAX_NUMBER) return value;
      }
      // With this prefix it is another register.
      const isExtended = ((this.#bytes[back - 1] ?? 0) & 0xf5) === 0x45;
      if ((first === 0x31 || first === 0x33) && this.#bytes[back + 1] === zero && !isExtended) return 0;
      if (first === 0x48 && this.#bytes[back + 1] === 0xc7 && this.#bytes[back + 2] === zero && back + 7 <= at) {
        const value = this.#view.getUint32(back + 3, true);
        if (value < MAX_NUMBER) return value;
      }
    }
    return undefined;
  }

  /** Callers of functions that take the number from them bring it, or take it from their callers in turn (Go's and libc's `syscall`). */
  finish(): ReadonlyMap<number, ScannedFunction> {
    for (let depth = 0; depth < MAX_WRAPPER_DEPTH; depth++) {
      const wrappers = new Set([...this.#functions].filter(([, { isWrapper }]) => isWrapper).map(([start]) => start));
      for (const { from, to, numbers } of this.#sites) {
        if (!wrappers.has(to)) continue;
        for (const number of numbers) this.#function(from).calls.add(number);
        if (numbers.length === 0) this.#function(from).isWrapper = true;
      }
    }
    return this.#functions;
  }
}

/** Opcodes and operands: `mov eax, imm32` and `xor eax, eax`; the same for edi. `zero` is also the operand of `mov rax, imm32`. */
const EAX = { move: 0xb8, zero: 0xc0 };
const EDI = { move: 0xbf, zero: 0xff };

function lastAtMost(sorted: readonly number[], value: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? 0) <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function firstAtLeast(sorted: readonly { readonly address: number }[], value: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle]?.address ?? 0) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
