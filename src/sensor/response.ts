/** What is done to a process that a rule has found: it is killed, or all of its cgroup is frozen. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../lib/error.ts";
import { SIGNAL } from "../linux/constants.ts";
import { cgroup2Path } from "../linux/mounts.ts";
import { closeDescriptor, syscall } from "../linux/native.ts";
import type { Detection } from "./detector.ts";

export interface Response {
  readonly outcome: "done" | "failed" | "refused";
  readonly message: string;
}

export interface ResponseContext {
  /** Nanoseconds since the epoch of boot, as events count from it. */
  readonly bootNs: bigint;
  /** Path of a cgroup below the root of version 2; empty when unknown. */
  readonly pathOf: (cgroupId: string) => string;
}

/** Ticks of `/proc/PID/stat`: hundredths of a second. */
const TICK_NS = 10_000_000n;
const START_FIELD = 19;

/**
 * Does what the detection asks for; undefined when that is only to tell. This process is never harmed, nor the cgroup that it is in, nor the
 * root cgroup. `refuse` has been done by the kernel, where it knew the program (`isPrevented`); else it kills what has begun.
 */
export function respond(detection: Detection, context: ResponseContext): Response | undefined {
  const { action } = detection;
  if (action === "refuse" && detection.isPrevented === true)
    return { outcome: "done", message: `process ${detection.pid} was refused before its first instruction` };
  if (action === "kill" || action === "refuse") return kill(detection, context);
  return action === "freeze" ? freeze(detection, context) : undefined;
}

function kill({ pid, startNs }: Detection, { bootNs }: ResponseContext): Response {
  if (pid === process.pid || pid <= 1) return { outcome: "refused", message: `process ${pid} is not killed: Vigil and init live` };
  const held = syscall("pidfd_open", pid, 0);
  if (held.errno !== 0) return { outcome: "done", message: `process ${pid} had ended` };
  try {
    // The descriptor holds whoever has the number now; who has it since then is told by its start.
    if (startTicks(pid) !== (startNs - bootNs) / TICK_NS) return { outcome: "done", message: `process ${pid} had ended` };
    const sent = syscall("pidfd_send_signal", held.value, SIGNAL.kill, null, 0);
    return sent.errno !== 0
      ? { outcome: "failed", message: `process ${pid} could not be killed` }
      : { outcome: "done", message: `killed process ${pid}` };
  } finally {
    closeDescriptor(held.value);
  }
}

function startTicks(pid: number): bigint | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    return BigInt(text.slice(text.lastIndexOf(")") + 2).split(" ")[START_FIELD] ?? "0");
  } catch {
    return undefined; // It is gone.
  }
}

function freeze({ cgroupId }: Detection, { pathOf }: ResponseContext): Response {
  const path = pathOf(cgroupId);
  const root = cgroup2Path();
  if (root === undefined || path === "" || path === "/") return { outcome: "refused", message: "the root cgroup is not frozen" };
  const own = /^0::(.*)$/m.exec(readFileSync("/proc/self/cgroup", "utf8"))?.[1] ?? "/";
  if (own === path || own.startsWith(`${path}/`)) return { outcome: "refused", message: `\`${path}\` is not frozen: Vigil runs in it` };
  try {
    writeFileSync(join(root, path, "cgroup.freeze"), "1");
    return { outcome: "done", message: `froze \`${path}\`` };
  } catch (error) {
    return { outcome: "failed", message: `\`${path}\` could not be frozen: ${messageOf(error)}` };
  }
}
