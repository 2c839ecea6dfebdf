/** Finds out what the running kernel offers to this process, by trying. */
import { VigilError } from "../../lib/error.ts";
import { LinuxCallError } from "../../linux/linux-error.ts";
import { assemble } from "../assembler/assemble.ts";
import { call, exit, move } from "../assembler/instructions.ts";
import type { Btf } from "../btf/btf.ts";
import { KERNEL_CALLS, type KernelCallName } from "../builder/kernel-call.ts";
import { u32 } from "../layout.ts";
import { MAP_FLAGS, MAP_TYPES, type MapSpec, type MapType } from "../map-spec.ts";
import type { ProgramSpec } from "../program-spec.ts";
import { AVAILABLE, type Availability, unavailable, unknown } from "./availability.ts";
import { type HookName, type HookTrial, trialOf } from "./hook-trial.ts";
import { readKernelBtf } from "./kernel-btf.ts";
import { VerifierError } from "./kernel-error.ts";
import { createMap } from "./loaded-map.ts";
import { missingCapabilities } from "./privilege.ts";
import { loadProgram } from "./program.ts";

/** What a probe tries things with; the running kernel unless a test says otherwise. */
export interface ProbeInput {
  readonly load: (spec: ProgramSpec) => Disposable;
  readonly create: (spec: MapSpec) => Disposable;
  /** Throws when the kernel shows no types. */
  readonly btf: () => Btf;
  /** Capabilities that this process lacks for what is tried. */
  readonly missing: readonly string[];
}

export const runningKernel = (): ProbeInput => ({
  load: (spec) =>
    loadProgram(spec, () => {
      throw new TypeError("a program of a probe uses no map");
    }),
  create: createMap,
  btf: readKernelBtf,
  missing: missingCapabilities(["CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN"]),
});

/** Asks each question once; an answer that is no answer (`unknown`) is not kept. */
export class KernelProbe {
  readonly #input: ProbeInput;
  readonly #answers = new Map<string, Availability>();

  constructor(input: ProbeInput = runningKernel()) {
    this.#input = input;
  }

  /** Whether the kernel shows its types. */
  btf(): Availability {
    return this.#answer("btf", () => {
      this.#input.btf();
      return AVAILABLE;
    });
  }

  /** Whether programs for a hook can be loaded. It says nothing about a particular cgroup, interface or tracepoint. */
  hook(name: HookName): Availability {
    return this.#answer(`hook ${name}`, () => {
      const trial = trialOf(name);
      const lines = [move(0, trial.returns ?? 0), exit()];
      using _program = this.#input.load(this.#trialProgram(trial, lines));
      return AVAILABLE;
    });
  }

  /** Whether programs for a hook may call a function of the kernel. */
  kernelCall(name: KernelCallName, hook: HookName): Availability {
    return this.#answer(`call ${name} ${hook}`, () => {
      const lines = [call(KERNEL_CALLS[name].id), move(0, 0), exit()];
      try {
        using _program = this.#input.load(this.#trialProgram(trialOf(hook), lines));
      } catch (thrown) {
        if (!(thrown instanceof VerifierError)) throw thrown;
        return judgeCall(thrown.log);
      }
      return AVAILABLE;
    });
  }

  /** Whether maps of a type can be created. */
  map(type: MapType): Availability {
    return this.#answer(`map ${type}`, () => {
      using _map = this.#input.create(trialMap(type));
      return AVAILABLE;
    });
  }

  #trialProgram(trial: HookTrial, lines: Parameters<typeof assemble>[0]): ProgramSpec {
    const { type, expectedAttachType, target } = trial;
    return {
      name: "probe",
      type,
      license: "GPL",
      instructions: assemble(lines),
      maps: [],
      ...(expectedAttachType === undefined ? {} : { expectedAttachType }),
      ...(target === undefined ? {} : { attachTo: { name: target.name, btfId: this.#input.btf().idOf(target.name, target.kind) } }),
    };
  }

  #answer(question: string, ask: () => Availability): Availability {
    const known = this.#answers.get(question);
    if (known !== undefined) return known;
    const answer = attempt(ask, this.#input.missing);
    if (answer.kind !== "unknown") this.#answers.set(question, answer);
    return answer;
  }
}

function attempt(ask: () => Availability, missing: readonly string[]): Availability {
  try {
    return ask();
  } catch (thrown) {
    if (!(thrown instanceof VigilError)) throw thrown;
    return judgeError(thrown, missing);
  }
}

function judgeError(error: VigilError, missing: readonly string[]): Availability {
  if (error instanceof VerifierError) return unavailable(lastLine(error.log));
  if (error instanceof LinuxCallError) {
    // What the kernel would say to somebody who may ask is not known.
    if (missing.length > 0) return unknown(`${error.message}; this process lacks ${missing.join(", ")}`);
    switch (error.errnoName) {
      case "EINVAL":
        return unavailable("this kernel does not know it, or is built without it");
      case "EPERM":
      case "EACCES":
        return unavailable("the kernel refuses it although this process has the capabilities");
      case "ENOTSUPP":
      case "EOPNOTSUPP":
      case "ENOSYS":
        return unavailable("this kernel is built without it");
      default:
        return unknown(error.message);
    }
  }
  switch (error.code) {
    case "EBPF_NO_BTF":
      return unavailable(error.message);
    case "EBPF_BTF_NAME":
      return unavailable(error.message);
    default:
      return unknown(error.message);
  }
}

/**
 * What the verifier says of a call whose arguments were not set. That it looks at them means that the call exists. Both texts of refusal are
 * known, that of Linux up to 6.4 and that of later ones.
 */
function judgeCall(log: string): Availability {
  if (/unknown func|invalid func/.test(log)) return unavailable("this kernel does not have it, or not for this type of program");
  if (/program of this type cannot use helper/.test(log)) return unavailable("not for this type of program");
  if (/helper call is not allowed in probe|might sleep in/.test(log)) return unavailable("not at this hook");
  if (/cannot call GPL-restricted/.test(log)) return unknown("it asks for another license");
  if (/R[1-5] (!read_ok|type=)|arg#|invalid (mem|access)|read_ok/.test(log)) return AVAILABLE;
  return unknown(lastLine(log));
}

const lastLine = (log: string): string =>
  log
    .split("\n")
    .filter((line) => !/^(processed \d+ insns|verification time|stack depth)/.test(line) && line !== "")
    .at(-1) ?? "the kernel does not say why";

const LOCAL_STORAGE: ReadonlySet<MapType> = new Set(["sk_storage", "inode_storage", "task_storage", "cgrp_storage"]);

function trialMap(type: MapType): MapSpec {
  const name = "probe";
  const pair = { name, type, keySize: 4, valueSize: 4, maxEntries: 1 };
  switch (type) {
    case "ringbuf":
    case "user_ringbuf":
      return { ...pair, keySize: 0, valueSize: 0, maxEntries: 1 << 16 };
    case "lpm_trie":
      return { ...pair, keySize: 8, flags: MAP_FLAGS.noPrealloc };
    case "array_of_maps":
    case "hash_of_maps":
      return { ...pair, inner: { ...pair, type: "array" } };
    case "stack_trace":
      return { ...pair, valueSize: 8 };
    case "queue":
    case "stack":
    case "bloom_filter":
      return { ...pair, keySize: 0 };
    case "arena":
      return { ...pair, keySize: 0, valueSize: 0, flags: MAP_FLAGS.mmapable };
    default:
      return LOCAL_STORAGE.has(type) ? { ...pair, value: u32, maxEntries: 0, flags: MAP_FLAGS.noPrealloc } : pair;
  }
}

export const MAP_TYPE_NAMES: readonly MapType[] = Object.keys(MAP_TYPES).filter((name): name is MapType => Object.hasOwn(MAP_TYPES, name));
