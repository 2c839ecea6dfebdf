/** Which workloads there are, and in which cgroups of this machine they run. */
import { readdirSync, rmdirSync, statSync } from "node:fs";
import { join } from "node:path";
import {
  LAUNCH_ROOT,
  launchedCgroup,
  parseWorkloadText,
  type WorkloadName,
  workloadOfDirectory,
  workloadText,
} from "../../identity/attestation/launched-workload.ts";
import type { Entry } from "../../identity/authority/entry.ts";
import { VigilError } from "../../lib/error.ts";
import { parseIpAddress } from "../../lib/ip-address.ts";
import type { NetworkWorkload } from "../../network/enforcement.ts";
import { type Endpoint, endpoint } from "../../policy/access/endpoint.ts";
import { trustDomainOf } from "../../spiffe/spiffe-id.ts";

export type InventoryErrorCode = "NETWORK_SHARED_CGROUP";

/** A workload as the kernel shall know it. */
export interface PlacedWorkload extends NetworkWorkload {
  readonly entry: Entry;
}

export interface InventoryOptions {
  readonly entries: readonly Entry[];
  /** Of this installation, in the names of its cgroups. */
  readonly instance: string;
  /** Where the hierarchy of version 2 begins; undefined where there is none. */
  readonly cgroupRoot: string | undefined;
  /** Names (`shop/orders`) of those for which a process enforces, and has the last word. */
  readonly enforcing: ReadonlySet<string>;
}

/**
 * Everybody who is registered, each with its cgroups of this machine: those of `vigil run --as`, of the unit in `systemd:id`, of `cgroup:path`.
 * Throws `NETWORK_SHARED_CGROUP` when two workloads name one cgroup, in which the kernel could not tell them apart.
 */
export function placeWorkloads({ entries, instance, cgroupRoot, enforcing }: InventoryOptions): readonly PlacedWorkload[] {
  const launched = cgroupRoot === undefined ? new Set<string>() : launchedWorkloads(cgroupRoot, instance);
  const owners = new Map<string, string>();
  return entries.flatMap((entry): readonly PlacedWorkload[] => {
    const known = { entry, endpoint: endpointOf(entry), hasUpperLayer: enforcing.has(entry.name) };
    const paths = cgroupRoot === undefined ? [] : cgroupsOf(entry, { cgroupRoot, instance, launched });
    for (const path of paths) claim(owners, path, entry.name);
    if (paths.length > 0) return paths.map((cgroupPath) => ({ ...known, cgroupPath }));
    return [{ ...known, addresses: entry.ipAddresses.flatMap((address) => parseIpAddress(address) ?? []) }];
  });
}

function claim(owners: Map<string, string>, path: string, name: string): void {
  const other = owners.get(path);
  if (other !== undefined && other !== name)
    throw new VigilError<InventoryErrorCode>(
      "NETWORK_SHARED_CGROUP",
      `the workloads \`${other}\` and \`${name}\` are in one cgroup, \`${path}\``,
      {
        hint: "give each a unit or a cgroup of its own: in one the kernel cannot tell them apart",
      },
    );
  owners.set(path, name);
}

/** As policies see it. */
export function endpointOf({ name, spiffeId, labels }: Entry): Endpoint {
  const [namespace = "", short = ""] = name.split("/");
  return endpoint("workload", { name: short, namespace, labels, spiffeId, trustDomain: trustDomainOf(spiffeId) });
}

interface Place {
  readonly cgroupRoot: string;
  readonly instance: string;
  readonly launched: ReadonlySet<string>;
}

function cgroupsOf(entry: Entry, { cgroupRoot, instance, launched }: Place): readonly string[] {
  const name = parseWorkloadText(entry.name);
  const own = name !== undefined && launched.has(entry.name) ? [join(cgroupRoot, launchedCgroup(instance, name))] : [];
  const stated = entry.selectors.flatMap((selector) => {
    if (selector.startsWith(UNIT)) return unitCgroup(cgroupRoot, selector.slice(UNIT.length)) ?? [];
    if (!selector.startsWith(PATH)) return [];
    const path = join(cgroupRoot, selector.slice(PATH.length));
    return path.startsWith(`${cgroupRoot}/`) && isDirectory(path) ? [path] : [];
  });
  return [...new Set([...own, ...stated])];
}

const UNIT = "systemd:id:";
const PATH = "cgroup:path:";

/** Whether the place of a workload may change without its registration changing: a unit is started, a cgroup made. */
export const isPlacedElsewhere = ({ selectors }: Pick<Entry, "selectors">): boolean =>
  selectors.some((selector) => selector.startsWith(UNIT) || selector.startsWith(PATH));

/** Names (`shop/orders`) of workloads that `vigil run --as` has made a cgroup for. */
function launchedWorkloads(cgroupRoot: string, instance: string): ReadonlySet<string> {
  return new Set(launchedDirectories(cgroupRoot, instance).map(({ workload }) => workloadText(workload)));
}

/** The cgroups of launched workloads, whoever is in them. */
export function launchedDirectories(
  cgroupRoot: string,
  instance: string,
): readonly { readonly path: string; readonly workload: WorkloadName }[] {
  const parent = join(cgroupRoot, LAUNCH_ROOT, instance);
  return directoriesIn(parent).flatMap((directory) => {
    const workload = workloadOfDirectory(directory);
    return workload === undefined ? [] : [{ path: join(parent, directory), workload }];
  });
}

/** Removes those cgroups; where a program still runs they stay, and are found again at the next start. */
export function removeLaunchedDirectories(cgroupRoot: string | undefined, instance: string): void {
  if (cgroupRoot === undefined) return;
  const workloads = launchedDirectories(cgroupRoot, instance).map(({ path }) => path);
  // A `vigil run` that was killed leaves the cgroup of its program.
  const programs = workloads.flatMap((path) => directoriesIn(path).map((name) => join(path, name)));
  for (const path of [...programs, ...workloads, join(cgroupRoot, LAUNCH_ROOT, instance)]) {
    try {
      rmdirSync(path);
    } catch {
      // It is not there, or a program is in it.
    }
  }
}

const MAX_SLICES = 4_096;

/** Where a unit of the system's service manager is: in slices, and in nothing else (systemd.unit(5)). Undefined while it does not run. */
function unitCgroup(cgroupRoot: string, unit: string): string | undefined {
  if (unit.includes("/")) return undefined;
  const waiting = [cgroupRoot];
  for (let seen = 0; waiting.length > 0 && seen < MAX_SLICES; seen++) {
    const slice = waiting.shift() ?? "";
    const path = join(slice, unit);
    if (isDirectory(path)) return path;
    waiting.push(...directoriesIn(slice).flatMap((name) => (name.endsWith(".slice") ? [join(slice, name)] : [])));
  }
  return undefined;
}

const isDirectory = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

function directoriesIn(path: string): readonly string[] {
  try {
    return readdirSync(path, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
  } catch {
    return []; // It is not there, or has gone.
  }
}
