/** Records of the process ring, as what the process table is told. */
import type { ExecutableView } from "../falco/syscall-event.ts";
import type { Credentials, ExecEvent, Placement } from "./process-table.ts";
import { EXEC_RECORD, type ExecRecord, RECORD_FLAG, type TaskFacts } from "./programs/record-layouts.ts";
import { pathOfNames, textsOf, textUntilZero } from "./record-text.ts";

export const credentialsOf = (task: TaskFacts): Credentials => ({
  uid: task.uid,
  euid: task.euid,
  gid: task.gid,
  egid: task.egid,
  loginUid: task.loginUid,
  capEffective: task.capEffective,
  capPermitted: task.capPermitted,
  capInheritable: task.capInheritable,
});

export const placementOf = (task: TaskFacts): Placement => ({
  tty: task.tty,
  sid: task.sid,
  pgid: task.pgid,
  vpid: task.vpid,
  vpgid: task.vpgid,
  cgroupId: String(task.cgroup),
  mountNamespace: task.mountNamespace,
});

export const nameOf = (task: TaskFacts): string => textUntilZero(Buffer.from(task.comm.buffer, task.comm.byteOffset, task.comm.length));

/** What follows a record, one piece after the other. */
export class RecordTail {
  readonly #octets: Buffer;
  #at = 0;

  constructor(data: DataView, offset: number, sizeBytes: number) {
    this.#octets = Buffer.from(data.buffer, data.byteOffset + offset, Math.max(sizeBytes, 0));
  }

  take(length: number): Buffer {
    const piece = this.#octets.subarray(this.#at, this.#at + length);
    this.#at += length;
    return piece;
  }
}

export interface DecodedExec {
  readonly event: ExecEvent;
  /** As it was asked for. */
  readonly fileName: string;
  readonly isRefused: boolean;
}

/** The program that a record tells of. Copies all that it keeps. */
export function decodeExec(record: ExecRecord, data: DataView, offset: number, sizeBytes: number, bootNs: bigint): DecodedExec {
  const { task, flags } = record;
  const tail = new RecordTail(data, offset + EXEC_RECORD.size, sizeBytes - EXEC_RECORD.size);
  const exePath = pathOfNames(tail.take(record.pathLength));
  const cwd = pathOfNames(tail.take(record.directoryLength));
  const fileName = textUntilZero(tail.take(record.nameLength));
  const argv = textsOf(tail.take(record.argumentsLength));
  const event: ExecEvent = {
    pid: task.pid,
    startNs: bootNs + task.start,
    timeNs: bootNs + record.time,
    parentPid: task.parentPid,
    name: nameOf(task),
    exePath,
    argv,
    cwd,
    executable: executableOf(record, exePath),
    credentials: credentialsOf(task),
    placement: placementOf(task),
  };
  return { event, fileName, isRefused: (flags & RECORD_FLAG.isRefused) !== 0 };
}

const WRITE_BITS = { owner: 0o200, group: 0o020, others: 0o002 } as const;

function executableOf(record: ExecRecord, path: string): ExecutableView {
  const { task, mode } = record;
  const ns = (seconds: bigint, nanoseconds: number): bigint => seconds * 1_000_000_000n + BigInt(nanoseconds);
  const bit = task.euid === record.ownerUid ? WRITE_BITS.owner : task.egid === record.ownerGid ? WRITE_BITS.group : WRITE_BITS.others;
  return {
    isUpperLayer: record.upperLayer === 1,
    isFromMemfd: (record.flags & RECORD_FLAG.isDetached) !== 0 && path.startsWith("/memfd:"),
    isWritable: task.euid === 0 || (mode & bit) !== 0,
    inode: Number(record.inode),
    ctimeNs: ns(record.ctimeSeconds, record.ctimeNanoseconds),
    mtimeNs: ns(record.mtimeSeconds, record.mtimeNanoseconds),
  };
}
