/** Operations of Go and go-spiffe, repeated by `test/peers/go-spiffe`. */
import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { peerProgram } from "../../test/interop/peer-program.ts";

export interface Rate {
  readonly count: number;
  /** Of the Go process. */
  readonly cpuSeconds: number;
}

export type GoOperation = "svid" | "token" | "verify-svid" | "verify-token" | "sign";

const SECONDS = 3;

/** Repeats an operation for a while, `atOnce` of them at the same time, with the Workload API at the socket. */
export async function measureGo(operation: GoOperation, socket = "/nonexistent", atOnce = 1): Promise<Rate> {
  const child = spawn(peerProgram("go-spiffe", "go-spiffe-peer"), ["measure", operation, String(SECONDS), String(atOnce)], {
    env: { SPIFFE_ENDPOINT_SOCKET: `unix://${socket}` },
    stdio: ["ignore", "pipe", "inherit"],
  });
  return JSON.parse(await text(child.stdout));
}

export const cpuNsPerOperation = ({ count, cpuSeconds }: Rate): number => (1e9 * cpuSeconds) / count;
