/** `vigil:workload` and `cgroup:path` selectors: as which workload a program was started, and in which cgroups it is. */
import { VigilError } from "../../lib/error.ts";
import { ProcessHandle } from "../../linux/process-handle.ts";
import type { AttestedProcess, AttestorFinding, WorkloadAttestor } from "./attestor.ts";
import { readLaunchNotes, type WorkloadName, workloadOfCgroup, workloadText } from "./launched-workload.ts";

export interface LaunchedAttestorOptions {
  /** Of the installation whose programs these are. */
  readonly instance: string;
  /** Where an ordinary user's programs are noted; only the agent's own user may write it. */
  readonly notesDirectory: string;
  readonly isAgentInContainer: boolean;
}

/** Ancestors that are looked at: a program that was started as a workload may start others. */
const MAX_ANCESTORS = 64;

/** Of processes that were started by whomever: what is meant for a user is not for the workloads that this user starts. */
const NOT_LAUNCHED = "vigil:launched:no";

/** Makes `vigil:workload:NAMESPACE/NAME` for programs that `vigil run --as` started and for what they started, else `vigil:launched:no`. */
export function launchedAttestor({ instance, notesDirectory, isAgentInContainer }: LaunchedAttestorOptions): WorkloadAttestor {
  return {
    name: "vigil",
    attest({ process }: AttestedProcess): AttestorFinding {
      const byCgroup = isAgentInContainer ? undefined : workloadOfCgroup(process.read("cgroup"), instance);
      const workload = byCgroup ?? notedWorkload(process, notesDirectory);
      const selector = workload === undefined ? NOT_LAUNCHED : `vigil:workload:${workloadText(workload)}`;
      return { kind: "selectors", selectors: [selector] };
    },
  };
}

function notedWorkload(process: ProcessHandle, directory: string): WorkloadName | undefined {
  const notes = readLaunchNotes(directory);
  if (notes.size === 0) return undefined;
  const isNoted = (pid: number, startTicks: bigint): boolean => notes.get(pid)?.startTicks === startTicks;
  if (isNoted(process.pid, process.startTicks)) return notes.get(process.pid);
  let parent = process.parentPid();
  for (let depth = 0; depth < MAX_ANCESTORS && parent > 1; depth++) {
    try {
      using ancestor = ProcessHandle.open(parent);
      if (isNoted(ancestor.pid, ancestor.startTicks)) return notes.get(ancestor.pid);
      parent = ancestor.parentPid();
    } catch (error) {
      if (error instanceof VigilError && error.code === "LINUX_PROCESS_GONE") return undefined;
      throw error;
    }
  }
  return undefined;
}

/** Levels of the hierarchy that are told. */
const MAX_DEPTH = 16;

/**
 * Makes `cgroup:path` for the cgroup of version 2 that a process is in and for each above it. UNTRUSTED below what is delegated: whoever may
 * make cgroups there names them, but cannot leave the part that was delegated.
 */
export function cgroupAttestor({ isAgentInContainer }: Pick<LaunchedAttestorOptions, "isAgentInContainer">): WorkloadAttestor {
  return {
    name: "cgroup",
    attest({ process }: AttestedProcess): AttestorFinding {
      const path = isAgentInContainer ? "" : (/^0::(\/.*)$/m.exec(process.read("cgroup"))?.[1] ?? "");
      const parts = path.split("/").filter(Boolean).slice(0, MAX_DEPTH);
      // A path that climbs is that of another cgroup namespace.
      if (parts.length === 0 || parts.includes("..")) return { kind: "none" };
      return { kind: "selectors", selectors: parts.map((_, index) => `cgroup:path:/${parts.slice(0, index + 1).join("/")}`) };
    },
  };
}
