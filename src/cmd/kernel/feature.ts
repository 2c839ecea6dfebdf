/** What Vigil uses of the kernel, and for what. */

import type { KernelCallName } from "../../ebpf/builder/kernel-call.ts";
import { AVAILABLE, type Availability, unavailable } from "../../ebpf/kernel/availability.ts";
import type { HookName } from "../../ebpf/kernel/hook-trial.ts";
import type { KernelProbe } from "../../ebpf/kernel/probe.ts";
import type { MapType } from "../../ebpf/map-spec.ts";
import { bpfFileSystemPath, cgroup2Path, type Mount } from "../../linux/mounts.ts";

export interface Feature {
  readonly name: string;
  /** Parts of Vigil that are off, or do less, without it; empty for what Vigil would use but does not need. */
  readonly usedFor: string;
  readonly availability: Availability;
}

const HOOKS: readonly (readonly [hook: HookName, usedFor: string])[] = [
  ["tp_btf", "runtime sensor, profiles"],
  ["tracepoint", ""],
  ["iter", "runtime sensor"],
  ["cgroup/connect4", "network policy, runtime sensor"],
  ["cgroup/connect6", "network policy, runtime sensor"],
  ["cgroup/sendmsg4", "network policy"],
  ["cgroup/sendmsg6", "network policy"],
  ["cgroup/bind4", "network policy, runtime sensor"],
  ["cgroup/bind6", "network policy, runtime sensor"],
  ["cgroup/sock_create", "network policy"],
  ["cgroup/skb_ingress", "network policy"],
  ["cgroup/skb_egress", "network policy"],
  ["sock_ops", "network policy"],
  ["xdp", "flood protection"],
  ["tcx", ""],
  ["netfilter", ""],
  ["fentry", ""],
  ["lsm", ""],
];

const MAPS: readonly (readonly [type: MapType, usedFor: string])[] = [
  ["hash", "all programs"],
  ["array", "all programs"],
  ["percpu_array", "all programs"],
  ["ringbuf", "runtime sensor"],
  ["lru_hash", "network policy"],
  ["lpm_trie", "network policy"],
  ["array_of_maps", "network policy"],
  ["prog_array", "runtime sensor"],
  ["task_storage", ""],
  ["cgrp_storage", ""],
];

const CALLS: readonly (readonly [call: KernelCallName, hook: HookName, usedFor: string])[] = [
  ["get_current_cgroup_id", "tp_btf", "runtime sensor"],
  ["send_signal", "tp_btf", "refusing programs at exec"],
  ["probe_read_user_str", "tp_btf", "runtime sensor"],
];

/** Asks for everything that Vigil uses, in the order in which it is shown. */
export function findFeatures(probe: KernelProbe, mounts: readonly Mount[]): readonly Feature[] {
  return [
    { name: "types of the kernel (BTF)", usedFor: "runtime sensor, profiles", availability: probe.btf() },
    { name: "cgroup v2", usedFor: "network policy, workloads", availability: mounted(cgroup2Path(mounts), "no cgroup2 is mounted") },
    {
      name: "BPF file system",
      usedFor: "policies that outlive Vigil",
      availability: mounted(bpfFileSystemPath(mounts), "none is mounted; Vigil mounts it when it runs as root"),
    },
    ...HOOKS.map(([hook, usedFor]) => ({ name: `hook ${hook}`, usedFor, availability: probe.hook(hook) })),
    ...MAPS.map(([type, usedFor]) => ({ name: `map ${type}`, usedFor, availability: probe.map(type) })),
    ...CALLS.map(([call, hook, usedFor]) => ({ name: `${call} at ${hook}`, usedFor, availability: probe.kernelCall(call, hook) })),
  ];
}

const mounted = (path: string | undefined, reason: string): Availability => (path === undefined ? unavailable(reason) : AVAILABLE);
