/** The kernel's part of access policies on this machine: opened with the first policy, given every change as a whole, and left or ended. */
import { statSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { findPinDirectory, openPinDirectory, type PinDirectory } from "../../ebpf/index.ts";
import { VigilError } from "../../lib/error.ts";
import { cgroup2Path } from "../../linux/mounts.ts";
import { type NetworkEnforcement, openNetworkEnforcement } from "../../network/enforcement.ts";
import type { NetworkFlow } from "../../network/flow.ts";
import type { AccessSet } from "../../policy/access/access-set.ts";
import { SYSTEM_STATE } from "../identity-sockets.ts";
import { instanceOf } from "../installation-instance.ts";
import type { Settings } from "../settings.ts";
import type { FollowedFiles } from "./followed-files.ts";
import { type PlacedWorkload, placeWorkloads } from "./inventory.ts";
import { cutConnection, ownCgroup } from "./own-connections.ts";

export type KernelLayerErrorCode = "NETWORK_CUTS_VIGIL";

export interface KernelLayerOptions {
  readonly stateDirectory: string;
  readonly configuration: Settings;
  readonly onFlow: (flow: NetworkFlow) => void;
  readonly onLoss: (count: number) => void;
}

/** The pins of the system's Vigil are where `vigil kernel` looks first; others have their instance in the name. */
export const pinDirectoryName = (stateDirectory: string): string =>
  stateDirectory === SYSTEM_STATE ? "vigil" : `vigil-${instanceOf(stateDirectory)}`;

export class KernelLayer {
  readonly #options: KernelLayerOptions;
  readonly #instance: string;
  readonly #cgroupRoot: string | undefined = cgroup2Path();
  #enforcement: NetworkEnforcement | undefined;
  #pins: PinDirectory | undefined;
  #set: AccessSet | undefined;
  #inventoryKey = "";
  #interfacesKey = "";
  #governed = 0;

  constructor(options: KernelLayerOptions) {
    this.#options = options;
    this.#instance = instanceOf(options.stateDirectory);
  }

  get isOpen(): boolean {
    return this.#enforcement !== undefined;
  }

  get enforcement(): NetworkEnforcement | undefined {
    return this.#enforcement;
  }

  /** Cgroups of workloads whose processes the kernel knows. */
  get placedCount(): number {
    return this.#governed;
  }

  /** Whether an earlier process left something in force. */
  hasLeftovers(): boolean {
    return (findPinDirectory(pinDirectoryName(this.#options.stateDirectory))?.list().length ?? 0) > 0;
  }

  /**
   * Puts policies and workloads in force; nothing happens when neither has changed. Throws `NETWORK_UNAVAILABLE` where the kernel cannot,
   * `NETWORK_SHARED_CGROUP`, `NETWORK_CUTS_VIGIL`, `NETWORK_SET` or `NETWORK_CGROUP` for what it does not take: what was in force stays.
   */
  apply({ set, entries }: FollowedFiles, enforcing: ReadonlySet<string>): void {
    const workloads = placeWorkloads({ entries, instance: this.#instance, cgroupRoot: this.#cgroupRoot, enforcing });
    this.#refuseCut(set, workloads);
    this.#enforcement ??= this.#open();
    const enforcement = this.#enforcement;
    const key = inventoryKey(workloads);
    if (key !== this.#inventoryKey) {
      enforcement.setInventory(workloads);
      this.#inventoryKey = key;
      this.#governed = workloads.filter(({ cgroupPath }) => cgroupPath !== undefined).length;
    }
    if (set !== this.#set) enforcement.setPolicies(set);
    this.#set = set;
    this.#interfacesKey = interfacesKey();
  }

  /** Compiles again what depends on the time, or on this host's addresses. */
  refresh(): void {
    this.#enforcement?.refresh();
  }

  /** As `refresh`, when this host has other addresses than before. */
  followAddresses(): void {
    const key = interfacesKey();
    if (this.#enforcement === undefined || key === this.#interfacesKey) return;
    this.#interfacesKey = key;
    this.#enforcement.refresh();
  }

  /** With `keep`, what is in force stays in the kernel until the next process takes over. */
  close({ keep }: { readonly keep: boolean }): void {
    this.#enforcement?.close({ keepPinned: keep });
    this.#enforcement = undefined;
    if (!keep) this.#pins?.removeIfEmpty();
  }

  #open(): NetworkEnforcement {
    const { stateDirectory, configuration, onFlow, onLoss } = this.#options;
    this.#pins = openPinDirectory(pinDirectoryName(stateDirectory));
    return openNetworkEnforcement({ onFlow, onLoss, isAudit: configuration["network.mode"] === "audit", pins: this.#pins });
  }

  #refuseCut(set: AccessSet, workloads: readonly PlacedWorkload[]): void {
    const { configuration } = this.#options;
    if (configuration["network.force"] || configuration["network.mode"] === "audit") return;
    const cut = cutConnection(set, workloads, ownCgroup(this.#cgroupRoot), configuration, Date.now());
    if (cut === undefined) return;
    throw new VigilError<KernelLayerErrorCode>("NETWORK_CUTS_VIGIL", `${cut.what} of Vigil itself would be cut by ${cut.policy}`, {
      hint: "allow it by a policy; `network.force` puts the policies in force all the same",
    });
  }
}

/** A cgroup that was made again is another one, whatever its path. */
const inventoryKey = (workloads: readonly PlacedWorkload[]): string =>
  JSON.stringify(
    workloads.map(({ endpoint, cgroupPath, addresses, hasUpperLayer }) => [
      endpoint,
      cgroupPath === undefined ? null : [cgroupPath, String(statSync(cgroupPath, { bigint: true, throwIfNoEntry: false })?.ino)],
      addresses?.map((address) => [...address]),
      hasUpperLayer,
    ]),
  );

const interfacesKey = (): string =>
  JSON.stringify(Object.values(networkInterfaces()).flatMap((list) => list?.map(({ address }) => address)));
