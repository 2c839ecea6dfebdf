/**
 * A control group of its own for a workload: its identity for everything that watches by cgroup, and its limits. Limits are set where
 * their controller is: in the hierarchy of version 2, or in one of version 1; hybrid systems have both.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { messageOf, VigilError } from "../lib/error.ts";
import { cgroup1Path, cgroup2Path, type Mount, readMounts } from "./mounts.ts";

export type CgroupErrorCode = "LINUX_CGROUP";

export interface CgroupLimits {
  readonly memoryBytes?: number;
  /** Processes and threads together. */
  readonly processes?: number;
  /** Processor time per second: 0.5 is half a core, 2 are two. */
  readonly cores?: number;
}

type Controller = "memory" | "pids" | "cpu";

const PERIOD_US = 100_000;

interface Setting {
  readonly controller: Controller;
  readonly v2: readonly (readonly [file: string, value: string])[];
  readonly v1: readonly (readonly [file: string, value: string])[];
}

function settingsOf({ memoryBytes, processes, cores }: CgroupLimits): readonly Setting[] {
  const settings: Setting[] = [];
  if (memoryBytes !== undefined) {
    const memory = String(memoryBytes);
    // Without a swap limit the memory limit is none where there is swap; the file is missing where there is no swap accounting.
    settings.push({
      controller: "memory",
      v2: [["memory.max", memory]],
      v1: [["memory.limit_in_bytes", memory]],
    });
  }
  if (processes !== undefined)
    settings.push({ controller: "pids", v2: [["pids.max", String(processes)]], v1: [["pids.max", String(processes)]] });
  if (cores !== undefined) {
    const quota = Math.max(1_000, Math.round(cores * PERIOD_US));
    settings.push({
      controller: "cpu",
      v2: [["cpu.max", `${quota} ${PERIOD_US}`]],
      v1: [
        ["cpu.cfs_period_us", String(PERIOD_US)],
        ["cpu.cfs_quota_us", String(quota)],
      ],
    });
  }
  return settings;
}

/** Below it, in each hierarchy, are the cgroups that Vigil makes. */
export const CGROUP_PARENT = "vigil";
const REMOVE_ATTEMPTS = 100;
const REMOVE_PAUSE_MS = 20;

export class Cgroup {
  /** In the hierarchy of version 2, or undefined where none of it may be written. */
  readonly path: string | undefined;
  readonly #directories: readonly string[];

  private constructor(path: string | undefined, directories: readonly string[]) {
    this.path = path;
    this.#directories = directories;
  }

  /**
   * Creates it. `missing` says in clauses which limits could not be had, and why; a cgroup without any directory joins nothing.
   * `ownPath` is the path of this process in the hierarchy of version 2 (/proc/self/cgroup), for users to whom that is delegated.
   */
  static create(
    name: string,
    limits: CgroupLimits,
    mounts: readonly Mount[] = readMounts(),
    ownPath: string = readOwnPath(),
  ): { readonly cgroup: Cgroup; readonly missing: readonly string[] } {
    const missing: string[] = [];
    const directories: string[] = [];
    const unified = cgroup2Path(mounts);
    const path = unified === undefined ? undefined : makeUnified(unified, ownPath, name);
    if (path === undefined) missing.push("a cgroup of its own: no cgroup v2 directory may be written");
    else directories.push(path);
    for (const setting of settingsOf(limits)) {
      const problem =
        limitUnified(unified, path, setting) && limitVersion1(cgroup1Path(setting.controller, mounts), name, setting, directories);
      if (problem !== undefined) missing.push(`a limit of ${setting.controller}: ${problem}`);
    }
    return { cgroup: new Cgroup(path, directories), missing };
  }

  /** The number that the kernel knows it by (`bpf_get_current_cgroup_id`), or undefined. */
  get id(): bigint | undefined {
    return this.path === undefined ? undefined : statSync(this.path, { bigint: true }).ino;
  }

  /** Moves a process, and with it what it will start, into the cgroup. Throws `LINUX_CGROUP`. */
  add(pid: number): void {
    for (const directory of this.#directories) {
      try {
        writeFileSync(join(directory, "cgroup.procs"), String(pid));
      } catch (error) {
        throw new VigilError<CgroupErrorCode>("LINUX_CGROUP", `cannot move process ${pid} to \`${directory}\`: ${messageOf(error)}`);
      }
    }
  }

  /** Whether the kernel killed something in it for want of memory. */
  ranOutOfMemory(): boolean {
    return this.#directories.some((directory) =>
      ["memory.events", "memory.oom_control"].some((file) => /^oom_kill [1-9]/m.test(readOptional(join(directory, file)))),
    );
  }

  /** The processes in it now. */
  processes(): readonly number[] {
    const listed = this.path === undefined ? "" : readOptional(join(this.path, "cgroup.procs"));
    return listed.split("\n").filter(Boolean).map(Number);
  }

  /** Kills what is left in it and removes it. Throws `LINUX_CGROUP` when something in it does not die. */
  async remove(): Promise<void> {
    if (this.path !== undefined) writeOptional(join(this.path, "cgroup.kill"), "1");
    for (const directory of this.#directories) await removeDirectory(directory);
  }
}

function readOwnPath(): string {
  return /^0::(?<path>.*)$/m.exec(readOptional("/proc/self/cgroup"))?.groups?.["path"] ?? "/";
}

function makeUnified(mount: string, ownPath: string, name: string): string | undefined {
  for (const parent of [join(mount, CGROUP_PARENT), join(mount, ownPath)]) {
    const directory = join(parent, name);
    removeForgotten(dirname(directory));
    if (tryTo(() => mkdirSync(directory, { recursive: true }))) return directory;
  }
  return undefined;
}

/**
 * Groups that end with the process id of a Vigil that was killed, and perhaps a count of its own. Only empty ones can be removed, so that one whose number another process has
 * taken over meanwhile stays.
 */
function removeForgotten(parent: string): void {
  tryTo(() => {
    for (const entry of readdirSync(parent, { withFileTypes: true })) {
      const pid = /-(?<pid>\d+)(?:\.\d+)?$/.exec(entry.name)?.groups?.["pid"];
      if (entry.isDirectory() && pid !== undefined && !existsSync(`/proc/${pid}`)) tryTo(() => rmdirSync(join(parent, entry.name)));
    }
  });
}

/** Undefined when the limit is set. */
function limitUnified(mount: string | undefined, path: string | undefined, { controller, v2 }: Setting): string | undefined {
  if (mount === undefined || path === undefined) return "no cgroup";
  const parents: string[] = [];
  for (let parent = dirname(path); parent.startsWith(mount); parent = dirname(parent)) parents.unshift(parent);
  // A controller goes down one level at a time; where it is used by version 1, or is not delegated, it is not there.
  for (const parent of parents) writeOptional(join(parent, "cgroup.subtree_control"), `+${controller}`);
  return v2.every(([file, value]) => writeOptional(join(path, file), value)) ? undefined : "the controller is not there";
}

function limitVersion1(mount: string | undefined, name: string, { v1 }: Setting, directories: string[]): string | undefined {
  if (mount === undefined) return "its controller is not there, or is not delegated";
  const directory = join(mount, CGROUP_PARENT, name);
  removeForgotten(dirname(directory));
  if (!tryTo(() => mkdirSync(directory, { recursive: true }))) return `\`${mount}\` may not be written`;
  directories.push(directory);
  return v1.every(([file, value]) => writeOptional(join(directory, file), value)) ? undefined : "the kernel refuses it";
}

async function removeDirectory(directory: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    for (const pid of readOptional(join(directory, "cgroup.procs")).split("\n").filter(Boolean))
      tryTo(() => process.kill(Number(pid), "SIGKILL"));
    try {
      rmdirSync(directory);
      return;
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return;
      if (attempt === REMOVE_ATTEMPTS)
        throw new VigilError<CgroupErrorCode>("LINUX_CGROUP", `cannot remove \`${directory}\`: ${messageOf(error)}`);
    }
    await pause(REMOVE_PAUSE_MS);
  }
}

function readOptional(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

const writeOptional = (path: string, value: string): boolean => tryTo(() => writeFileSync(path, value));

function tryTo(work: () => void): boolean {
  try {
    work();
    return true;
  } catch {
    return false;
  }
}
