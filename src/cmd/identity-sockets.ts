/** Where the authority and the agent listen. */
import { join, resolve } from "node:path";
import type { Settings } from "./settings.ts";

/** The state directory of a system's Vigil; it is private, so that workloads find the agent elsewhere. */
const SYSTEM_STATE = "/var/lib/vigil";
const SYSTEM_AGENT_SOCKET = "/run/vigil/agent.sock";

/** Only root and the user who runs Vigil may use it. */
export const authoritySocket = (stateDirectory: string): string => join(stateDirectory, "authority.sock");

/** Where workloads find their identities: `identity.socket`, else `/run/vigil/agent.sock` for the system's Vigil, else in the state directory. */
export function agentSocket(stateDirectory: string, settings: Pick<Settings, "identity.socket">): string {
  const stated = settings["identity.socket"];
  if (stated !== undefined) return resolve(stated);
  return resolve(stateDirectory) === SYSTEM_STATE ? SYSTEM_AGENT_SOCKET : join(resolve(stateDirectory), "agent.sock");
}
