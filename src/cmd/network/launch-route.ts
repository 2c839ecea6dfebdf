/** What `vigil run --as` asks before it starts a program: who that is, and where its process has to be. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { launchedCgroup, parseWorkloadText, workloadText } from "../../identity/attestation/launched-workload.ts";
import { messageOf, VigilError } from "../../lib/error.ts";
import { isJsonObject, type JsonValue } from "../../lib/json.ts";
import { cgroup2Path } from "../../linux/mounts.ts";
import { agentSocket, enforcementSocket } from "../identity-sockets.ts";
import { instanceOf, launchNotesDirectory } from "../installation-instance.ts";
import type { LaunchPlace } from "./launch-place.ts";
import type { NetworkPlane } from "./network-plane.ts";
import type { NetworkSettings } from "./settings.ts";

export type LaunchErrorCode = "NETWORK_WORKLOAD";

export const launchRoute =
  (plane: NetworkPlane, { stateDirectory, configuration }: NetworkSettings) =>
  (body: JsonValue): LaunchPlace => {
    const text = isJsonObject(body) && typeof body["workload"] === "string" ? body["workload"] : "";
    const entry = plane.entryNamed(text);
    const workload = entry && parseWorkloadText(entry.name);
    if (workload === undefined || entry === undefined)
      throw new VigilError<LaunchErrorCode>("NETWORK_WORKLOAD", `no workload \`${text.slice(0, 200)}\` is registered`, {
        hint: "`vigil identity list` shows them; a Workload resource in what `identity.registrations` names registers one",
      });
    const cgroup = makeCgroup(launchedCgroup(instanceOf(stateDirectory), workload));
    plane.place(entry);
    return {
      ...workload,
      spiffeId: entry.spiffeId,
      cgroup,
      notesDirectory: launchNotesDirectory(stateDirectory),
      agentSocket: agentSocket(stateDirectory, configuration),
      enforcementSocket: enforcementSocket(stateDirectory, configuration),
      isIdentified: entry.selectors.includes(`vigil:workload:${workloadText(workload)}`),
    };
  };

/** The inventory names it once it is there, so that its first process is governed from its first instruction on. */
function makeCgroup(relative: string): string | null {
  const root = cgroup2Path();
  if (process.getuid?.() !== 0 || root === undefined) return null;
  try {
    mkdirSync(join(root, relative), { recursive: true });
    return relative;
  } catch (error) {
    throw new VigilError<LaunchErrorCode>("NETWORK_WORKLOAD", `cannot make the cgroup of the workload: ${messageOf(error)}`);
  }
}
