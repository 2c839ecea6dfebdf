/** Where the authority, the agent and the network process listen, and where registrations are. */
import { mkdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Settings } from "./settings.ts";

/** The state directory of a system's Vigil; it is private, so that workloads find the agent elsewhere. */
export const SYSTEM_STATE = "/var/lib/vigil";
const SYSTEM_AGENT_SOCKET = "/run/vigil/agent.sock";

/** Only root and the user who runs Vigil may use it. */
export const authoritySocket = (stateDirectory: string): string => join(stateDirectory, "authority.sock");

/** Where workloads find their identities: `identity.socket`, else `/run/vigil/agent.sock` for the system's Vigil, else in the state directory. */
export function agentSocket(stateDirectory: string, settings: Pick<Settings, "identity.socket">): string {
  const stated = settings["identity.socket"];
  if (stated !== undefined) return resolve(stated);
  return resolve(stateDirectory) === SYSTEM_STATE ? SYSTEM_AGENT_SOCKET : join(resolve(stateDirectory), "agent.sock");
}

/** Where services say that they enforce: beside the agent's socket, which they can reach too. */
export const enforcementSocket = (stateDirectory: string, settings: Pick<Settings, "identity.socket">): string =>
  join(dirname(agentSocket(stateDirectory, settings)), "enforcement.sock");

/** The files of registrations. Makes the directory of the state, so that it can be watched before there is anything in it. */
export async function registrationPaths(
  stateDirectory: string,
  settings: Pick<Settings, "identity.registrations">,
): Promise<readonly string[]> {
  const stated = settings["identity.registrations"];
  if (stated.length > 0) return stated;
  const path = join(stateDirectory, "registrations");
  await mkdir(path, { recursive: true, mode: 0o700 });
  return [path];
}
