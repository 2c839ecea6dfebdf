/**
 * Functions that the kernel offers to programs under numbers of its interface (`enum bpf_func_id`), and what they take.
 * The numbers are part of the kernel's interface: they never change, and new functions no longer get one.
 */

/** What an argument is. `input` and `output` are an address and a size, which take two registers. */
export type ArgumentKind = "scalar" | "context" | "map" | "input" | "output" | "address";

export interface KernelCall {
  readonly id: number;
  readonly takes: readonly ArgumentKind[];
}

/** By name, without `bpf_`. */
export const KERNEL_CALLS = {
  ktime_get_ns: { id: 5, takes: [] },
  trace_printk: { id: 6, takes: ["input", "scalar", "scalar", "scalar"] },
  get_prandom_u32: { id: 7, takes: [] },
  get_smp_processor_id: { id: 8, takes: [] },
  skb_store_bytes: { id: 9, takes: ["context", "scalar", "input", "scalar"] },
  l3_csum_replace: { id: 10, takes: ["context", "scalar", "scalar", "scalar", "scalar"] },
  l4_csum_replace: { id: 11, takes: ["context", "scalar", "scalar", "scalar", "scalar"] },
  get_current_pid_tgid: { id: 14, takes: [] },
  get_current_uid_gid: { id: 15, takes: [] },
  get_current_comm: { id: 16, takes: ["output"] },
  redirect: { id: 23, takes: ["scalar", "scalar"] },
  perf_event_output: { id: 25, takes: ["context", "map", "scalar", "input"] },
  skb_load_bytes: { id: 26, takes: ["context", "scalar", "output"] },
  get_stackid: { id: 27, takes: ["context", "map", "scalar"] },
  csum_diff: { id: 28, takes: ["input", "input", "scalar"] },
  get_current_task: { id: 35, takes: [] },
  current_task_under_cgroup: { id: 37, takes: ["map", "scalar"] },
  skb_change_tail: { id: 38, takes: ["context", "scalar", "scalar"] },
  skb_pull_data: { id: 39, takes: ["context", "scalar"] },
  get_numa_node_id: { id: 42, takes: [] },
  xdp_adjust_head: { id: 44, takes: ["context", "scalar"] },
  get_socket_cookie: { id: 46, takes: ["context"] },
  get_socket_uid: { id: 47, takes: ["context"] },
  setsockopt: { id: 49, takes: ["context", "scalar", "scalar", "input"] },
  redirect_map: { id: 51, takes: ["map", "scalar", "scalar"] },
  getsockopt: { id: 57, takes: ["context", "scalar", "scalar", "output"] },
  sock_ops_cb_flags_set: { id: 59, takes: ["context", "scalar"] },
  xdp_adjust_tail: { id: 65, takes: ["context", "scalar"] },
  skb_load_bytes_relative: { id: 68, takes: ["context", "scalar", "output", "scalar"] },
  fib_lookup: { id: 69, takes: ["context", "output", "scalar"] },
  skb_cgroup_id: { id: 79, takes: ["context"] },
  get_current_cgroup_id: { id: 80, takes: [] },
  skb_ancestor_cgroup_id: { id: 83, takes: ["context", "scalar"] },
  sysctl_get_name: { id: 101, takes: ["context", "output", "scalar"] },
  sysctl_get_current_value: { id: 102, takes: ["context", "output"] },
  sysctl_get_new_value: { id: 103, takes: ["context", "output"] },
  send_signal: { id: 109, takes: ["scalar"] },
  probe_read_user: { id: 112, takes: ["output", "address"] },
  probe_read_kernel: { id: 113, takes: ["output", "address"] },
  probe_read_user_str: { id: 114, takes: ["output", "address"] },
  probe_read_kernel_str: { id: 115, takes: ["output", "address"] },
  send_signal_thread: { id: 117, takes: ["scalar"] },
  jiffies64: { id: 118, takes: [] },
  get_ns_current_pid_tgid: { id: 120, takes: ["scalar", "scalar", "output"] },
  get_netns_cookie: { id: 122, takes: ["context"] },
  get_current_ancestor_cgroup_id: { id: 123, takes: ["scalar"] },
  ktime_get_boot_ns: { id: 125, takes: [] },
  seq_write: { id: 127, takes: ["address", "input"] },
  sk_cgroup_id: { id: 128, takes: ["address"] },
  ringbuf_output: { id: 130, takes: ["map", "input", "scalar"] },
  ringbuf_query: { id: 134, takes: ["map", "scalar"] },
  csum_level: { id: 135, takes: ["context", "scalar"] },
  get_task_stack: { id: 141, takes: ["address", "output", "scalar"] },
  d_path: { id: 147, takes: ["address", "output"] },
  copy_from_user: { id: 148, takes: ["output", "address"] },
  task_pt_regs: { id: 175, takes: ["address"] },
  ktime_get_coarse_ns: { id: 160, takes: [] },
  get_func_ip: { id: 173, takes: ["context"] },
  get_attach_cookie: { id: 174, takes: ["context"] },
  strncmp: { id: 182, takes: ["input", "address"] },
  get_retval: { id: 186, takes: [] },
  set_retval: { id: 187, takes: ["scalar"] },
  xdp_get_buff_len: { id: 188, takes: ["context"] },
  xdp_load_bytes: { id: 189, takes: ["context", "scalar", "output"] },
  xdp_store_bytes: { id: 190, takes: ["context", "scalar", "input"] },
  tcp_raw_gen_syncookie_ipv4: { id: 204, takes: ["address", "address", "scalar"] },
  tcp_raw_gen_syncookie_ipv6: { id: 205, takes: ["address", "address", "scalar"] },
  tcp_raw_check_syncookie_ipv4: { id: 206, takes: ["address", "address"] },
  tcp_raw_check_syncookie_ipv6: { id: 207, takes: ["address", "address"] },
  ktime_get_tai_ns: { id: 208, takes: [] },
} as const;

export type KernelCallName = keyof typeof KERNEL_CALLS;

/** Functions that `Code` calls by methods of its own, because what they return needs care. */
export const CALL_ID = {
  map_lookup_elem: 1,
  map_update_elem: 2,
  map_delete_elem: 3,
  tail_call: 12,
  ringbuf_reserve: 131,
  ringbuf_submit: 132,
  ringbuf_discard: 133,
  map_lookup_percpu_elem: 195,
  sk_storage_get: 107,
  task_storage_get: 156,
  task_storage_delete: 157,
  get_current_task_btf: 158,
  loop: 181,
  cgrp_storage_get: 210,
  cgrp_storage_delete: 211,
} as const;
