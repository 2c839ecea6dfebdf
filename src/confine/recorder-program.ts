/**
 * The program that records system calls in the kernel: on entry it looks whose call it is, and marks a byte in memory that user space has
 * mapped. No copy, no event, no lookup in a hash. Of the calls whose arguments are worth filtering it keeps up to eight different values.
 */
import type { Btf } from "../ebpf/btf/btf.ts";
import type { Code } from "../ebpf/builder/code.ts";
import type { Condition, Scalar } from "../ebpf/builder/expression.ts";
import type { KernelPointer } from "../ebpf/builder/kernel-pointer.ts";
import type { Memory } from "../ebpf/builder/memory.ts";
import { tracepointProgram } from "../ebpf/builder/program.ts";
import { array, type StructLayout, struct, u8, u32, u64 } from "../ebpf/layout.ts";
import { arrayMap, MAP_FLAGS, type MapSpec } from "../ebpf/map-spec.ts";
import type { ProgramSpec } from "../ebpf/program-spec.ts";
import { CODE_ADDRESS } from "../linux/launcher/launcher-image.ts";
import type { Architecture, SyscallName } from "../linux/syscall-numbers.ts";
import { type GuardedArgument, type GuardOptions, guardedArguments, guardedCalls } from "../target/seccomp/guarded-arguments.ts";
import type { Alternative } from "../target/seccomp/profile.ts";

/** Whose calls go to a slot: of processes in a cgroup (version 2), or in a mount namespace. */
export type RecorderTarget =
  | { readonly kind: "cgroup"; readonly id: bigint; readonly slot: number }
  | { readonly kind: "mount namespace"; readonly inode: number; readonly slot: number };

/** Recordings that one program serves at once. */
export const MAX_SLOTS = 16;
export const MAX_NUMBERS = 512;
/** Phases of a recording: start-up, steady. */
export const PHASES = 2;
export const MAX_VALUES = 8;
export const GUARDS = 16;
const CAPABILITY_WORDS = 2;
/** Marks of a call in `seen`. */
const SEEN = 1;
const SEEN_WITH_ARGUMENTS = 2;

export interface RecordingMemory {
  /** The phase that each slot is in; written by user space. */
  readonly phase: readonly number[];
  /** Calls of another ABI (32-bit), which have other numbers. */
  readonly foreign: readonly number[];
  /** Lower and upper half of the capabilities that were asked for and granted. */
  readonly capabilities: readonly number[];
  /** Which guard a number has, plus one; 0 for none. Written by user space. */
  readonly guardOf: readonly number[];
  /** What is not zero was seen. */
  readonly seen: readonly number[];
  /** How many values were kept, or would have been. */
  readonly valueCount: readonly number[];
  readonly values: readonly bigint[];
}

export const RECORDING_MEMORY: StructLayout<RecordingMemory> = struct("Recordings", {
  phase: array(u32, MAX_SLOTS),
  foreign: array(u32, MAX_SLOTS),
  capabilities: array(u32, MAX_SLOTS * CAPABILITY_WORDS),
  guardOf: array(u8, MAX_NUMBERS),
  seen: array(u8, MAX_SLOTS * PHASES * MAX_NUMBERS),
  valueCount: array(u32, MAX_SLOTS * GUARDS),
  values: array(u64, MAX_SLOTS * GUARDS * MAX_VALUES),
});

export interface RecorderPrograms {
  readonly memory: MapSpec<number, RecordingMemory>;
  readonly calls: ProgramSpec;
  readonly capabilities: ProgramSpec;
}

/** What the launcher does before it is the program is not the program's. */
const LAUNCHER_BYTES = 0x1000;

/** Thread flag of a call of the 32-bit ABI (arch/x86/include/asm/thread_info.h). */
const TS_COMPAT = 2;
/** _TIF_32BIT (arch/arm64/include/asm/thread_info.h). */
const TIF_32BIT = 1 << 22;

/** The programs for these targets. A task that fits several goes to the first. */
export function recorderPrograms(
  btf: Btf,
  architecture: Architecture,
  targets: readonly RecorderTarget[],
  options: GuardOptions = {},
): RecorderPrograms {
  const memory = arrayMap("recordings", { value: RECORDING_MEMORY, maxEntries: 1, flags: MAP_FLAGS.mmapable });
  const calls = tracepointProgram("record_calls", { btf, tracepoint: "sys_enter" }, (code, args) => {
    const task = code.currentTask();
    const slot = slotOf(code, task, targets);
    const number = code.let(args.scalar("id"), "number");
    code.if(number.ge(MAX_NUMBERS), () => code.return(0));
    const recordings = code.globalValue(memory);
    const phase = recordings
      .at("phase")
      .element(slot)
      .value()
      .and(PHASES - 1);
    const first = typeof slot === "number" ? slot * PHASES * MAX_NUMBERS : slot.mul(PHASES * MAX_NUMBERS);
    const mark = recordings.at("seen").element(phase.mul(MAX_NUMBERS).add(number).add(first));
    const isForeign = foreignTask(task, architecture);
    // Nearly every call ends here: it was seen before, and its arguments do not matter.
    code.if(mark.value().eq(SEEN).and(isForeign.not()), () => code.return(0));
    const registers = args.pointer("regs");
    const counter = registers.field(architecture === "x64" ? "ip" : "pc");
    code.if(counter.sub(CODE_ADDRESS).lt(LAUNCHER_BYTES), () => code.return(0));
    code.if(isForeign, () => {
      recordings.at("foreign").element(slot).setValue(1);
      code.return(0);
    });
    const guard = code.let(recordings.at("guardOf").element(number).value(), "guard");
    code.if(guard.eq(0), () => {
      mark.setValue(SEEN);
      code.return(0);
    });
    mark.setValue(SEEN_WITH_ARGUMENTS);
    keepValue(code, recordings, {
      slot: code.let(slot, "slot"),
      guard: guard.sub(1).and(GUARDS - 1),
      value: guardedValue(code, registers, { architecture, guard, options }),
    });
  });
  const capabilities = tracepointProgram("record_caps", { btf, tracepoint: "cap_capable" }, (code, args) => {
    code.if(args.scalar("ret").and(0xffff_ffffn).ne(0), () => code.return(0));
    const capability = code.let(args.scalar("cap").and(63), "capability");
    const slot = code.let(slotOf(code, code.currentTask(), targets), "slot");
    const half = code.let(slot.mul(CAPABILITY_WORDS).add(capability.shr(5)), "half");
    const bit = code.let(code.let(1).shl(capability.and(31)), "bit");
    const word = code.globalValue(memory).at("capabilities").element(half);
    word.setValue(word.value().or(bit));
  });
  return { memory, calls, capabilities };
}

/** The slot of the task; returns from the program for tasks that are nobody's. It is bounded, so that it can be an index. */
function slotOf(code: Code, task: KernelPointer<"task_struct">, targets: readonly RecorderTarget[]): Scalar | number {
  const [only, ...others] = targets;
  if (only?.kind === "cgroup" && others.length === 0) {
    code.if(task.field("cgroups.dfl_cgrp.kn.id").ne(only.id), () => code.return(0));
    return only.slot;
  }
  const slot = code.variable(MAX_SLOTS, "slot");
  const cgroups = targets.filter((target) => target.kind === "cgroup");
  const namespaces = targets.filter((target) => target.kind === "mount namespace");
  if (namespaces.length > 0) {
    const inode = code.let(task.field("nsproxy.mnt_ns.ns.inum"), "namespace");
    for (const target of namespaces) code.if(inode.eq(target.inode), () => code.assign(slot, target.slot));
  }
  if (cgroups.length > 0) {
    const id = code.let(task.field("cgroups.dfl_cgrp.kn.id"), "cgroup");
    for (const target of cgroups) code.if(id.eq(target.id), () => code.assign(slot, target.slot));
  }
  code.if(slot.ge(MAX_SLOTS), () => code.return(0));
  return slot;
}

function foreignTask(task: KernelPointer<"task_struct">, architecture: Architecture): Condition {
  return architecture === "x64" ? task.field("thread_info.status").hasAny(TS_COMPAT) : task.field("thread_info.flags").hasAny(TIF_32BIT);
}

/** Registers of the arguments of a call, as fields of `struct pt_regs`. */
const REGISTERS: { readonly [A in Architecture]: readonly string[] } = {
  x64: ["di", "si", "dx", "r10", "r8", "r9"],
  arm64: ["regs[0]", "regs[1]", "regs[2]", "regs[3]", "regs[4]", "regs[5]"],
};

/** All guarded arguments of a call in one number: 32 bits for the last one, less for those before it. */
interface Packing {
  readonly argument: GuardedArgument;
  readonly shift: number;
  readonly mask: bigint;
}

function packingOf(guarded: readonly GuardedArgument[]): readonly Packing[] {
  const [first, second, third] = guarded;
  if (first === undefined) return [];
  if (second === undefined || third === undefined) return [{ argument: first, shift: 0, mask: first.mask }];
  // A socket: families are small numbers, types have four bits.
  return [
    { argument: first, shift: 40, mask: 0xffffn },
    { argument: second, shift: 32, mask: 0xfn },
    { argument: third, shift: 0, mask: 0xffff_ffffn },
  ];
}

function guardedValue(
  code: Code,
  registers: KernelPointer,
  { architecture, guard, options }: { readonly architecture: Architecture; readonly guard: Scalar; readonly options: GuardOptions },
): Scalar {
  const value = code.variable(0, "value");
  const reads = (argument: GuardedArgument): Scalar => registers.field(REGISTERS[architecture][argument.argument] ?? "");
  for (const [index, name] of guardedCalls(options).entries()) {
    code.if(guard.eq(index + 1), () => {
      const parts = packingOf(guardedArguments(name, options)).map(({ argument, shift, mask }) => {
        const part = reads(argument).and(mask & argument.mask);
        return shift === 0 ? part : part.shl(shift);
      });
      const [first, ...rest] = parts;
      if (first !== undefined)
        code.assign(
          value,
          rest.reduce((sum, part) => sum.or(part), first),
        );
    });
  }
  return value;
}

function keepValue(
  code: Code,
  recordings: Memory<RecordingMemory>,
  { slot, guard, value }: { readonly slot: Scalar; readonly guard: Scalar; readonly value: Scalar },
): void {
  const entry = code.let(slot.mul(GUARDS).add(guard), "entry");
  const count = code.let(recordings.at("valueCount").element(entry).value(), "count");
  code.repeat(MAX_VALUES, (index) => {
    const kept = recordings.at("values").element(entry.mul(MAX_VALUES).add(index)).value();
    code.if(count.gt(index).and(kept.eq(value)), () => code.return(0));
  });
  // Two processors may keep the same value twice; the reader does not count it twice.
  const place = code.let(count, "place");
  code.if(place.lt(MAX_VALUES), () => {
    recordings.at("values").element(entry.mul(MAX_VALUES).add(place)).setValue(value);
  });
  code.if(place.le(MAX_VALUES), () => {
    recordings.at("valueCount").element(entry).setValue(place.add(1));
  });
}

/** The arguments that a kept value of a guarded call stands for. */
export function unpackValue(name: SyscallName, value: bigint, options: GuardOptions = {}): Alternative {
  return packingOf(guardedArguments(name, options)).map(({ argument, shift, mask }) => ({
    argument: argument.argument,
    mask: argument.mask,
    value: (value >> BigInt(shift)) & mask & argument.mask,
  }));
}
