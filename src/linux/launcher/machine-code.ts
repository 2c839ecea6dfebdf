/**
 * The program that runs scripts of system calls, for each architecture: one loop over steps of fourteen words
 * (number, six arguments, flags, where the result goes, what it is compared with, and where to go on: otherwise, if negative, if zero,
 * if equal). Bits 0 to 5 of the flags say that an argument is the address of a cell, bit 6 the same of what is compared.
 * A number below zero is no call: the result is the first argument.
 */
import type { Architecture } from "../syscall-numbers.ts";
import { STEPS_ADDRESS } from "./syscall-script.ts";

/** Byte offsets of the words of a step. */
export const STEP_OFFSET = {
  number: 0,
  argument: (index: number): number => 8 + 8 * index,
  flags: 56,
  store: 64,
  compare: 72,
  next: 80,
  ifNegative: 88,
  ifZero: 96,
  ifEqual: 104,
} as const;

export const COMPARE_FROM_CELL: bigint = 1n << 6n;

/** The code; it starts at its first byte and never returns. */
export const machineCode = (architecture: Architecture): Uint8Array => (architecture === "x64" ? x64Code() : arm64Code());

/** Intel 64 and IA-32 Architectures SDM, volume 2. rbx is the step, r12 its flags. */
function x64Code(): Uint8Array {
  const code: number[] = [];
  const skipUnlessFlag = (bit: number): number[] => [0x49, 0x0f, 0xba, 0xe4, bit, 0x73, 0x03]; // bt r12, bit; jnc +3
  // mov REGISTER, [rbx + offset] and mov REGISTER, [REGISTER] of rdi, rsi, rdx, r10, r8, r9.
  const registers = [
    { load: [0x48, 0x8b, 0x7b], follow: [0x48, 0x8b, 0x3f] },
    { load: [0x48, 0x8b, 0x73], follow: [0x48, 0x8b, 0x36] },
    { load: [0x48, 0x8b, 0x53], follow: [0x48, 0x8b, 0x12] },
    { load: [0x4c, 0x8b, 0x53], follow: [0x4d, 0x8b, 0x12] },
    { load: [0x4c, 0x8b, 0x43], follow: [0x4d, 0x8b, 0x00] },
    { load: [0x4c, 0x8b, 0x4b], follow: [0x4d, 0x8b, 0x09] },
  ];
  const steps = Number(STEPS_ADDRESS);
  code.push(0x48, 0xc7, 0xc3, steps & 0xff, (steps >> 8) & 0xff, (steps >> 16) & 0xff, (steps >> 24) & 0xff); // mov rbx, steps
  const loop = code.length;
  const goOn = (offset: number): void => {
    code.push(0x48, 0x8b, 0x5b, offset); // mov rbx, [rbx + offset]
    const distance = loop - (code.length + 5);
    code.push(0xe9, distance & 0xff, (distance >> 8) & 0xff, (distance >> 16) & 0xff, (distance >> 24) & 0xff); // jmp loop
  };
  const GO_ON_BYTES = 9;
  code.push(0x4c, 0x8b, 0x63, STEP_OFFSET.flags); // mov r12, [rbx + flags]
  for (const [index, { load, follow }] of registers.entries())
    code.push(...load, STEP_OFFSET.argument(index), ...skipUnlessFlag(index), ...follow);
  code.push(0x48, 0x8b, 0x03); // mov rax, [rbx]
  code.push(0x48, 0x85, 0xc0, 0x79, 0x05); // test rax, rax; jns to the call
  code.push(0x48, 0x89, 0xf8, 0xeb, 0x02); // mov rax, rdi; jmp over the call
  code.push(0x0f, 0x05); // syscall
  code.push(0x48, 0x8b, 0x4b, STEP_OFFSET.store, 0x48, 0x85, 0xc9, 0x74, 0x03, 0x48, 0x89, 0x01); // rcx = store; if (rcx) [rcx] = rax
  code.push(0x48, 0x8b, 0x4b, STEP_OFFSET.compare, ...skipUnlessFlag(6), 0x48, 0x8b, 0x09); // rcx = compare, or what it points to
  code.push(0x48, 0x39, 0xc8, 0x75, GO_ON_BYTES); // cmp rax, rcx; jne
  goOn(STEP_OFFSET.ifEqual);
  code.push(0x48, 0x85, 0xc0, 0x79, GO_ON_BYTES); // test rax, rax; jns
  goOn(STEP_OFFSET.ifNegative);
  code.push(0x75, GO_ON_BYTES); // jnz
  goOn(STEP_OFFSET.ifZero);
  goOn(STEP_OFFSET.next);
  return Uint8Array.from(code);
}

/** Arm Architecture Reference Manual, A64. x19 is the step, x20 its flags. */
function arm64Code(): Uint8Array {
  const words: number[] = [];
  const load = (target: number, from: number, offset = 0): number => 0xf940_0000 | ((offset / 8) << 10) | (from << 5) | target;
  const store = (source: number, to: number): number => 0xf900_0000 | (to << 5) | source;
  const testBitZero = (register: number, bit: number, skip: number): number =>
    0x3600_0000 | ((bit >> 5) << 31) | ((bit & 31) << 19) | (skip << 5) | register;
  words.push(0xd2a0_0000 | (Number(STEPS_ADDRESS >> 16n) << 5) | 19); // movz x19, #steps, lsl #16
  const loop = words.length;
  const goOn = (offset: number): void => {
    words.push(load(19, 19, offset));
    words.push(0x1400_0000 | ((loop - words.length) & 0x03ff_ffff)); // b loop
  };
  words.push(load(20, 19, STEP_OFFSET.flags));
  for (let index = 0; index < 6; index++) {
    words.push(load(index, 19, STEP_OFFSET.argument(index)), testBitZero(20, index, 2), load(index, index));
  }
  words.push(load(8, 19, STEP_OFFSET.number));
  words.push(0xb700_0000 | (31 << 19) | (2 << 5) | 8); // tbnz x8, #63: no call
  words.push(0xd400_0001); // svc #0
  words.push(load(9, 19, STEP_OFFSET.store), 0xb400_0000 | (2 << 5) | 9, store(0, 9)); // cbz x9
  words.push(load(9, 19, STEP_OFFSET.compare), testBitZero(20, 6, 2), load(9, 9));
  words.push(0xeb09_001f, 0x5400_0001 | (3 << 5)); // cmp x0, x9; b.ne
  goOn(STEP_OFFSET.ifEqual);
  words.push(0x3600_0000 | (1 << 31) | (31 << 19) | (3 << 5)); // tbz x0, #63
  goOn(STEP_OFFSET.ifNegative);
  words.push(0xb500_0000 | (3 << 5)); // cbnz x0
  goOn(STEP_OFFSET.ifZero);
  goOn(STEP_OFFSET.next);
  const bytes = new Uint8Array(words.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [index, word] of words.entries()) view.setUint32(index * 4, word >>> 0, true);
  return bytes;
}
