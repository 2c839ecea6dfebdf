/**
 * Profiles: what a program needs of the kernel, and for each thing why it is in. A profile is plain data; it is recorded, merged, compiled
 * to a filter and exported to the formats of others. As a document it is a `Profile` of `vigil.dev/v1alpha1` (docs/profiles.md).
 */
import type { Architecture, SyscallName } from "../../linux/syscall-numbers.ts";

/**
 * Why something is in a profile, the strongest first:
 * `start-up` and `steady` were recorded, in that part of the run; `seen` was recorded where the part is not known;
 * `amended` was added after a violation; `static` may be called by code in the binary or its libraries;
 * `base` every program needs, whichever libc and kernel; `compatible` is what another libc, kernel or architecture calls instead.
 */
export const REASONS = ["start-up", "steady", "seen", "amended", "static", "base", "compatible"] as const;
export type Reason = (typeof REASONS)[number];

/** One argument of a call: `(argument & mask) == value`, as unsigned 64-bit numbers. */
export interface Condition {
  /** 0 to 5. */
  readonly argument: number;
  readonly mask: bigint;
  /** Has no bit outside of the mask. */
  readonly value: bigint;
}

/** Conditions that hold together, by ascending argument, each argument at most once. */
export type Alternative = readonly Condition[];

export interface ProfileCall {
  readonly name: SyscallName;
  /** At least one, in the order of `REASONS`. */
  readonly reasons: readonly Reason[];
  /** The call is allowed where one of them holds; with any arguments when there is none. */
  readonly alternatives: readonly Alternative[];
}

export const PATH_ACCESSES = ["read", "write", "create", "execute", "map"] as const;
export type PathAccess = (typeof PATH_ACCESSES)[number];

/** A file or directory that is used. */
export interface PathUse {
  /** Absolute, without `.` and `..`. UNTRUSTED: it comes from the recorded program. */
  readonly path: string;
  /** In the order of `PATH_ACCESSES`. */
  readonly access: readonly PathAccess[];
  readonly isDirectory: boolean;
}

/** TCP ports; others are judged by the kinds of sockets that the calls allow. */
export interface NetworkUse {
  readonly connect: readonly number[];
  readonly bind: readonly number[];
}

/** One run that went into a profile. */
export interface Recording {
  /** What ran, as a person would name it. UNTRUSTED. */
  readonly subject: string;
  /** `tracepoint` sees every call and costs little; `notify` asks user space at each call. */
  readonly recorder: "tracepoint" | "notify" | "static";
  readonly kernel: string;
  readonly durationMs: number;
  /** When the last call was seen that had not been seen in this run before, from its start on. */
  readonly lastNewMs: number;
  /** How many different calls were seen. */
  readonly calls: number;
}

export interface Profile {
  readonly name: string;
  /** Those that it was made on; a filter can be made for others, too. Sorted, not empty. */
  readonly architectures: readonly Architecture[];
  /** By name, each once. */
  readonly calls: readonly ProfileCall[];
  /** Without `CAP_`, lower case: `net_bind_service`. Sorted. */
  readonly capabilities: readonly string[];
  /** By path, each once. */
  readonly paths: readonly PathUse[];
  readonly network: NetworkUse;
  readonly recordings: readonly Recording[];
}

export const EMPTY_PROFILE: Profile = {
  name: "",
  architectures: [],
  calls: [],
  capabilities: [],
  paths: [],
  network: { connect: [], bind: [] },
  recordings: [],
};

/** More alternatives than this mean that the argument is not worth filtering: the call is then allowed with any. */
export const MAX_ALTERNATIVES = 8;

export const callNames = (profile: Profile): readonly SyscallName[] => profile.calls.map(({ name }) => name);

export const sortReasons = (reasons: Iterable<Reason>): readonly Reason[] => {
  const given = new Set(reasons);
  return REASONS.filter((reason) => given.has(reason));
};

/** A text that is the same for alternatives that mean the same. */
export const alternativeKey = (alternative: Alternative): string =>
  alternative.map(({ argument, mask, value }) => `${argument}&${mask}=${value}`).join(",");

/** Whether a call with these arguments (unsigned 64-bit) is allowed by its entry. */
export function admits(call: ProfileCall, args: readonly bigint[]): boolean {
  const holds = ({ argument, mask, value }: Condition): boolean => ((args[argument] ?? 0n) & mask) === value;
  return call.alternatives.length === 0 || call.alternatives.some((alternative) => alternative.every(holds));
}
