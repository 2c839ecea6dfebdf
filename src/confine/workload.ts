/** Workloads that run already, as a recorder can tell their calls from others: by their cgroup and by their mount namespace. */
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { VigilError } from "../lib/error.ts";
import { cgroup2Path } from "../linux/mounts.ts";

export type WorkloadErrorCode = "RECORD_NO_WORKLOAD" | "RECORD_SHARED";

export type WorkloadTarget =
  | { readonly kind: "cgroup"; readonly id: bigint }
  | { readonly kind: "mount namespace"; readonly inode: number };

export interface Workload {
  readonly name: string;
  readonly targets: readonly WorkloadTarget[];
}

/** UNTRUSTED texts of a command line. */
export interface WorkloadRequest {
  readonly kind: "process" | "cgroup" | "container";
  readonly text: string;
}

const MAX_CGROUPS = 256;

/** Throws a `WorkloadErrorCode`. */
export function findWorkload({ kind, text }: WorkloadRequest): Workload {
  switch (kind) {
    case "process":
      return ofProcess(text);
    case "cgroup":
      return ofCgroup(text);
    case "container":
      return ofContainer(text);
    default:
      return kind satisfies never;
  }
}

function ofProcess(text: string): Workload {
  if (!/^\d{1,10}$/.test(text) || !existsSync(`/proc/${text}`)) throw noWorkload(`no process ${text}`);
  const targets = [...ownNamespace(text), ...ownCgroup(text)];
  if (targets.length === 0)
    throw new VigilError<WorkloadErrorCode>("RECORD_SHARED", `process ${text} shares its mount namespace and its cgroup with the host`, {
      hint: "its calls cannot be told from those of others; start it by `vigil profile record -- COMMAND`, or move it to a cgroup of its own",
    });
  const name = readFileSync(`/proc/${text}/comm`, "utf8").trim();
  return { name, targets };
}

/** Container runtimes move processes between cgroups while a container starts, but its mount namespace stays. */
function ownNamespace(pid: string): readonly WorkloadTarget[] {
  const inode = namespaceOf(pid);
  return inode === undefined || inode === namespaceOf("self") || inode === namespaceOf("1") ? [] : [{ kind: "mount namespace", inode }];
}

function namespaceOf(pid: string): number | undefined {
  try {
    return Number(/\d+/.exec(readlinkSync(`/proc/${pid}/ns/mnt`))?.[0]);
  } catch {
    return undefined;
  }
}

function ownCgroup(pid: string): readonly WorkloadTarget[] {
  const path = cgroupOf(pid);
  const mount = cgroup2Path();
  if (path === undefined || mount === undefined || path === "/" || path === cgroupOf("self")) return [];
  return cgroupsBelow(join(mount, path));
}

function cgroupOf(pid: string): string | undefined {
  try {
    return /^0::(?<path>.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, "utf8"))?.groups?.["path"];
  } catch {
    return undefined;
  }
}

/** The cgroup and those below it, as they are now; what is created later is missed, unless its mount namespace is known. */
function cgroupsBelow(directory: string): readonly WorkloadTarget[] {
  const found: WorkloadTarget[] = [];
  const visit = (path: string): void => {
    if (found.length >= MAX_CGROUPS)
      throw new VigilError<WorkloadErrorCode>("RECORD_SHARED", `\`${directory}\` has more than ${MAX_CGROUPS} cgroups below it`, {
        hint: "record one of those below it",
      });
    found.push({ kind: "cgroup", id: statSync(path, { bigint: true }).ino });
    for (const entry of readdirSync(path, { withFileTypes: true })) if (entry.isDirectory()) visit(join(path, entry.name));
  };
  visit(directory);
  return found;
}

function ofCgroup(text: string): Workload {
  const mount = cgroup2Path();
  const candidates = [text, ...(mount === undefined ? [] : [join(mount, text)])];
  const directory = candidates.find((path) => existsSync(join(path, "cgroup.procs")) && existsSync(join(path, "cgroup.controllers")));
  if (directory === undefined || directory === mount) throw noWorkload(`no cgroup (version 2) \`${text}\` below the root`);
  return { name: basename(directory), targets: cgroupsBelow(directory) };
}

function ofContainer(text: string): Workload {
  if (!/^[\w.-]{3,128}$/.test(text)) throw noWorkload(`no container \`${text}\``);
  const isOf = (pid: string): boolean => cgroupLines(pid).some((line) => line.split(/[/:.-]/).some((part) => part.startsWith(text)));
  const pid = readdirSync("/proc").find((entry) => /^\d+$/.test(entry) && isOf(entry));
  if (pid === undefined) throw noWorkload(`no process of a container \`${text}\``);
  return { ...ofProcess(pid), name: text };
}

function cgroupLines(pid: string): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cgroup`, "utf8").split("\n");
  } catch {
    return [];
  }
}

const noWorkload = (what: string): VigilError<WorkloadErrorCode> =>
  new VigilError("RECORD_NO_WORKLOAD", `there is ${what}`, { hint: "`vigil help profile record` says what can be recorded" });
