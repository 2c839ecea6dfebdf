/** A program that is started as a workload: its cgroup, its identity and its network policy are there before its first instruction. */
import { dirname, join, relative } from "node:path";
import {
  type Caller,
  type ConfinedLaunch,
  type ConfinedProgram,
  type Confinement,
  cgroupFor,
  launchConfined,
  planUnconfined,
} from "../../confine/confined-launch.ts";
import { type LaunchOptions, launch } from "../../confine/launch.ts";
import { isWithin, PRIVATE_DIRECTORIES } from "../../confine/launch-plan.ts";
import { removeLaunchNote, writeLaunchNote } from "../../identity/attestation/launched-workload.ts";
import { VigilError } from "../../lib/error.ts";
import { CGROUP_PARENT } from "../../linux/cgroup.ts";
import { ProcessHandle } from "../../linux/process-handle.ts";
import { askManagement } from "../management-client.ts";
import { NETWORK_SOCKET } from "../management-socket.ts";
import { LAUNCH_ROUTE, type LaunchPlace } from "../network/launch-place.ts";

export type WorkloadLaunchErrorCode = "RUN_UP";

/** What of a launch is the workload's. */
export interface WorkloadLaunch {
  readonly place: LaunchPlace;
  /** Beside what the program gets from its caller. */
  readonly environment: { readonly [name: string]: string };
  /** The program's cgroup, below Vigil's; undefined where it is noted instead. */
  readonly cgroup: string | undefined;
  /** Directories that it must see to reach its identity. */
  readonly readable: readonly string[];
  /** To be called with the process that will be the program, before it is. */
  onProcess(pid: number): void;
  /** To be called when it has ended. */
  forget(): void;
}

/** Asks the Vigil that runs with this state directory. Throws `RUN_UP` when none does, and `NETWORK_WORKLOAD` when it knows no such workload. */
export async function placeWorkload(stateDirectory: string, workload: string): Promise<WorkloadLaunch> {
  return launchAt(await askPlace(stateDirectory, workload));
}

async function askPlace(stateDirectory: string, workload: string): Promise<LaunchPlace> {
  try {
    // The route of the same version; only the owner of the state directory can be at the other end.
    return (await askManagement(stateDirectory, LAUNCH_ROUTE, { workload }, NETWORK_SOCKET)) as LaunchPlace;
  } catch (error) {
    if (!(error instanceof VigilError) || error.code !== "MANAGEMENT_UNREACHABLE") throw error;
    throw new VigilError<WorkloadLaunchErrorCode>("RUN_UP", `\`vigil up\` does not run with the state in ${stateDirectory}`, {
      hint: "start it first, or name its state directory with `--state`: it gives the program its identity",
      cause: error,
    });
  }
}

function launchAt(place: LaunchPlace): WorkloadLaunch {
  let noted: number | undefined;
  return {
    place,
    environment: {
      SPIFFE_ENDPOINT_SOCKET: `unix:${place.agentSocket}`,
      VIGIL_ENFORCEMENT_SOCKET: place.enforcementSocket,
      VIGIL_WORKLOAD: `${place.namespace}/${place.name}`,
      VIGIL_SPIFFE_ID: place.spiffeId,
    },
    cgroup: place.cgroup === null ? undefined : join(relative(CGROUP_PARENT, place.cgroup), `run-${process.pid}.${launches++}`),
    readable: [dirname(place.agentSocket)],
    onProcess: (pid) => {
      if (place.cgroup !== null) return;
      using handle = ProcessHandle.open(pid);
      const { namespace, name, notesDirectory } = place;
      writeLaunchNote(notesDirectory, { namespace, name, pid, startTicks: handle.startTicks });
      noted = pid;
    },
    forget: () => {
      if (noted !== undefined) removeLaunchNote(place.notesDirectory, noted);
    },
  };
}

/** Of this process: each has a cgroup of its own. */
let launches = 0;

/** Starts a program as the workload; `isConfined` false gives it the identity and the network policy and nothing else. Throws as `launchConfined`. */
export async function launchAsWorkload(
  program: ConfinedProgram,
  { confinement, isConfined }: { readonly confinement: Confinement; readonly isConfined: boolean },
  workload: WorkloadLaunch,
  options: Pick<LaunchOptions, "scratchDirectory" | "stdio">,
): Promise<ConfinedLaunch> {
  const named = { ...program, environment: { ...program.environment, ...workload.environment } };
  const { cgroup: wanted } = workload;
  const onProcess = (pid: number): void => workload.onProcess(pid);
  const placed = {
    ...confinement,
    readable: [...confinement.readable, ...workload.readable.filter(isHidden)],
    ...(wanted !== undefined && { cgroup: wanted }),
  };
  if (isConfined) return launchConfined(named, placed, currentCaller(), { ...options, onProcess });
  const { cgroup, missing } = cgroupFor(placed);
  try {
    const launched = await launch(planUnconfined(named, confinement.identity), { ...options, cgroup, onProcess });
    return { launched, cgroup, missing };
  } catch (error) {
    await cgroup.remove();
    throw error;
  }
}

/** Whether a confined program would not see it otherwise. */
const isHidden = (path: string): boolean => PRIVATE_DIRECTORIES.some((directory) => isWithin(path, directory));

export const currentCaller = (): Caller => ({ uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 });
