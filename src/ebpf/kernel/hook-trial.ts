/** The smallest program for each hook, by which a probe tries whether the kernel has it. */
import type { AttachType, ProgramType } from "../program-spec.ts";

/** Names as `vigil kernel probe` lists them. */
export const HOOK_NAMES = [
  "tp_btf",
  "raw_tracepoint",
  "tracepoint",
  "perf_event",
  "iter",
  "fentry",
  "fexit",
  "fmod_ret",
  "lsm",
  "cgroup/connect4",
  "cgroup/connect6",
  "cgroup/sendmsg4",
  "cgroup/sendmsg6",
  "cgroup/recvmsg4",
  "cgroup/recvmsg6",
  "cgroup/bind4",
  "cgroup/bind6",
  "cgroup/connect_unix",
  "cgroup/sock_create",
  "cgroup/sock_release",
  "cgroup/post_bind4",
  "cgroup/skb_ingress",
  "cgroup/skb_egress",
  "cgroup/sockopt",
  "cgroup/sysctl",
  "cgroup/device",
  "sock_ops",
  "sk_lookup",
  "socket_filter",
  "xdp",
  "sched_cls",
  "tcx",
  "netfilter",
] as const;

export type HookName = (typeof HOOK_NAMES)[number];

/** A place where programs are attached, and how the smallest program for it looks. */
export interface HookTrial {
  readonly type: ProgramType;
  readonly expectedAttachType?: AttachType;
  /** What the program returns; hooks differ in what they allow. */
  readonly returns?: 0 | 1;
  /** The name in the kernel's BTF that the program attaches to. */
  readonly target?: { readonly name: string; readonly kind: "typedef" | "function" };
}

const socketAddress = (expectedAttachType: AttachType): HookTrial => ({ type: "cgroup_sock_addr", expectedAttachType, returns: 1 });
const cgroupSocket = (expectedAttachType: AttachType): HookTrial => ({ type: "cgroup_sock", expectedAttachType, returns: 1 });

const TRIALS: Readonly<Record<HookName, HookTrial>> = {
  tp_btf: { type: "tracing", expectedAttachType: "trace_raw_tp", target: { name: "btf_trace_sched_process_exec", kind: "typedef" } },
  raw_tracepoint: { type: "raw_tracepoint" },
  tracepoint: { type: "tracepoint" },
  perf_event: { type: "perf_event" },
  iter: { type: "tracing", expectedAttachType: "trace_iter", target: { name: "bpf_iter_task", kind: "function" } },
  fentry: { type: "tracing", expectedAttachType: "trace_fentry", target: { name: "do_exit", kind: "function" } },
  fexit: { type: "tracing", expectedAttachType: "trace_fexit", target: { name: "do_exit", kind: "function" } },
  fmod_ret: { type: "tracing", expectedAttachType: "modify_return", target: { name: "security_file_open", kind: "function" } },
  lsm: { type: "lsm", expectedAttachType: "lsm_mac", target: { name: "bpf_lsm_file_open", kind: "function" } },
  "cgroup/connect4": socketAddress("cgroup_inet4_connect"),
  "cgroup/connect6": socketAddress("cgroup_inet6_connect"),
  "cgroup/sendmsg4": socketAddress("cgroup_udp4_sendmsg"),
  "cgroup/sendmsg6": socketAddress("cgroup_udp6_sendmsg"),
  "cgroup/recvmsg4": socketAddress("cgroup_udp4_recvmsg"),
  "cgroup/recvmsg6": socketAddress("cgroup_udp6_recvmsg"),
  "cgroup/bind4": socketAddress("cgroup_inet4_bind"),
  "cgroup/bind6": socketAddress("cgroup_inet6_bind"),
  "cgroup/connect_unix": socketAddress("cgroup_unix_connect"),
  "cgroup/sock_create": cgroupSocket("cgroup_inet_sock_create"),
  "cgroup/sock_release": cgroupSocket("cgroup_inet_sock_release"),
  "cgroup/post_bind4": cgroupSocket("cgroup_inet4_post_bind"),
  "cgroup/skb_ingress": { type: "cgroup_skb", expectedAttachType: "cgroup_inet_ingress", returns: 1 },
  "cgroup/skb_egress": { type: "cgroup_skb", expectedAttachType: "cgroup_inet_egress", returns: 1 },
  "cgroup/sockopt": { type: "cgroup_sockopt", expectedAttachType: "cgroup_setsockopt", returns: 1 },
  "cgroup/sysctl": { type: "cgroup_sysctl", expectedAttachType: "cgroup_sysctl", returns: 1 },
  "cgroup/device": { type: "cgroup_device", expectedAttachType: "cgroup_device", returns: 1 },
  sock_ops: { type: "sock_ops", expectedAttachType: "cgroup_sock_ops", returns: 1 },
  sk_lookup: { type: "sk_lookup", expectedAttachType: "sk_lookup", returns: 1 },
  socket_filter: { type: "socket_filter" },
  xdp: { type: "xdp", expectedAttachType: "xdp" },
  sched_cls: { type: "sched_cls" },
  tcx: { type: "sched_cls", expectedAttachType: "tcx_ingress" },
  netfilter: { type: "netfilter", expectedAttachType: "netfilter", returns: 1 },
};

/** How a program for a hook has to look. */
export const trialOf = (name: HookName): HookTrial => TRIALS[name];
