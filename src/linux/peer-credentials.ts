/** Who is at the other end of a unix socket, as the kernel noted it when that end connected (unix(7), socket(7)). */
import { closeSync, readFileSync, readlinkSync } from "node:fs";
import type { Socket } from "node:net";
import { VigilError } from "../lib/error.ts";
import { LinuxCallError } from "./linux-error.ts";
import { syscall } from "./native.ts";
import { ProcessHandle } from "./process-handle.ts";

export type PeerErrorCode = "LINUX_PEER_UNKNOWN" | "LINUX_PEER_GONE";

export interface PeerCredentials {
  /** In the PID namespace of this process; 0 when the peer is not visible there. */
  readonly pid: number;
  /** Effective ids at the moment of `connect`. */
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups at that moment. */
  readonly groups: readonly number[];
}

// <asm-generic/socket.h>; the same on x86-64 and arm64.
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const SO_PEERGROUPS = 59;
const SO_PEERPIDFD = 77;
const ENOPROTOOPT = 92;
const ERANGE = 34;
const UCRED_BYTES = 12;
/** NGROUPS_MAX. */
const MAX_GROUPS = 65_536;
const FEW_GROUPS = 64;
const TICKS_PER_SECOND = 100n;

/** The descriptor of a connected socket. Node has no public way to it. Throws `LINUX_PEER_GONE` when the socket is closed. */
export function descriptorOf(socket: Socket): number {
  const handle: unknown = Reflect.get(socket, "_handle");
  const descriptor: unknown = typeof handle === "object" && handle !== null ? Reflect.get(handle, "fd") : undefined;
  if (typeof descriptor !== "number" || descriptor < 0) {
    throw new VigilError<PeerErrorCode>("LINUX_PEER_GONE", "the caller has closed its connection");
  }
  return descriptor;
}

/** The credentials of the peer. Throws `LINUX_CALL` when the socket is no unix socket, and `LINUX_UNAVAILABLE` where there are no native calls. */
export function peerCredentials(descriptor: number): PeerCredentials {
  const credentials = Buffer.alloc(UCRED_BYTES);
  mustRead(option(descriptor, SO_PEERCRED, credentials), "SO_PEERCRED");
  return {
    pid: credentials.readInt32LE(0),
    uid: credentials.readUInt32LE(4),
    gid: credentials.readUInt32LE(8),
    groups: peerGroups(descriptor),
  };
}

function peerGroups(descriptor: number): readonly number[] {
  const few = Buffer.alloc(4 * FEW_GROUPS);
  let read = option(descriptor, SO_PEERGROUPS, few);
  let buffer = few;
  if (read.errno === ERANGE) {
    buffer = Buffer.alloc(4 * MAX_GROUPS);
    read = option(descriptor, SO_PEERGROUPS, buffer);
  }
  const sizeBytes = mustRead(read, "SO_PEERGROUPS");
  return Array.from({ length: sizeBytes / 4 }, (_, index) => buffer.readUInt32LE(4 * index));
}

/**
 * Takes hold of the process at the other end. With SO_PEERPIDFD (Linux 6.5) it is certainly the one that connected. Older kernels
 * tell its number alone: then it must have started before `connectedAtTicks`, which leaves the time between its `connect` and our `accept`.
 * Throws `LINUX_PEER_UNKNOWN`, `LINUX_PEER_GONE` or a `ProcessErrorCode`.
 */
export function openPeer(
  descriptor: number,
  { pid }: PeerCredentials,
  connectedAtTicks: bigint,
  readPidfd: (descriptor: number) => number | undefined = peerPidfd,
): { readonly process: ProcessHandle; readonly isCertain: boolean } {
  if (pid <= 0) {
    throw new VigilError<PeerErrorCode>("LINUX_PEER_UNKNOWN", "the caller is in a PID namespace that the agent cannot see", {
      hint: "run the agent in the PID namespace of the machine (`hostPID: true` in a cluster)",
    });
  }
  const pidfd = readPidfd(descriptor);
  try {
    const handle = ProcessHandle.open(pid);
    // The directory is that of the caller exactly if the caller was still there after it had been opened.
    const isSame = pidfd === undefined ? handle.startTicks <= connectedAtTicks : pidOf(pidfd) === pid && handle.isAlive();
    if (isSame) return { process: handle, isCertain: pidfd !== undefined };
    handle.close();
    throw new VigilError<PeerErrorCode>("LINUX_PEER_GONE", `the process ${pid} that connected has ended`);
  } finally {
    if (pidfd !== undefined) closeSync(pidfd);
  }
}

/** A pidfd of the peer; undefined where the kernel has none to give. */
function peerPidfd(descriptor: number): number | undefined {
  const buffer = Buffer.alloc(4);
  const read = option(descriptor, SO_PEERPIDFD, buffer);
  if (read.errno === ENOPROTOOPT) return undefined;
  if (read.errno !== 0) throw new VigilError<PeerErrorCode>("LINUX_PEER_GONE", "the process that connected has ended");
  return buffer.readInt32LE(0);
}

/** The number of the process that a pidfd refers to; -1 once it has ended and was waited for. */
export function pidOf(pidfd: number): number {
  return Number(/^Pid:\s*(-?\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${pidfd}`, "utf8"))?.[1] ?? -1);
}

/** Now, in clock ticks since boot, as start times of processes are told. */
export function ticksSinceBoot(): bigint {
  const [seconds = "0", hundredths = "0"] = readFileSync("/proc/uptime", "utf8").split(" ", 1)[0]?.split(".") ?? [];
  return BigInt(seconds) * TICKS_PER_SECOND + BigInt(hundredths);
}

/** The cgroup namespace in which the machine itself runs has a fixed number (PROC_CGROUP_INIT_INO). */
const INITIAL_CGROUP_NAMESPACE = "cgroup:[4026531835]";

/** Whether this process sees the control groups of the whole machine, rather than those of a container. */
export function isInInitialCgroupNamespace(): boolean {
  return readlinkSync("/proc/self/ns/cgroup") === INITIAL_CGROUP_NAMESPACE;
}

interface OptionRead {
  readonly errno: number;
  readonly sizeBytes: number;
}

function option(descriptor: number, name: number, target: Buffer): OptionRead {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(target.length);
  const { errno } = syscall("getsockopt", descriptor, SOL_SOCKET, name, target, size);
  return { errno, sizeBytes: Math.min(size.readUInt32LE(0), target.length) };
}

function mustRead({ errno, sizeBytes }: OptionRead, name: string): number {
  if (errno !== 0) throw new LinuxCallError(`read ${name} of the caller's socket`, errno);
  return sizeBytes;
}
