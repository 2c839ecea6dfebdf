/**
 * Profiles for others: the seccomp section of the OCI runtime specification (config-linux.md §Seccomp), which is also what Docker, podman
 * and a Kubernetes `localhost` profile read, and the resource of the security-profiles-operator.
 */
import type { JsonObject, JsonValue } from "../../lib/json.ts";
import { type Architecture, SYSCALL_NAMES, syscallNumber } from "../../linux/syscall-numbers.ts";
import { RUNC_CALLS, withCalls } from "./call-families.ts";
import type { Alternative, Profile, ProfileCall } from "./profile.ts";

const ENOSYS = 38;
const EPERM = 1;
const UINT64 = (1n << 64n) - 1n;

/** Runtimes refuse nothing that a kernel cannot run, so the 32-bit ABIs are left out: their calls are killed. */
const SCMP_ARCHITECTURE: { readonly [A in Architecture]: string } = { x64: "SCMP_ARCH_X86_64", arm64: "SCMP_ARCH_AARCH64" };

export interface ExportOptions {
  /** Also what a container runtime needs before it starts the program; false for launchers that filter at the last moment. */
  readonly withRuntime: boolean;
  /** Instead of refusing: allowed and logged. */
  readonly isComplaining?: boolean;
}

/** The `seccomp` object of a runtime's configuration. */
export function ociSeccomp(profile: Profile, options: ExportOptions): JsonObject {
  const complete = options.withRuntime ? withCalls(profile, RUNC_CALLS, "base") : profile;
  const free = complete.calls.filter((call) => isFree(call, options)).map(({ name }) => name);
  const guarded = complete.calls.filter((call) => !isFree(call, options));
  const isNamed = new Set<string>(complete.calls.map(({ name }) => name));
  return {
    defaultAction: options.isComplaining === true ? "SCMP_ACT_LOG" : "SCMP_ACT_ERRNO",
    ...(options.isComplaining !== true && { defaultErrnoRet: EPERM }),
    architectures: profile.architectures.map((architecture) => SCMP_ARCHITECTURE[architecture]),
    syscalls: [
      { names: free, action: "SCMP_ACT_ALLOW" },
      ...guarded.flatMap(({ name, alternatives }) =>
        alternatives.map((alternative) => ({ names: [name], action: "SCMP_ACT_ALLOW", args: ociArguments(alternative) })),
      ),
      // Its flags are behind a pointer; a libc that is told ENOSYS takes `clone`, whose flags can be looked at.
      ...(isNamed.has("clone3") || options.isComplaining === true
        ? []
        : [{ names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: ENOSYS }]),
    ],
  };
}

/** A runtime makes some of these calls itself, with other arguments than the program. */
const isFree = ({ name, alternatives }: ProfileCall, { withRuntime }: ExportOptions): boolean =>
  alternatives.length === 0 || (withRuntime && RUNTIME_CALLS.has(name));
const RUNTIME_CALLS = new Set<string>(RUNC_CALLS);

const ociArguments = (alternative: Alternative): readonly JsonValue[] =>
  alternative.map(({ argument, mask, value }) =>
    mask === UINT64
      ? { index: argument, value: jsonInteger(value), op: "SCMP_CMP_EQ" }
      : { index: argument, value: jsonInteger(mask), valueTwo: jsonInteger(value), op: "SCMP_CMP_MASKED_EQ" },
  );

/** A number where it is exact, else a `bigint`, which `encodeJson` writes exactly. */
const jsonInteger = (value: bigint): number | bigint => (value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value);

/** A `SeccompProfile` of the security-profiles-operator (security-profiles-operator.x-k8s.io/v1beta1). */
export function operatorProfile(profile: Profile, options: ExportOptions & { readonly namespace: string }): JsonObject {
  const { defaultErrnoRet: _, ...seccomp } = ociSeccomp(profile, options);
  return {
    apiVersion: "security-profiles-operator.x-k8s.io/v1beta1",
    kind: "SeccompProfile",
    metadata: { name: kubernetesName(profile.name), namespace: options.namespace },
    spec: seccomp,
  };
}

/** A DNS-1123 subdomain made of the profile's name. */
export function kubernetesName(name: string): string {
  const cleaned = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9.-]+/g, "-")
    .replaceAll(/^[^a-z0-9]+|[^a-z0-9]+$/g, "")
    .slice(0, 200);
  return cleaned === "" ? "profile" : cleaned;
}

/** How many of the calls of an architecture a profile keeps from the program: of all that it has. */
export function reduction(profile: Profile, architecture: Architecture): { readonly allowed: number; readonly existing: number } {
  const exists = (name: (typeof SYSCALL_NAMES)[number]): boolean => syscallNumber(name, architecture) !== undefined;
  return { allowed: profile.calls.filter(({ name }) => exists(name)).length, existing: SYSCALL_NAMES.filter(exists).length };
}
