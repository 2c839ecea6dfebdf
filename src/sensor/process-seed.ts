/** The processes that were there before the sensor: who they are from the kernel's own list, what they run from `/proc`. */
import { readFileSync, readlinkSync } from "node:fs";
import { attachIterator, readIterator } from "../ebpf/kernel/attach.ts";
import type { KernelProgram } from "../ebpf/kernel/program.ts";
import { codecOf } from "../ebpf/layout-codec.ts";
import { credentialsOf, nameOf, placementOf } from "./process-records.ts";
import type { ExecEvent } from "./process-table.ts";
import { TASK_RECORD, type TaskFacts } from "./programs/record-layouts.ts";
import { textOfOctets, textsOf } from "./record-text.ts";

const MAX_ARGUMENTS_BYTES = 4096;

/** All of them, or one; those that end meanwhile are left out, or lack what could not be read any more. */
export const readProcesses = (program: KernelProgram, bootNs: bigint, pid?: number): readonly ExecEvent[] =>
  readTasks(program, pid).map((task) => processOf(task, bootNs));

/** What the kernel's own list says of them. */
export function readTasks(program: KernelProgram, pid?: number): readonly TaskFacts[] {
  using link = attachIterator(program, pid === undefined ? undefined : { kind: "process", pid });
  const { decode } = codecOf(TASK_RECORD);
  const found: TaskFacts[] = [];
  let rest = Buffer.alloc(0);
  for (const piece of readIterator(link)) {
    const octets = Buffer.concat([rest, piece]);
    const view = new DataView(octets.buffer, octets.byteOffset, octets.length);
    let at = 0;
    for (; at + TASK_RECORD.size <= octets.length; at += TASK_RECORD.size) found.push(decode(view, at).task);
    rest = Buffer.from(octets.subarray(at));
  }
  return found;
}

function processOf(task: TaskFacts, bootNs: bigint): ExecEvent {
  const { pid } = task;
  const startNs = bootNs + task.start;
  const argv = textsOf(attempt(() => readFileSync(`/proc/${pid}/cmdline`)) ?? Buffer.alloc(0)).slice(0, MAX_ARGUMENTS_BYTES);
  const link = (name: string): string => {
    const target = attempt(() => readlinkSync(`/proc/${pid}/${name}`, "buffer"));
    return target === undefined ? "" : textOfOctets(target).replace(/ \(deleted\)$/, "");
  };
  return {
    pid,
    startNs,
    timeNs: startNs,
    parentPid: task.parentPid,
    name: nameOf(task),
    exePath: link("exe"),
    argv,
    cwd: link("cwd"),
    credentials: credentialsOf(task),
    placement: placementOf(task),
  };
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined; // The process is gone, or is one of the kernel's own, which run no file.
  }
}
