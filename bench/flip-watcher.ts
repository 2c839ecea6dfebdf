/** Connects without a pause, and says when the answer changed: forked, and moved into a workload's cgroup. */
import { closeDescriptor, mustSyscall, syscall } from "../src/linux/native.ts";

const AF_INET = 2;
const SOCK_STREAM_NONBLOCK = 1 | 0o4000;
const SOL_SOCKET = 1;
const SO_LINGER = 13;
const EPERM = 1;

export interface Watched {
  /** As `process.hrtime`, which all processes share. */
  readonly atNs: string;
  readonly attempts: number;
}

function isDenied(address: Uint8Array): boolean {
  const descriptor = mustSyscall("open a socket", "socket", AF_INET, SOCK_STREAM_NONBLOCK, 0);
  const { errno } = syscall("connect", descriptor, address, address.length);
  syscall("setsockopt", descriptor, SOL_SOCKET, SO_LINGER, new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]), 8);
  closeDescriptor(descriptor);
  return errno === EPERM;
}

process.on("message", ({ port, until }: { readonly port: number; readonly until: "deny" | "allow" }) => {
  const address = new Uint8Array([AF_INET, 0, port >> 8, port & 255, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
  process.send?.("watching");
  // What was sent must be on its way before this thread is busy.
  setImmediate(() => {
    let attempts = 1;
    while (isDenied(address) !== (until === "deny")) attempts++;
    process.send?.({ atNs: String(process.hrtime.bigint()), attempts } satisfies Watched);
  });
});
process.on("disconnect", () => process.exit(0));
