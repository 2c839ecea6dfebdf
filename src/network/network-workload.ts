/** Who the kernel shall recognise, and by what: cgroups of this host, and addresses. */
import { statSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { relative } from "node:path";
import { cgroup2Path } from "../ebpf/index.ts";
import { VigilError } from "../lib/error.ts";
import { parseIpAddress } from "../lib/ip-address.ts";
import type { Endpoint } from "../policy/access/endpoint.ts";
import { EXTERNAL_IDENTITY } from "../target/kernel/kernel-artifact.ts";
import type { Whereabouts } from "./encode-whereabouts.ts";
import { MAX_CGROUP_LEVEL } from "./lookups.ts";
import type { NetworkErrorCode } from "./network-error.ts";

/** Somebody whom the kernel shall recognise. */
export interface NetworkWorkload {
  readonly endpoint: Endpoint;
  /** Its cgroup, of version 2, for workloads of this host: only those are governed. */
  readonly cgroupPath?: string | undefined;
  /** Addresses that are its own, rather than this host's: 4 or 16 octets each. */
  readonly addresses?: readonly Uint8Array[];
  /** Whether a process or a proxy enforces for calls to it, and has the last word on what the kernel cannot see. Default: false. */
  readonly hasUpperLayer?: boolean;
}

export interface Located {
  readonly whereabouts: Whereabouts;
  /** A bit for each depth at which there are cgroups of workloads. */
  readonly levels: number;
}

/** Finds where everybody is. What it found stays the same object as long as it is the same list, and this host has the same addresses. */
export class WorkloadLocator {
  #asked: readonly unknown[] = [];
  #located: Located | undefined;

  /** By the numbers of `identities`. Throws `NETWORK_CGROUP`. */
  locate(workloads: readonly NetworkWorkload[], host: Endpoint, identities: readonly Endpoint[]): Located {
    const asked = [workloads, host, identities, JSON.stringify(networkInterfaces())];
    if (this.#located !== undefined && asked.every((each, index) => each === this.#asked[index])) return this.#located;
    this.#located = locate(workloads, host, identities);
    this.#asked = asked;
    return this.#located;
  }
}

function locate(workloads: readonly NetworkWorkload[], hostEndpoint: Endpoint, known: readonly Endpoint[]): Located {
  const identities = new Map(known.map((end, identity) => [JSON.stringify(end), identity]));
  const identityOf = (end: Endpoint): number => identities.get(JSON.stringify(end)) ?? EXTERNAL_IDENTITY;
  const host = identityOf(hostEndpoint);
  const addresses: { address: Uint8Array; identity: number; isLocal: boolean }[] = localAddresses().map((address) => ({
    address,
    identity: host,
    isLocal: true,
  }));
  const cgroups: { id: bigint; identity: number }[] = [];
  let levels = 0;
  for (const workload of workloads) {
    const identity = identityOf(workload.endpoint);
    for (const address of workload.addresses ?? []) addresses.push({ address, identity, isLocal: false });
    if (workload.cgroupPath === undefined) continue;
    const { id, level } = cgroupFacts(workload.cgroupPath);
    cgroups.push({ id, identity });
    levels |= 1 << level;
  }
  return { whereabouts: { cgroups, addresses, host }, levels };
}

function localAddresses(): readonly Uint8Array[] {
  return Object.values(networkInterfaces()).flatMap((list) =>
    (list ?? []).flatMap(({ address }) => parseIpAddress(address.split("%")[0] ?? "") ?? []),
  );
}

function cgroupFacts(path: string): { readonly id: bigint; readonly level: number } {
  const root = cgroup2Path();
  const below = root === undefined ? ".." : relative(root, path);
  const level = below === "" ? 0 : below.split("/").length;
  if (root === undefined || below.startsWith("..") || level > MAX_CGROUP_LEVEL)
    throw new VigilError<NetworkErrorCode>(
      "NETWORK_CGROUP",
      `\`${path}\` is no cgroup of version 2 at a depth of at most ${MAX_CGROUP_LEVEL}`,
      {
        hint: root === undefined ? "mount the hierarchy of version 2" : `name a directory below \`${root}\``,
      },
    );
  try {
    return { id: statSync(path, { bigint: true }).ino, level };
  } catch (cause) {
    throw new VigilError<NetworkErrorCode>("NETWORK_CGROUP", `the cgroup \`${path}\` of a workload is not there`, {
      hint: "create it before the inventory names it",
      cause,
    });
  }
}
