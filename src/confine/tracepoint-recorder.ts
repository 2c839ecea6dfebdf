/** Recording by tracepoint: attached while something is recorded, read through mapped memory, gone with its owner. */
import { readFileSync } from "node:fs";
import { type Btf, parseBtf } from "../ebpf/btf/btf.ts";
import { attachRawTracepoint } from "../ebpf/kernel/attach.ts";
import { loadCollection } from "../ebpf/kernel/collection.ts";
import { messageOf, VigilError } from "../lib/error.ts";
import { CAPABILITY_NAMES } from "../linux/capabilities.ts";
import { architecture, type SharedMemory } from "../linux/native.ts";
import { type Architecture, type SyscallName, syscallName, syscallNumber } from "../linux/syscall-numbers.ts";
import { type GuardOptions, guardedCalls } from "../target/seccomp/guarded-arguments.ts";
import type { Observation } from "../target/seccomp/observation.ts";
import type { Alternative } from "../target/seccomp/profile.ts";
import {
  GUARDS,
  MAX_NUMBERS,
  MAX_SLOTS,
  MAX_VALUES,
  PHASES,
  RECORDING_MEMORY,
  type RecorderTarget,
  recorderPrograms,
  unpackValue,
} from "./recorder-program.ts";

export type RecorderErrorCode = "RECORD_NO_BTF" | "RECORD_TOO_MANY";

export type Phase = "start-up" | "steady";

const KERNEL_BTF = "/sys/kernel/btf/vmlinux";

/** The types of the running kernel. Throws `RECORD_NO_BTF`. */
export function readKernelTypes(path: string = KERNEL_BTF): Btf {
  try {
    return parseBtf(readFileSync(path));
  } catch (error) {
    throw new VigilError<RecorderErrorCode>("RECORD_NO_BTF", `this kernel does not describe its types (\`${path}\`): ${messageOf(error)}`, {
      hint: "record with `--by notify`, which needs no types, or use a kernel built with CONFIG_DEBUG_INFO_BTF",
    });
  }
}

export class TracepointRecorder implements Disposable {
  readonly #owned: DisposableStack = new DisposableStack();
  readonly #memory: SharedMemory;
  readonly #architecture: Architecture;
  readonly #options: GuardOptions;
  readonly #guarded: readonly SyscallName[];

  /** Starts recording the targets. Throws `RECORD_TOO_MANY`, or what loading programs throws (`EBPF_PRIVILEGE`, …). */
  constructor(targets: readonly RecorderTarget[], options: GuardOptions & { readonly phase?: Phase } = {}, btf: Btf = readKernelTypes()) {
    this.#options = options;
    this.#guarded = guardedCalls(options);
    if (targets.some(({ slot }) => slot >= MAX_SLOTS))
      throw new VigilError<RecorderErrorCode>("RECORD_TOO_MANY", `expected at most ${MAX_SLOTS} recordings at once`, {
        hint: "start another `vigil profile record` for the rest",
      });
    this.#architecture = architecture();
    const { memory, calls, capabilities } = recorderPrograms(btf, this.#architecture, targets, options);
    using starting = new DisposableStack();
    const collection = starting.use(loadCollection({ programs: [calls, capabilities], maps: [memory] }));
    this.#memory = starting.use(collection.map(memory).memory());
    const guards = this.#bytes("guardOf");
    for (const [guard, name] of this.#guarded.entries()) {
      const number = syscallNumber(name, this.#architecture);
      if (number !== undefined) guards[number] = guard + 1;
    }
    for (const { slot } of targets) this.setPhase(slot, options.phase ?? "start-up");
    starting.use(attachRawTracepoint(collection.program(calls)));
    starting.use(attachRawTracepoint(collection.program(capabilities)));
    this.#owned = starting.move();
  }

  /** Says which part of its run what a slot records is in, from now on. */
  setPhase(slot: number, phase: Phase): void {
    this.#words("phase")[slot] = phase === "steady" ? 1 : 0;
  }

  /** Adds to the observation what the slot has by now. */
  read(slot: number, observation: Observation, atMs: number): void {
    const seen = this.#bytes("seen");
    for (let phase = 0; phase < PHASES; phase++) {
      const from = (slot * PHASES + phase) * MAX_NUMBERS;
      for (let number = 0; number < MAX_NUMBERS; number++) {
        if (seen[from + number] === 0) continue;
        const name = syscallName(number, this.#architecture);
        if (name === undefined) continue;
        const guard = this.#guarded.indexOf(name);
        const first = guard < 0 ? undefined : this.#firstValue(slot, guard, name);
        // Its values follow in an instant, or have come by the next reading.
        if (guard < 0 || first !== undefined) observation.see(name, phase === 0 ? "start-up" : "steady", atMs, first);
      }
    }
    this.#readValues(slot, observation, atMs);
    this.#readCapabilities(slot, observation);
  }

  /** Whether calls of the 32-bit ABI were made, which a profile cannot have. */
  hasForeignCalls(slot: number): boolean {
    return this.#words("foreign")[slot] !== 0;
  }

  [Symbol.dispose](): void {
    this.#owned.dispose();
  }

  /** A call that has values comes with one, since it would count as made with any arguments else. */
  #firstValue(slot: number, guard: number, name: SyscallName): Alternative | undefined {
    const index = slot * GUARDS + guard;
    return this.#words("valueCount")[index] === 0 ? undefined : unpackValue(name, this.#values()[index * MAX_VALUES] ?? 0n, this.#options);
  }

  #readValues(slot: number, observation: Observation, atMs: number): void {
    const counts = this.#words("valueCount");
    for (const [guard, name] of this.#guarded.entries()) {
      const count = counts[slot * GUARDS + guard] ?? 0;
      if (count === 0) continue;
      const from = (slot * GUARDS + guard) * MAX_VALUES;
      const kept = [...this.#values().subarray(from, from + Math.min(count, MAX_VALUES))];
      for (const value of kept) observation.see(name, this.#reasonOf(slot, name), atMs, unpackValue(name, value, this.#options));
      if (count > MAX_VALUES) observation.seeAnyArguments(name);
    }
  }

  /** That the call was seen is noted already; its values belong to a part in which it was. */
  #reasonOf(slot: number, name: SyscallName): Phase {
    const number = syscallNumber(name, this.#architecture) ?? 0;
    return this.#bytes("seen")[slot * PHASES * MAX_NUMBERS + number] === 0 ? "steady" : "start-up";
  }

  #readCapabilities(slot: number, observation: Observation): void {
    const words = this.#words("capabilities");
    for (const [number, name] of CAPABILITY_NAMES.entries()) {
      // The kernel asks for it whenever memory is mapped, whatever comes of it: that it was asked says nothing.
      if (name === "CAP_SYS_ADMIN") continue;
      const word = words[slot * 2 + (number >> 5)] ?? 0;
      if ((word & (1 << (number & 31))) !== 0) observation.seeCapability(name.slice("CAP_".length).toLowerCase());
    }
  }

  #bytes(field: "guardOf" | "seen"): Uint8Array {
    const { offset, layout } = RECORDING_MEMORY.fields[field];
    return new Uint8Array(this.#memory.buffer, offset, layout.size);
  }

  #words(field: "phase" | "foreign" | "capabilities" | "valueCount"): Uint32Array {
    const { offset, layout } = RECORDING_MEMORY.fields[field];
    return new Uint32Array(this.#memory.buffer, offset, layout.size / 4);
  }

  #values(): BigUint64Array {
    const { offset, layout } = RECORDING_MEMORY.fields.values;
    return new BigUint64Array(this.#memory.buffer, offset, layout.size / 8);
  }
}
