/** What the sensor's programs tell, as it lies in their rings. Each record begins with its kind. */
import { array, bytes, i32, i64, type StructLayout, struct, u32, u64 } from "../../ebpf/layout.ts";

export const RECORD_KIND = { exec: 1, fork: 2, exit: 3, moved: 4, cgroup: 5, call: 6, hook: 7 } as const;

/** Bits of `flags`. */
export const RECORD_FLAG = {
  /** The arguments were longer than what is kept. */
  argumentsCut: 1,
  /** A path was longer or deeper than what is kept; its end is there. */
  pathCut: 2,
  /** The executable or the file has no place in the tree of files: it was never there (`memfd_create`), or belongs to no mount. */
  isDetached: 4,
  /** The process was killed before its first instruction. */
  isRefused: 8,
  /** Texts are those that were there when the call began. */
  isFromEntry: 16,
  /** The user's memory could not be read. */
  isUnreadable: 32,
  /** The call is told while it runs, by a check of the kernel in it: its result is not known, but that of the check. */
  isAttempt: 64,
} as const;

/** Who a task is, as the kernel has it. */
export interface TaskFacts {
  /** Nanoseconds since boot at which its process was started. */
  readonly start: bigint;
  readonly cgroup: bigint;
  readonly capEffective: bigint;
  readonly capPermitted: bigint;
  readonly capInheritable: bigint;
  readonly pid: number;
  readonly tid: number;
  readonly parentPid: number;
  readonly uid: number;
  readonly euid: number;
  readonly gid: number;
  readonly egid: number;
  readonly loginUid: number;
  /** As device numbers are written for users; 0 without a terminal. */
  readonly tty: number;
  readonly sid: number;
  readonly pgid: number;
  readonly vpid: number;
  readonly vpgid: number;
  readonly mountNamespace: number;
  readonly comm: Uint8Array;
}

const COMM_BYTES = 16;

export const TASK_FACTS: StructLayout<TaskFacts> = struct("TaskFacts", {
  start: u64,
  cgroup: u64,
  capEffective: u64,
  capPermitted: u64,
  capInheritable: u64,
  pid: u32,
  tid: u32,
  parentPid: u32,
  uid: u32,
  euid: u32,
  gid: u32,
  egid: u32,
  loginUid: u32,
  tty: u32,
  sid: u32,
  pgid: u32,
  vpid: u32,
  vpgid: u32,
  mountNamespace: u32,
  comm: bytes(COMM_BYTES),
});

/** A task, of which something is told: it was forked, it was moved to another cgroup, or it was there. */
export interface TaskRecord {
  readonly kind: number;
  readonly flags: number;
  /** Nanoseconds since boot. */
  readonly time: bigint;
  readonly task: TaskFacts;
}

export const TASK_RECORD: StructLayout<TaskRecord> = struct("TaskRecord", { kind: u32, flags: u32, time: u64, task: TASK_FACTS });

/** Of the time, in each record of each kind: all rings are read by it as if they were one. */
export const RECORD_TIME_OFFSET: number = TASK_RECORD.fields.time.offset;

export interface ExitRecord {
  readonly kind: number;
  readonly flags: number;
  readonly time: bigint;
  readonly start: bigint;
  readonly pid: number;
  /** As `wait` has it: the signal in the low bits, the status above. */
  readonly exitCode: number;
}

export const EXIT_RECORD: StructLayout<ExitRecord> = struct("ExitRecord", {
  kind: u32,
  flags: u32,
  time: u64,
  start: u64,
  pid: u32,
  exitCode: i32,
});

/**
 * A program that was started. Behind it follow, without gaps: the path of the executable and that of the working directory (names with
 * a zero byte each, the last name first), the path as it was asked for, and the arguments with a zero byte each.
 */
export interface ExecRecord extends TaskRecord {
  readonly inode: bigint;
  readonly ctimeSeconds: bigint;
  readonly mtimeSeconds: bigint;
  readonly ctimeNanoseconds: number;
  readonly mtimeNanoseconds: number;
  readonly device: number;
  readonly mode: number;
  readonly ownerUid: number;
  readonly ownerGid: number;
  /** Whether the file is in the upper layer of an overlay: 0 no, 1 yes, 2 it is in no overlay. */
  readonly upperLayer: number;
  readonly pathLength: number;
  readonly directoryLength: number;
  readonly nameLength: number;
  readonly argumentsLength: number;
}

export const EXEC_RECORD: StructLayout<ExecRecord> = struct("ExecRecord", {
  kind: u32,
  flags: u32,
  time: u64,
  task: TASK_FACTS,
  inode: u64,
  ctimeSeconds: i64,
  mtimeSeconds: i64,
  ctimeNanoseconds: u32,
  mtimeNanoseconds: u32,
  device: u32,
  mode: u32,
  ownerUid: u32,
  ownerGid: u32,
  upperLayer: u32,
  pathLength: u32,
  directoryLength: u32,
  nameLength: u32,
  argumentsLength: u32,
});

/** A cgroup of version 2 that was made. Its path follows. */
export interface CgroupRecord {
  readonly kind: number;
  readonly flags: number;
  readonly time: bigint;
  readonly id: bigint;
  readonly pathLength: bigint;
}

export const CGROUP_RECORD: StructLayout<CgroupRecord> = struct("CgroupRecord", {
  kind: u32,
  flags: u32,
  time: u64,
  id: u64,
  pathLength: u64,
});

/** A socket as the kernel has it. */
export interface SocketFacts {
  readonly family: number;
  readonly type: number;
  readonly protocol: number;
  readonly state: number;
  readonly localPort: number;
  readonly remotePort: number;
  /** Four octets of IPv4 or sixteen of IPv6. */
  readonly local: Uint8Array;
  readonly remote: Uint8Array;
}

const ADDRESS_BYTES = 16;
export const ARGUMENT_COUNT = 6;
/** A power of two, so that an index can be masked. */
const ARGUMENT_SLOTS = 8;

export const SOCKET_FACTS: StructLayout<SocketFacts> = struct("SocketFacts", {
  family: u32,
  type: u32,
  protocol: u32,
  state: u32,
  localPort: u32,
  remotePort: u32,
  local: bytes(ADDRESS_BYTES),
  remote: bytes(ADDRESS_BYTES),
});

/**
 * A system call that has returned. Behind it follow, without gaps: the first text and the second, the address that was passed, the
 * directory that each text starts from, and the path of the descriptor. Directories and that path are names with a zero byte each, the
 * last name first.
 */
export interface CallRecord extends TaskRecord {
  readonly result: bigint;
  /** Registers, as numbers without a sign. */
  readonly args: readonly bigint[];
  readonly number: number;
  readonly cpu: number;
  /** Of the file behind the descriptor; 0 when there is none. */
  readonly mode: number;
  readonly firstLength: number;
  readonly firstDirectoryLength: number;
  readonly secondLength: number;
  readonly secondDirectoryLength: number;
  readonly pathLength: number;
  readonly addressLength: number;
  readonly socket: SocketFacts;
}

export const CALL_RECORD: StructLayout<CallRecord> = struct("CallRecord", {
  kind: u32,
  flags: u32,
  time: u64,
  task: TASK_FACTS,
  result: i64,
  args: array(u64, ARGUMENT_SLOTS),
  number: u32,
  cpu: u32,
  mode: u32,
  firstLength: u32,
  firstDirectoryLength: u32,
  secondLength: u32,
  secondDirectoryLength: u32,
  pathLength: u32,
  addressLength: u32,
  socket: SOCKET_FACTS,
});

/** Which hook of the kernel tells. */
export const HOOK_NUMBER = { connect: 1, bind: 2, listen: 3, signal: 4, capability: 5 } as const;
export type HookKind = keyof typeof HOOK_NUMBER;

/** What a hook that is no system call tells. */
export interface HookRecord extends TaskRecord {
  readonly hook: number;
  /** 0, or the negative errno of what has been refused. */
  readonly result: number;
  /** Of a signal: its number, the process that gets it, and who sends it (`si_code`). Of a capability: its number, and the call in which it is asked for. */
  readonly first: number;
  readonly second: number;
  readonly third: number;
  readonly padding: number;
  readonly socket: SocketFacts;
}

export const HOOK_RECORD: StructLayout<HookRecord> = struct("HookRecord", {
  kind: u32,
  flags: u32,
  time: u64,
  task: TASK_FACTS,
  hook: u32,
  result: i32,
  first: u32,
  second: u32,
  third: i32,
  padding: u32,
  socket: SOCKET_FACTS,
});

/** Offsets into what follows a record are masked by this, so that the kernel can see that they are inside. */
export const DATA_MASK = 0x3fff;
/** The longest text that may begin at any offset. */
export const TEXT_BYTES = 4096;
