/** `systemd:id` selectors: the unit of the system's service manager that the process belongs to. */
import type { AttestedProcess, AttestorFinding, WorkloadAttestor } from "./attestor.ts";

const UNIT = /^[A-Za-z0-9:_.\\@-]{1,248}\.(?:service|scope|socket|mount|swap)$/;

/** Makes `systemd:id` from the control group. An agent in a cgroup namespace of its own does not see units. */
export function systemdAttestor(options: { readonly isAgentInContainer: boolean }): WorkloadAttestor {
  return {
    name: "systemd",
    attest({ process }: AttestedProcess): AttestorFinding {
      const unit = options.isAgentInContainer ? undefined : systemUnitOf(process.read("cgroup"));
      return unit === undefined ? { kind: "none" } : { kind: "selectors", selectors: [`systemd:id:${unit}`] };
    },
  };
}

/**
 * The system's unit of a process, from `/proc/<pid>/cgroup`. UNTRUSTED below the unit: what is delegated to a service is named by it,
 * so that the first name that is not a slice counts, never the last. With systemd every process is in slices and then in one unit.
 */
export function systemUnitOf(cgroup: string): string | undefined {
  // systemd's own hierarchy: `name=systemd` (v1, hybrid), otherwise the unified one.
  const own = /^\d+:name=systemd:(\/.+)$/m.exec(cgroup) ?? /^0::(\/.+)$/m.exec(cgroup);
  const segments = own?.[1]?.split("/").slice(1) ?? [];
  const first = segments.findIndex((segment) => !segment.endsWith(".slice"));
  const unit = segments[first];
  return unit !== undefined && UNIT.test(unit) ? unit : undefined;
}
