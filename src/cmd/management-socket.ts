/** Where the management API is: a unix socket in the state directory, which only its owner can enter. */
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";

export const CONTROL_SOCKET = "vigil.sock";
/** Of the network process, which does not depend on the control process. */
export const NETWORK_SOCKET = "network.sock";
/** What fits into `sockaddr_un` on every system, with its terminating zero. */
const MAX_PATH_BYTES = 103;

export interface SocketAddress {
  /** To listen on or to connect to. */
  readonly path: string;
  /** To be called once that has happened. */
  release(): void;
}

/** The address of the socket; a directory whose path is too long for one is reached through an open descriptor of it. */
export function managementAddress(stateDirectory: string, name: string = CONTROL_SOCKET): SocketAddress {
  const path = join(stateDirectory, name);
  if (Buffer.byteLength(path) <= MAX_PATH_BYTES) return { path, release: () => {} };
  const directory = openSync(stateDirectory, "r");
  return { path: `/proc/self/fd/${directory}/${name}`, release: () => closeSync(directory) };
}
