/** Where the management API is: a unix socket in the state directory, which only its owner can enter. */
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";

const NAME = "vigil.sock";
/** What fits into `sockaddr_un` on every system, with its terminating zero. */
const MAX_PATH_BYTES = 103;

export interface SocketAddress {
  /** To listen on or to connect to. */
  readonly path: string;
  /** To be called once that has happened. */
  release(): void;
}

/** The address of the socket; a directory whose path is too long for one is reached through an open descriptor of it. */
export function managementAddress(stateDirectory: string): SocketAddress {
  const path = join(stateDirectory, NAME);
  if (Buffer.byteLength(path) <= MAX_PATH_BYTES) return { path, release: () => {} };
  const directory = openSync(stateDirectory, "r");
  return { path: `/proc/self/fd/${directory}/${NAME}`, release: () => closeSync(directory) };
}
