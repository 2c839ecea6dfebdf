/**
 * The network process: access policies in the kernel of this machine, and the flows that the kernel and the services tell of. It is a process of
 * its own, so that no fault in it reaches the identities or the webhook; what it has put into the kernel outlives it.
 */
import { cgroup2Path } from "../../linux/mounts.ts";
import { nativeProblem } from "../../linux/native.ts";
import { instanceOf } from "../installation-instance.ts";
import { createLog } from "../log.ts";
import { serveManagement } from "../management-server.ts";
import { NETWORK_SOCKET } from "../management-socket.ts";
import type { Running } from "../run-supervised.ts";
import { removeLaunchedDirectories } from "./inventory.ts";
import { LAUNCH_ROUTE } from "./launch-place.ts";
import { launchRoute } from "./launch-route.ts";
import { NetworkPlane } from "./network-plane.ts";
import type { NetworkSettings } from "./settings.ts";

export async function startNetwork(settings: NetworkSettings): Promise<Running> {
  const problem = nativeProblem();
  if (problem !== undefined) return withoutNetwork(problem.message, problem.hint);
  const { stateDirectory, configuration } = settings;
  const plane = new NetworkPlane(settings, createLog("network"));
  await plane.start();
  const management = await serveManagement(stateDirectory, { [LAUNCH_ROUTE]: launchRoute(plane, settings) }, NETWORK_SOCKET);
  return {
    report: plane.report(),
    drain: async (withinMs, why) => {
      management.close();
      const kept = configuration["network.keep"];
      const keep = kept === "always" || (kept === "killed" && why === "orphaned");
      await plane.drain(withinMs, keep);
      if (!keep) removeLaunchedDirectories(cgroup2Path(), instanceOf(stateDirectory));
    },
  };
}

const withoutNetwork = (why: string, how: string | undefined): Running => ({
  report: { on: [], off: [{ what: "network", why, ...(how !== undefined && { how }) }], facts: {} },
  drain: async () => {},
});
