/**
 * The published entry `@vigil-dev/vigil/ebpf`: generate programs for the running kernel, load and attach them, share maps and ring buffers with
 * them. Generating needs no kernel; what does is in `kernel/`.
 */
import * as instructions from "./assembler/instructions.ts";

export { cgroup2Path } from "../linux/mounts.ts";
export { assemble } from "./assembler/assemble.ts";
export type { Line } from "./assembler/line.ts";
export { Btf, MAX_BTF_BYTES, parseBtf } from "./btf/btf.ts";
export { type BtfField, fieldOf, hasField } from "./btf/field.ts";
export { enumOf, iteratorOf, tracepointOf } from "./btf/kernel-name.ts";
export { mapBtf, type ProgramBtf, programBtf } from "./btf/spec-btf.ts";
export type { PartOfMemory } from "./builder/calls.ts";
export { Code, type PacketContext } from "./builder/code.ts";
export type { PacketBuffer, SocketAddress } from "./builder/context.ts";
export { Condition, Scalar, type ScalarLike } from "./builder/expression.ts";
export { type Loop, Variable } from "./builder/flow.ts";
export { KERNEL_CALLS, type KernelCallName } from "./builder/kernel-call.ts";
export { KernelPointer } from "./builder/kernel-pointer.ts";
export { type AnyMemory, type Argument, type FieldName, Memory, type NumericField } from "./builder/memory.ts";
export { Nullable } from "./builder/nullable.ts";
export {
  cgroupPacketProgram,
  deviceProgram,
  formatTracepointProgram,
  iteratorProgram,
  KernelArguments,
  type ProgramOptions,
  probeProgram,
  rawTracepointProgram,
  type SocketAddressHook,
  type SocketHook,
  socketAddressProgram,
  socketFilterProgram,
  socketLookupProgram,
  socketOperationProgram,
  socketOptionProgram,
  socketProgram,
  subprogram,
  sysctlProgram,
  TC_ACTION,
  tracepointProgram,
  trafficProgram,
  XDP_ACTION,
  xdpProgram,
} from "./builder/program.ts";
export { RingRecord } from "./builder/ring-record.ts";
export type { Subprogram } from "./builder/unit.ts";
export { EbpfError, type EbpfErrorCode } from "./ebpf-error.ts";
export { decodeInstructions, encodeInstructions } from "./encoding.ts";
export type { Instruction, SourcePosition } from "./instruction.ts";
export type { KernelFunction, SimulatedProcess, World } from "./interpreter/kernel-function.ts";
export { Machine, type MachineOptions, type RunResult } from "./interpreter/machine.ts";
export {
  attachCgroup,
  attachIterator,
  attachNetfilter,
  attachRawTracepoint,
  attachTcx,
  attachTracepoint,
  attachXdp,
  type IteratorScope,
  NETFILTER_HOOKS,
  readIterator,
  XDP_MODES,
} from "./kernel/attach.ts";
export type { Availability } from "./kernel/availability.ts";
export { Collection, type CollectionSpec, type LoadOptions, loadCollection } from "./kernel/collection.ts";
export type { ObjectKind } from "./kernel/descriptor-facts.ts";
export { HOOK_NAMES, type HookName } from "./kernel/hook-trial.ts";
export { readKernelBtf } from "./kernel/kernel-btf.ts";
export { type EbpfKernelErrorCode, VerifierError } from "./kernel/kernel-error.ts";
export { KeyedMap } from "./kernel/keyed-map.ts";
export { createLink, Link, type LinkTarget } from "./kernel/link.ts";
export { createMap, LoadedMap } from "./kernel/loaded-map.ts";
export { type EncodedEntries, encodeEntries } from "./kernel/map-codec.ts";
export {
  type LinkInfo,
  listLinks,
  listMaps,
  listPrograms,
  type MapInfo,
  type ProgramInfo,
  readLinkInfo,
  readMapInfo,
  readProgramInfo,
} from "./kernel/object-info.ts";
export { PerCpuMap } from "./kernel/per-cpu-map.ts";
export { findPinDirectory, openPinDirectory, type Pin, PinDirectory } from "./kernel/pin-directory.ts";
export { KernelProbe, type ProbeInput, runningKernel } from "./kernel/probe.ts";
export { KernelProgram, type TestRunInput, type TestRunResult, testRun } from "./kernel/program.ts";
export type { UpdateMode } from "./kernel/raw-map.ts";
export { ReferenceMap } from "./kernel/reference-map.ts";
export type { RecordHandler } from "./kernel/ring-buffer.ts";
export { lossCounter, RingReader, type RingReaderOptions, type RingSource } from "./kernel/ring-reader.ts";
export { enableStatistics } from "./kernel/statistics.ts";
export {
  type ArrayLayout,
  array,
  type BytesLayout,
  bool,
  bytes,
  type IntegerLayout,
  i8,
  i16,
  i32,
  i64,
  type Layout,
  type StructField,
  type StructLayout,
  struct,
  type TextLayout,
  text,
  u8,
  u16,
  u16be,
  u32,
  u32be,
  u64,
  u64AsNumber,
  u64be,
  type ValueOf,
} from "./layout.ts";
export { codecOf, decodeValue, encodeValue, type LayoutCodec } from "./layout-codec.ts";
export { instructionText, type ListingOptions, listing } from "./listing.ts";
export {
  arrayMap,
  hashMap,
  type KeyedMapType,
  localStorage,
  MAP_FLAGS,
  MAP_TYPES,
  type MapSpec,
  type MapType,
  mapOfMaps,
  programArray,
  ringBuffer,
} from "./map-spec.ts";
export {
  ATTACH_TYPES,
  type AttachTarget,
  type AttachType,
  mapsOf,
  PROGRAM_TYPES,
  type ProgramSpec,
  type ProgramType,
} from "./program-spec.ts";
export { explainVerifierLog, type VerifierFinding } from "./verifier-error.ts";

/** A function for each form of instruction, for programs that are assembled by hand. */
export { instructions };
