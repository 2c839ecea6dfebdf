/** Which capabilities a program needs, to say what is missing rather than EPERM. */
import { VigilError } from "../../lib/error.ts";
import { type CapabilityName, effectiveCapabilities } from "../../linux/capabilities.ts";
import type { ProgramType } from "../program-spec.ts";

const TRACING: ReadonlySet<ProgramType> = new Set([
  "kprobe",
  "tracepoint",
  "perf_event",
  "raw_tracepoint",
  "raw_tracepoint_writable",
  "tracing",
  "lsm",
  "ext",
  "struct_ops",
]);
const NO_NETWORK: ReadonlySet<ProgramType> = new Set([
  ...TRACING,
  "socket_filter",
  "syscall",
  "cgroup_device",
  "cgroup_sysctl",
  "cgroup_sockopt",
]);

/** The capabilities that loading a program of a type asks for (capabilities(7), bpf_prog_load); CAP_SYS_ADMIN stands for all of them. */
export function capabilitiesFor(type: ProgramType): readonly CapabilityName[] {
  if (TRACING.has(type)) return ["CAP_BPF", "CAP_PERFMON"];
  return NO_NETWORK.has(type) ? ["CAP_BPF"] : ["CAP_BPF", "CAP_NET_ADMIN"];
}

/** Those of `needed` that this process does not have. */
export function missingCapabilities(
  needed: readonly CapabilityName[],
  held: ReadonlySet<CapabilityName> = effectiveCapabilities(),
): readonly CapabilityName[] {
  return held.has("CAP_SYS_ADMIN") ? [] : needed.filter((name) => !held.has(name));
}

/** The error for what the kernel refused with EPERM, if capabilities explain it. */
export function privilegeError(what: string, needed: readonly CapabilityName[]): VigilError<"EBPF_PRIVILEGE"> | undefined {
  const missing = missingCapabilities(needed);
  if (missing.length === 0) return undefined;
  return new VigilError("EBPF_PRIVILEGE", `cannot ${what} without ${missing.join(" and ")}`, {
    hint: "run it as root, or give the capability to the service (`AmbientCapabilities=` in its unit)",
  });
}
