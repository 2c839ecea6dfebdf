/**
 * Programs that were started as a workload. As root each is in a cgroup below one that the workload has for itself, and which nobody else can
 * enter; an ordinary user, who has no such cgroup, notes the process in a directory that only that user can write.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isJsonObject } from "../../lib/json.ts";
import { parseStrictJson } from "../../lib/strict-json.ts";
import { CGROUP_PARENT } from "../../linux/cgroup.ts";

export interface WorkloadName {
  readonly namespace: string;
  readonly name: string;
}

/** As in selectors: `shop/orders`. */
export const workloadText = ({ namespace, name }: WorkloadName): string => `${namespace}/${name}`;

/** `default/orders` is what `orders` means; undefined for what cannot be a name of a directory. */
export function parseWorkloadText(text: string): WorkloadName | undefined {
  const [namespace = "", name = "", ...more] = text.includes("/") ? text.split("/") : ["default", text];
  return more.length === 0 && isUsable(namespace) && isUsable(name) ? { namespace, name } : undefined;
}

const MAX_NAME_CHARACTERS = 100;
const isUsable = (part: string): boolean => part.length <= MAX_NAME_CHARACTERS && /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/.test(part);

/** Below the root of the hierarchy of version 2; only root can make it. */
export const LAUNCH_ROOT: string = CGROUP_PARENT;
const SEPARATOR = "~";

/** The cgroup of all processes of a workload, relative to the root of the hierarchy; `instance` tells installations of one machine apart. */
export const launchedCgroup = (instance: string, { namespace, name }: WorkloadName): string =>
  join(LAUNCH_ROOT, instance, `${namespace}${SEPARATOR}${name}`);

/** The workload whose cgroup has this directory name; undefined for other directories. */
export function workloadOfDirectory(directory: string): WorkloadName | undefined {
  const [namespace = "", name = "", ...more] = directory.split(SEPARATOR);
  return more.length === 0 && isUsable(namespace) && isUsable(name) ? { namespace, name } : undefined;
}

/** The workload of a process, from `/proc/<pid>/cgroup` as the root of the hierarchy sees it. */
export function workloadOfCgroup(cgroup: string, instance: string): WorkloadName | undefined {
  const [, root, owner, directory = ""] = /^0::(\/.*)$/m.exec(cgroup)?.[1]?.split("/") ?? [];
  return root === LAUNCH_ROOT && owner === instance ? workloadOfDirectory(directory) : undefined;
}

/** A process that an ordinary user started as a workload: with its start time, a number that is used again is not mistaken for it. */
export interface LaunchNote extends WorkloadName {
  readonly pid: number;
  /** In clock ticks since boot. */
  readonly startTicks: bigint;
}

const NOTE = /^\d+\.json$/;
/** So many programs of one user at once, at most. */
const MAX_NOTES = 4_096;

export function writeLaunchNote(directory: string, { namespace, name, pid, startTicks }: LaunchNote): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  writeFileSync(join(directory, `${pid}.json`), JSON.stringify({ namespace, name, startTicks: String(startTicks) }), { mode: 0o600 });
}

export const removeLaunchNote = (directory: string, pid: number): void => rmSync(join(directory, `${pid}.json`), { force: true });

/** By process id. Empty where nobody has noted anything. */
export function readLaunchNotes(directory: string): ReadonlyMap<number, LaunchNote> {
  const notes = new Map<number, LaunchNote>();
  let files: readonly string[];
  try {
    files = readdirSync(directory);
  } catch {
    return notes;
  }
  for (const file of files.filter((each) => NOTE.test(each)).slice(0, MAX_NOTES)) {
    const pid = Number.parseInt(file, 10);
    const note = readNote(join(directory, file), pid);
    if (note !== undefined) notes.set(pid, note);
  }
  return notes;
}

function readNote(path: string, pid: number): LaunchNote | undefined {
  try {
    const parsed = parseStrictJson(readFileSync(path));
    if (!parsed.ok || !isJsonObject(parsed.value)) return undefined;
    const { namespace, name, startTicks } = parsed.value;
    const known = typeof namespace === "string" && typeof name === "string" ? parseWorkloadText(`${namespace}/${name}`) : undefined;
    return known && typeof startTicks === "string" && /^\d{1,20}$/.test(startTicks)
      ? { ...known, pid, startTicks: BigInt(startTicks) }
      : undefined;
  } catch {
    return undefined; // The program has ended meanwhile.
  }
}
