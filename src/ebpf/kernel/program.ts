/** Programs in the kernel: loading, with the verifier's words when it refuses, and running them for tests. */
import type { VigilError } from "../../lib/error.ts";
import { LinuxCallError } from "../../linux/linux-error.ts";
import { programBtf } from "../btf/spec-btf.ts";
import { encodeInstructions, SLOT_SIZE } from "../encoding.ts";
import { LOAD_IMMEDIATE_64 } from "../instruction.ts";
import type { MapSpec } from "../map-spec.ts";
import { PSEUDO_VALUE } from "../opcode.ts";
import { ATTACH_TYPES, PROGRAM_TYPES, type ProgramSpec } from "../program-spec.ts";
import { explainVerifierLog } from "../verifier-error.ts";
import { Attributes, bpf, cString, ERRNO, mustBpf } from "./bpf-command.ts";
import { Descriptor } from "./descriptor.ts";
import { VerifierError } from "./kernel-error.ts";
import { loadBtf } from "./load-btf.ts";
import { capabilitiesFor, privilegeError } from "./privilege.ts";

/** Offsets of the attributes of BPF_PROG_LOAD. */
const LOAD = {
  type: 0,
  slotCount: 4,
  instructions: 8,
  license: 16,
  logLevel: 24,
  logSize: 28,
  log: 32,
  flags: 44,
  name: 48,
  expectedAttachType: 68,
  btf: 72,
  functionInfoSize: 76,
  functionInfo: 80,
  functionCount: 88,
  attachBtfId: 108,
} as const;

/** Bytes of a record of `func_info`. */
const FUNCTION_INFO_SIZE = 8;

/** A verifier's log grows with the program; the first size holds nearly every one. */
const LOG_SIZES: readonly number[] = [1 << 18, 1 << 22, 1 << 25];

/** The kernel gives up with EAGAIN when a signal arrives while it verifies: many may, when children end or a profiler samples. */
const MAX_ATTEMPTS = 50;

/** A program that the kernel has verified. It stays in the kernel while this, a link or a pin holds it. */
export class KernelProgram implements Disposable {
  readonly spec: ProgramSpec;
  readonly #descriptor: Descriptor;

  constructor(spec: ProgramSpec, fd: number) {
    this.spec = spec;
    this.#descriptor = new Descriptor(fd, `program \`${spec.name}\``);
  }

  get fd(): number {
    return this.#descriptor.fd;
  }

  [Symbol.dispose](): void {
    this.#descriptor[Symbol.dispose]();
  }
}

/**
 * Loads a program; `fdOf` gives the descriptors of the maps that it uses.
 *
 * Throws `EBPF_VERIFIER` when the kernel refuses the program, `EBPF_PRIVILEGE` when this process may not load it, `LINUX_CALL` otherwise.
 */
export function loadProgram(spec: ProgramSpec, fdOf: (map: MapSpec) => number): KernelProgram {
  const instructions = encodeInstructions(spec.instructions, fdOf);
  const attributes = new Attributes()
    .u32(LOAD.type, PROGRAM_TYPES[spec.type])
    .u32(LOAD.slotCount, instructions.length / SLOT_SIZE)
    .pointer(LOAD.instructions, instructions)
    .pointer(LOAD.license, cString(spec.license))
    .u32(LOAD.flags, spec.flags ?? 0)
    .name(LOAD.name, spec.name)
    .u32(LOAD.expectedAttachType, spec.expectedAttachType === undefined ? 0 : ATTACH_TYPES[spec.expectedAttachType])
    .u32(LOAD.attachBtfId, spec.attachTo?.btfId ?? 0);
  using _types = callsBack(spec) ? describe(spec, attributes) : undefined;
  const { value: fd, errno } = attempt(attributes);
  if (fd !== -1) return new KernelProgram(spec, fd);
  throw refusal(spec, errno, attributes);
}

/** The kernel calls functions of the program back, and asks for their types. */
const callsBack = ({ instructions }: ProgramSpec): boolean =>
  instructions.some(({ opcode, src }) => opcode === LOAD_IMMEDIATE_64 && src === PSEUDO_VALUE.function);

function describe(spec: ProgramSpec, attributes: Attributes): Descriptor {
  // A refusal is explained by the instructions themselves, which know their lines.
  const { data, functions } = programBtf(spec, { hasLines: false });
  const types = loadBtf(data);
  attributes
    .u32(LOAD.btf, types.fd)
    .u32(LOAD.functionInfoSize, FUNCTION_INFO_SIZE)
    .pointer(LOAD.functionInfo, functions)
    .u32(LOAD.functionCount, functions.length / FUNCTION_INFO_SIZE);
  return types;
}

function attempt(attributes: Attributes): { readonly value: number; readonly errno: number } {
  let result = bpf("programLoad", attributes);
  for (let attempts = 1; result.errno === ERRNO.EAGAIN && attempts < MAX_ATTEMPTS; attempts++) result = bpf("programLoad", attributes);
  return result;
}

function refusal(spec: ProgramSpec, errno: number, attributes: Attributes): VigilError {
  const what = `load the program \`${spec.name}\``;
  const missing = errno === ERRNO.EPERM ? privilegeError(what, capabilitiesFor(spec.type)) : undefined;
  if (missing !== undefined) return missing;
  const log = verifierLog(attributes);
  if (log !== "") return explained(spec, log);
  const hint =
    errno === ERRNO.EPERM
      ? "this kernel does not let anyone load this type of program; `vigil kernel probe` lists what it does"
      : undefined;
  return new LinuxCallError(what, errno, hint === undefined ? {} : { hint });
}

/** Loads again, with a buffer for the verifier's log that grows until it fits. */
function verifierLog(attributes: Attributes): string {
  for (const sizeBytes of LOG_SIZES) {
    const log = new Uint8Array(sizeBytes);
    attributes.u32(LOAD.logLevel, 1).u32(LOAD.logSize, sizeBytes).pointer(LOAD.log, log);
    const { value: fd, errno } = attempt(attributes);
    // Refused once and accepted now: what it depends on has changed in between. The caller is told of the refusal.
    if (fd !== -1) new Descriptor(fd, "program")[Symbol.dispose]();
    if (errno === ERRNO.ENOSPC && sizeBytes !== LOG_SIZES.at(-1)) continue;
    const end = log.indexOf(0);
    return Buffer.from(log.subarray(0, end === -1 ? log.length : end))
      .toString("utf8")
      .trim();
  }
  return "";
}

function explained(spec: ProgramSpec, log: string): VerifierError {
  const { message, source, hint } = explainVerifierLog(spec.instructions, log);
  return new VerifierError(`the kernel refuses the program \`${spec.name}\`: ${message}`, { program: spec.name, log, source, hint });
}

/** What a program run by `testRun` gets. */
export interface TestRunInput {
  /** The packet, for programs that get one. */
  readonly data?: Uint8Array;
  /** The context: for raw tracepoints the arguments, for packets the fields that may be set. */
  readonly context?: Uint8Array;
  /** Times to run, 1 when absent. */
  readonly repeat?: number;
  /** `BPF_F_TEST_…` */
  readonly flags?: number;
}

export interface TestRunResult {
  /** What the program returned. */
  readonly returned: number;
  /** Nanoseconds per run, on average; 0 for programs that the kernel does not time. */
  readonly durationNs: number;
  /** The packet afterwards. */
  readonly data: Uint8Array;
}

/** Offsets of the attributes of BPF_PROG_TEST_RUN. */
const TEST = {
  fd: 0,
  returned: 4,
  dataSizeIn: 8,
  dataSizeOut: 12,
  dataIn: 16,
  dataOut: 24,
  repeat: 32,
  duration: 36,
  contextSizeIn: 40,
  contextIn: 48,
  flags: 64,
} as const;

/** A program may make its packet longer by this much. */
const PACKET_ROOM = 512;

/** Runs a program once or more without attaching it (BPF_PROG_TEST_RUN), for types that allow it. Throws `LINUX_CALL`. */
export function testRun(program: KernelProgram, input: TestRunInput = {}): TestRunResult {
  const { data, context, repeat, flags = 0 } = input;
  const dataOut = data === undefined ? undefined : new Uint8Array(data.length + PACKET_ROOM);
  const attributes = new Attributes()
    .u32(TEST.fd, program.fd)
    .u32(TEST.dataSizeIn, data?.length ?? 0)
    .u32(TEST.dataSizeOut, dataOut?.length ?? 0)
    .pointer(TEST.dataIn, data)
    .pointer(TEST.dataOut, dataOut)
    .u32(TEST.repeat, repeat ?? 0)
    .u32(TEST.contextSizeIn, context?.length ?? 0)
    .pointer(TEST.contextIn, context)
    .u32(TEST.flags, flags);
  mustBpf(`run the program \`${program.spec.name}\``, "programTestRun", attributes);
  return {
    returned: attributes.readU32(TEST.returned),
    durationNs: attributes.readU32(TEST.duration),
    data: (dataOut ?? new Uint8Array(0)).slice(0, attributes.readU32(TEST.dataSizeOut)),
  };
}
