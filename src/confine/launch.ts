/**
 * Starts a program confined, and stays with it: maps ids, moves it to its cgroup, takes the listener of its filter, passes signals on,
 * and tells how it ended.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { messageOf, VigilError } from "../lib/error.ts";
import type { Cgroup } from "../linux/cgroup.ts";
import { launcherImage } from "../linux/launcher/launcher-image.ts";
import { type FinishedScript, REPORT_BYTES, REPORT_FAILED } from "../linux/launcher/syscall-script.ts";
import { errnoText } from "../linux/linux-error.ts";
import { architecture } from "../linux/native.ts";
import { takeDescriptor } from "../linux/seccomp.ts";
import type { LaunchPlan } from "./launch-plan.ts";
import { CHANNEL, LAUNCH_FAILED, LAUNCH_REPORT, LISTENER, launchScript } from "./launch-script.ts";

export type LaunchErrorCode = "CONFINE_LAUNCH" | "CONFINE_STEP";

export type LaunchEnd =
  | { readonly kind: "exited"; readonly code: number }
  /** `SIGSEGV`; a number where the signal has no name. */
  | { readonly kind: "killed"; readonly signal: string; readonly number: number };

export interface LaunchOptions {
  /** A directory for the launcher's image, which is removed once it runs: one whose file system may execute. */
  readonly scratchDirectory: string;
  readonly cgroup?: Cgroup;
  /** For a user namespace: which ids are mapped. */
  readonly idMap?: IdMap;
  /** What the three standard descriptors are; the caller's own unless said. */
  readonly stdio?: readonly ("inherit" | "ignore" | "pipe" | number)[];
  /** Takes over the listener of the plan's filter. */
  readonly onListener?: (listener: number) => void;
  /** The process that will be the program, before it is: what watches it must be there by the end of this. */
  readonly onProcess?: (pid: number) => void | Promise<void>;
}

export interface IdMap {
  /** Lines of /proc/PID/uid_map. */
  readonly uids: string;
  readonly gids: string;
  /** An ordinary user must give up setgroups(2) before mapping groups. */
  readonly deniesSetgroups: boolean;
}

export class Launched {
  readonly child: ChildProcess;
  /** Settles when the program has ended. Rejects with a `LaunchErrorCode` when it could not be started. */
  readonly ended: Promise<LaunchEnd>;
  /** The init of the namespaces, or the program itself where there are none. */
  receiver: number | undefined;

  constructor(child: ChildProcess, end: (launched: Launched) => Promise<LaunchEnd>) {
    this.child = child;
    this.ended = end(this);
  }

  /** Sends the program a signal, if it still runs. */
  kill(signal: NodeJS.Signals): void {
    if (this.receiver === undefined) {
      this.child.kill("SIGKILL");
      return;
    }
    try {
      process.kill(this.receiver, signal);
    } catch (error) {
      // ESRCH: it has ended, which is told elsewhere.
      if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
    }
  }
}

/** Starts the plan's program. Throws `CONFINE_LAUNCH` when the launcher itself cannot run. */
export async function launch(plan: LaunchPlan, options: LaunchOptions): Promise<Launched> {
  const script = launchScript(plan, architecture());
  const child = await startImage(launcherImage(script), options);
  return new Launched(child, (launched) => supervise(launched, script, plan, options));
}

async function startImage(
  image: Uint8Array,
  { scratchDirectory, stdio = ["inherit", "inherit", "inherit"] }: LaunchOptions,
): Promise<ChildProcess> {
  const directory = mkdtempSync(join(scratchDirectory, "vigil-launch-"));
  try {
    const file = join(directory, "launcher");
    // It holds the program's environment: nobody else may read it, and it is gone once it runs.
    writeFileSync(file, image, { mode: 0o700, flag: "wx" });
    const child = spawn(file, [], { stdio: [...stdio, "pipe"], env: {}, cwd: "/" });
    await once(child, "spawn");
    return child;
  } catch (error) {
    throw new VigilError<LaunchErrorCode>("CONFINE_LAUNCH", `cannot run a launcher in \`${scratchDirectory}\`: ${messageOf(error)}`, {
      hint: "set TMPDIR to a directory whose file system is not mounted `noexec`",
      cause: error,
    });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** What the launcher said so far. */
interface Reports {
  failure?: { readonly step: number; readonly errno: number };
  status?: number;
}

async function supervise(launched: Launched, script: FinishedScript, plan: LaunchPlan, options: LaunchOptions): Promise<LaunchEnd> {
  const { child } = launched;
  const channel = child.stdio[CHANNEL];
  if (!(channel instanceof Duplex)) throw new TypeError("expected a channel");
  const reports: Reports = {};
  const goOn = (): void => {
    channel.write(Uint8Array.of(1));
  };
  // The launcher is gone when writing fails; how it ended says why.
  channel.on("error", () => undefined);
  const exited = once(child, "exit");
  const reading = (async () => {
    if (plan.isolation === undefined) {
      launched.receiver = child.pid;
      await prepare(child.pid ?? 0, options);
      goOn();
    }
    let rest: Buffer = Buffer.alloc(0);
    for await (const chunk of channel) {
      rest = Buffer.concat([rest, chunk]);
      for (; rest.length >= REPORT_BYTES; rest = rest.subarray(REPORT_BYTES)) await hear(rest, launched, reports, options, goOn);
    }
  })();
  try {
    // An error of the supervisor ends the program: it must not run without what was asked.
    await Promise.race([reading, exited]);
  } catch (error) {
    child.kill("SIGKILL");
    await exited;
    throw error;
  }
  const [code, signal] = await exited;
  await reading;
  if (reports.failure !== undefined) throw failureOf(reports.failure, script);
  return endOf(reports.status, code, signal);
}

async function hear(report: Buffer, launched: Launched, reports: Reports, options: LaunchOptions, goOn: () => void): Promise<void> {
  const kind = report.readUInt32LE(0);
  const value = Number(report.readBigInt64LE(8));
  switch (kind) {
    case REPORT_FAILED:
      reports.failure = { step: report.readUInt32LE(4), errno: -value };
      return;
    case LAUNCH_REPORT.init:
      launched.receiver = value;
      await prepare(value, options);
      goOn();
      return;
    case LAUNCH_REPORT.listening: {
      const pid = programOf(launched);
      const listener = await waitForListener(pid);
      // It failed to install its filter; the reason follows.
      if (listener === undefined) return;
      if (options.onListener === undefined) throw new TypeError("expected something that takes the listener");
      options.onListener(listener);
      goOn();
      return;
    }
    case LAUNCH_REPORT.ended:
      reports.status = value;
      return;
    default:
      throw new TypeError(`unexpected report ${kind} of a launcher`);
  }
}

async function prepare(pid: number, { cgroup, idMap, onProcess }: LaunchOptions): Promise<void> {
  if (idMap !== undefined) {
    if (idMap.deniesSetgroups) writeFileSync(`/proc/${pid}/setgroups`, "deny");
    writeFileSync(`/proc/${pid}/uid_map`, idMap.uids);
    writeFileSync(`/proc/${pid}/gid_map`, idMap.gids);
  }
  cgroup?.add(pid);
  await onProcess?.(pid);
}

/** Without namespaces the launcher becomes the program; with them it is the only child of their init. */
function programOf({ child, receiver }: Launched): number {
  if (receiver === undefined || receiver === child.pid) return child.pid ?? 0;
  return Number(readFileSync(`/proc/${receiver}/task/${receiver}/children`, "utf8").trim().split(" ")[0]);
}

const LISTENER_PAUSE_MS = 1;

/** The launcher installs its filter right after it said so; undefined when it is gone because that failed. */
async function waitForListener(pid: number): Promise<number | undefined> {
  for (;;) {
    const taken = takeDescriptor(pid, LISTENER);
    if (taken === "gone") return undefined;
    if (taken !== "absent") return taken;
    await pause(LISTENER_PAUSE_MS);
  }
}

function failureOf({ step, errno }: NonNullable<Reports["failure"]>, script: FinishedScript): VigilError<LaunchErrorCode> {
  const what = script.steps[step]?.what ?? `make step ${step}`;
  const hint = hintFor(what);
  return new VigilError("CONFINE_STEP", `cannot ${what}: ${errnoText(errno)}`, hint === undefined ? {} : { hint });
}

function hintFor(what: string): string | undefined {
  if (what === "create the namespaces")
    return "user namespaces may be off (`user.max_user_namespaces`, or AppArmor's `unprivileged_userns` restriction); run it as root";
  if (what === "mount /proc") return "an outer container hides parts of /proc, so no new one may be mounted; run it outside of that";
  return undefined;
}

const signalNames = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]));

function endOf(status: number | undefined, code: number | null, signal: string | null): LaunchEnd {
  if (status !== undefined) {
    const number = status & 0x7f;
    if (number === 0) return { kind: "exited", code: (status >> 8) & 0xff };
    return { kind: "killed", signal: signalNames.get(number) ?? String(number), number };
  }
  if (code !== null) return { kind: "exited", code };
  const number = constants.signals[(signal ?? "SIGKILL") as NodeJS.Signals]; // the names of the platform's own table
  return { kind: "killed", signal: signal ?? "SIGKILL", number };
}

export { LAUNCH_FAILED };
