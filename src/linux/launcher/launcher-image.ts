/** Scripts as programs: a static ELF file (System V ABI, chapter 4 and 5) of code, data and steps, with no library and no stack to execute. */
import type { Architecture } from "../syscall-numbers.ts";
import { COMPARE_FROM_CELL, machineCode, STEP_OFFSET } from "./machine-code.ts";
import {
  type Cell,
  DATA_ADDRESS,
  type FinishedScript,
  type Label,
  STEP_WORDS,
  STEPS_ADDRESS,
  type Step,
  type StepArgument,
} from "./syscall-script.ts";

/** Programs are not linked to this address: a call from here is the launcher's own. */
export const CODE_ADDRESS = 0x3000_0000n;
const ELF_HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
/** The largest page of the architecture: segments begin on one. */
const PAGE_BYTES: { readonly [A in Architecture]: number } = { x64: 0x1000, arm64: 0x1_0000 };
const MACHINE: { readonly [A in Architecture]: number } = { x64: 62, arm64: 183 };
const STEP_BYTES = STEP_WORDS * 8;
/** No call returns it: results are lengths, descriptors, addresses of user space, or small negative numbers. */
const NEVER = 0x7fff_ffff_ffff_ffffn;
const READ = 4;
const WRITE = 2;
const EXECUTE = 1;

/** The bytes of the program. Throws RangeError for a label that is not marked. */
export function launcherImage(script: FinishedScript): Uint8Array {
  const page = PAGE_BYTES[script.architecture];
  const segments = [
    { address: CODE_ADDRESS, flags: READ | EXECUTE, content: machineCode(script.architecture) },
    { address: DATA_ADDRESS, flags: READ | WRITE, content: script.data },
    { address: STEPS_ADDRESS, flags: READ | WRITE, content: encodeSteps(script.steps) },
  ].map((segment, index, all) => ({
    ...segment,
    offset: page + all.slice(0, index).reduce((sum, { content }) => sum + roundUp(content.length, page), 0),
  }));
  const size = Math.max(...segments.map(({ offset, content }) => offset + content.length));
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  writeHeader(view, script.architecture, segments.length + 1);
  for (const [index, { offset, address, flags, content }] of segments.entries()) {
    bytes.set(content, offset);
    writeProgramHeader(view, index, { type: 1, flags, offset, address, size: content.length, alignment: page });
  }
  // PT_GNU_STACK: a stack that cannot be executed.
  const stack = { type: 0x6474_e551, flags: READ | WRITE, offset: 0, address: 0n, size: 0, alignment: 16 };
  writeProgramHeader(view, segments.length, stack);
  return bytes;
}

const roundUp = (size: number, to: number): number => Math.ceil(size / to) * to;

function writeHeader(view: DataView, architecture: Architecture, segments: number): void {
  for (const [index, byte] of [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1].entries()) view.setUint8(index, byte);
  view.setUint16(16, 2, true); // ET_EXEC
  view.setUint16(18, MACHINE[architecture], true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, CODE_ADDRESS, true);
  view.setBigUint64(32, BigInt(ELF_HEADER_BYTES), true);
  view.setUint16(52, ELF_HEADER_BYTES, true);
  view.setUint16(54, PROGRAM_HEADER_BYTES, true);
  view.setUint16(56, segments, true);
}

interface ProgramHeader {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly address: bigint;
  readonly size: number;
  readonly alignment: number;
}

function writeProgramHeader(view: DataView, index: number, header: ProgramHeader): void {
  const at = ELF_HEADER_BYTES + index * PROGRAM_HEADER_BYTES;
  view.setUint32(at, header.type, true);
  view.setUint32(at + 4, header.flags, true);
  view.setBigUint64(at + 8, BigInt(header.offset), true);
  view.setBigUint64(at + 16, header.address, true);
  view.setBigUint64(at + 24, header.address, true);
  view.setBigUint64(at + 32, BigInt(header.size), true);
  view.setBigUint64(at + 40, BigInt(header.size), true);
  view.setBigUint64(at + 48, BigInt(header.alignment), true);
}

function encodeSteps(steps: readonly Step[]): Uint8Array {
  const bytes = new Uint8Array(steps.length * STEP_BYTES);
  for (const [index, step] of steps.entries()) encodeStep(new DataView(bytes.buffer, index * STEP_BYTES, STEP_BYTES), step, index);
  return bytes;
}

function encodeStep(view: DataView, { number, args, options: { store, onError, onZero, onEqual } }: Step, index: number): void {
  const set = (offset: number, value: bigint): void => view.setBigUint64(offset, BigInt.asUintN(64, value), true);
  const next = addressOfStep(index + 1);
  let flags = 0n;
  set(STEP_OFFSET.number, BigInt(number));
  for (const [position, argument] of args.entries()) {
    if (isCell(argument)) flags |= 1n << BigInt(position);
    set(STEP_OFFSET.argument(position), encodedValue(argument));
  }
  if (onEqual !== undefined && isCell(onEqual.value)) flags |= COMPARE_FROM_CELL;
  set(STEP_OFFSET.flags, flags);
  set(STEP_OFFSET.store, store?.address ?? 0n);
  set(STEP_OFFSET.compare, onEqual === undefined ? NEVER : encodedValue(onEqual.value));
  set(STEP_OFFSET.next, next);
  set(STEP_OFFSET.ifNegative, onError === undefined || onError === "ignore" ? next : addressOfLabel(onError));
  set(STEP_OFFSET.ifZero, onZero === undefined ? next : addressOfLabel(onZero));
  set(STEP_OFFSET.ifEqual, onEqual === undefined ? next : addressOfLabel(onEqual.goTo));
}

const isCell = (argument: StepArgument): argument is Cell => typeof argument === "object";
const encodedValue = (argument: StepArgument): bigint => (isCell(argument) ? argument.address : BigInt(argument));
const addressOfStep = (index: number): bigint => STEPS_ADDRESS + BigInt(index * STEP_BYTES);

function addressOfLabel({ step }: Label): bigint {
  if (step === undefined) throw new RangeError("expected every label of the script to be marked");
  return addressOfStep(step);
}
