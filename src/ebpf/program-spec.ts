/** Programs as they are asked for: plain data, no kernel needed. */
import type { Instruction } from "./instruction.ts";
import type { MapSpec } from "./map-spec.ts";

/** `enum bpf_prog_type`, without the prefix. */
export const PROGRAM_TYPES = {
  socket_filter: 1,
  kprobe: 2,
  sched_cls: 3,
  sched_act: 4,
  tracepoint: 5,
  xdp: 6,
  perf_event: 7,
  cgroup_skb: 8,
  cgroup_sock: 9,
  lwt_in: 10,
  lwt_out: 11,
  lwt_xmit: 12,
  sock_ops: 13,
  sk_skb: 14,
  cgroup_device: 15,
  sk_msg: 16,
  raw_tracepoint: 17,
  cgroup_sock_addr: 18,
  lwt_seg6local: 19,
  lirc_mode2: 20,
  sk_reuseport: 21,
  flow_dissector: 22,
  cgroup_sysctl: 23,
  raw_tracepoint_writable: 24,
  cgroup_sockopt: 25,
  tracing: 26,
  struct_ops: 27,
  ext: 28,
  lsm: 29,
  sk_lookup: 30,
  syscall: 31,
  netfilter: 32,
} as const;

export type ProgramType = keyof typeof PROGRAM_TYPES;

/** `enum bpf_attach_type`, in lower case and without the prefix. */
export const ATTACH_TYPES = {
  cgroup_inet_ingress: 0,
  cgroup_inet_egress: 1,
  cgroup_inet_sock_create: 2,
  cgroup_sock_ops: 3,
  sk_skb_stream_parser: 4,
  sk_skb_stream_verdict: 5,
  cgroup_device: 6,
  sk_msg_verdict: 7,
  cgroup_inet4_bind: 8,
  cgroup_inet6_bind: 9,
  cgroup_inet4_connect: 10,
  cgroup_inet6_connect: 11,
  cgroup_inet4_post_bind: 12,
  cgroup_inet6_post_bind: 13,
  cgroup_udp4_sendmsg: 14,
  cgroup_udp6_sendmsg: 15,
  flow_dissector: 17,
  cgroup_sysctl: 18,
  cgroup_udp4_recvmsg: 19,
  cgroup_udp6_recvmsg: 20,
  cgroup_getsockopt: 21,
  cgroup_setsockopt: 22,
  trace_raw_tp: 23,
  trace_fentry: 24,
  trace_fexit: 25,
  modify_return: 26,
  lsm_mac: 27,
  trace_iter: 28,
  cgroup_inet4_getpeername: 29,
  cgroup_inet6_getpeername: 30,
  cgroup_inet4_getsockname: 31,
  cgroup_inet6_getsockname: 32,
  xdp_devmap: 33,
  cgroup_inet_sock_release: 34,
  xdp_cpumap: 35,
  sk_lookup: 36,
  xdp: 37,
  sk_skb_verdict: 38,
  perf_event: 41,
  lsm_cgroup: 43,
  netfilter: 45,
  tcx_ingress: 46,
  tcx_egress: 47,
  cgroup_unix_connect: 49,
  cgroup_unix_sendmsg: 50,
} as const;

export type AttachType = keyof typeof ATTACH_TYPES;

/** What a program hooks into by name, in the kernel's BTF. */
export interface AttachTarget {
  /** As in `sched_process_exec` or `task`. */
  readonly name: string;
  /** `attach_btf_id`: the type `btf_trace_NAME` of a tracepoint, the function `bpf_iter_NAME` of an iterator. */
  readonly btfId: number;
}

/** What a program shall be. */
export interface ProgramSpec {
  /** At most 15 characters of `A-Z a-z 0-9 _ .`. */
  readonly name: string;
  readonly type: ProgramType;
  readonly expectedAttachType?: AttachType;
  readonly attachTo?: AttachTarget;
  /** As in `GPL`, which many kernel functions ask for, or `Apache-2.0`. */
  readonly license: string;
  readonly instructions: readonly Instruction[];
  /** `prog_flags`; 0 when absent. */
  readonly flags?: number;
  /** The maps that the instructions refer to, each once. */
  readonly maps: readonly MapSpec[];
}

/** The maps that instructions refer to, each once, in order of appearance. */
export function mapsOf(instructions: readonly Instruction[]): readonly MapSpec[] {
  return [...new Set(instructions.flatMap(({ map }) => (map === undefined ? [] : [map])))];
}
