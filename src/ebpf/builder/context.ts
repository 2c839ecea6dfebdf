/** What programs are given, by their type (`linux/bpf.h`). These layouts are part of the kernel's interface and never change. */
import { array, i32, type Layout, type StructLayout, struct, u16be, u32, u64 } from "../layout.ts";

const address6: Layout<readonly number[]> = array(u32, 4);

type Numbers<K extends string> = { readonly [P in K]: number };
type Lists<K extends string> = { readonly [P in K]: readonly number[] };
type Pointers<K extends string> = { readonly [P in K]: bigint };

/** Where a socket meets an address. Addresses and ports are in the wire's order: `get("user_port").bigEndian(16)`. */
export type SocketAddress = Numbers<"user_family" | "user_ip4" | "user_port" | "family" | "type" | "protocol" | "msg_src_ip4"> &
  Lists<"user_ip6" | "msg_src_ip6"> &
  Pointers<"sk">;

export const SOCKET_ADDRESS: StructLayout<SocketAddress> = struct("bpf_sock_addr", {
  user_family: u32,
  user_ip4: u32,
  user_ip6: address6,
  user_port: u32,
  family: u32,
  type: u32,
  protocol: u32,
  msg_src_ip4: u32,
  msg_src_ip6: address6,
  sk: u64,
});

/** A packet as the kernel has it. `remote_port` is in the wire's order, in the upper half. */
export type PacketBuffer = Numbers<
  | "len"
  | "pkt_type"
  | "mark"
  | "queue_mapping"
  | "protocol"
  | "vlan_present"
  | "vlan_tci"
  | "vlan_proto"
  | "priority"
  | "ingress_ifindex"
  | "ifindex"
  | "tc_index"
  | "hash"
  | "tc_classid"
  | "data"
  | "data_end"
  | "napi_id"
  | "family"
  | "remote_ip4"
  | "local_ip4"
  | "remote_port"
  | "local_port"
  | "data_meta"
  | "wire_len"
  | "gso_segs"
  | "gso_size"
> &
  Lists<"cb" | "remote_ip6" | "local_ip6"> &
  Pointers<"flow_keys" | "tstamp" | "sk">;

export const PACKET_BUFFER: StructLayout<PacketBuffer> = struct("__sk_buff", {
  len: u32,
  pkt_type: u32,
  mark: u32,
  queue_mapping: u32,
  protocol: u32,
  vlan_present: u32,
  vlan_tci: u32,
  vlan_proto: u32,
  priority: u32,
  ingress_ifindex: u32,
  ifindex: u32,
  tc_index: u32,
  cb: array(u32, 5),
  hash: u32,
  tc_classid: u32,
  data: u32,
  data_end: u32,
  napi_id: u32,
  family: u32,
  remote_ip4: u32,
  local_ip4: u32,
  remote_ip6: address6,
  local_ip6: address6,
  remote_port: u32,
  local_port: u32,
  data_meta: u32,
  flow_keys: u64,
  tstamp: u64,
  wire_len: u32,
  gso_segs: u32,
  sk: u64,
  gso_size: u32,
});

/** A packet as the driver has it. */
export type XdpPacket = Numbers<"data" | "data_end" | "data_meta" | "ingress_ifindex" | "rx_queue_index" | "egress_ifindex">;

export const XDP_PACKET: StructLayout<XdpPacket> = struct("xdp_md", {
  data: u32,
  data_end: u32,
  data_meta: u32,
  ingress_ifindex: u32,
  rx_queue_index: u32,
  egress_ifindex: u32,
});

/** A socket. */
export type Socket = Numbers<
  | "bound_dev_if"
  | "family"
  | "type"
  | "protocol"
  | "mark"
  | "priority"
  | "src_ip4"
  | "src_port"
  | "dst_port"
  | "dst_ip4"
  | "state"
  | "rx_queue_mapping"
> &
  Lists<"src_ip6" | "dst_ip6">;

export const SOCKET: StructLayout<Socket> = struct("bpf_sock", {
  bound_dev_if: u32,
  family: u32,
  type: u32,
  protocol: u32,
  mark: u32,
  priority: u32,
  src_ip4: u32,
  src_ip6: address6,
  src_port: u32,
  dst_port: u16be,
  dst_ip4: u32,
  dst_ip6: address6,
  state: u32,
  rx_queue_mapping: i32,
});

/** What happens to a TCP connection. */
export type SocketOperation = Numbers<
  | "op"
  | "family"
  | "remote_ip4"
  | "local_ip4"
  | "remote_port"
  | "local_port"
  | "is_fullsock"
  | "snd_cwnd"
  | "srtt_us"
  | "bpf_sock_ops_cb_flags"
  | "state"
> &
  Lists<"args" | "remote_ip6" | "local_ip6">;

export const SOCKET_OPERATION: StructLayout<SocketOperation> = struct("bpf_sock_ops", {
  op: u32,
  args: array(u32, 4),
  family: u32,
  remote_ip4: u32,
  local_ip4: u32,
  remote_ip6: address6,
  local_ip6: address6,
  remote_port: u32,
  local_port: u32,
  is_fullsock: u32,
  snd_cwnd: u32,
  srtt_us: u32,
  bpf_sock_ops_cb_flags: u32,
  state: u32,
});

/** Access to a device. */
export type Device = Numbers<"access_type" | "major" | "minor">;

export const DEVICE: StructLayout<Device> = struct("bpf_cgroup_dev_ctx", { access_type: u32, major: u32, minor: u32 });

/** Access to a sysctl. */
export type Sysctl = Numbers<"write" | "file_pos">;

export const SYSCTL: StructLayout<Sysctl> = struct("bpf_sysctl", { write: u32, file_pos: u32 });

/** A connection that looks for its socket. */
export type SocketLookup = Numbers<"family" | "protocol" | "remote_ip4" | "remote_port" | "local_ip4" | "local_port" | "ingress_ifindex"> &
  Lists<"remote_ip6" | "local_ip6"> &
  Pointers<"sk">;

export const SOCKET_LOOKUP: StructLayout<SocketLookup> = struct("bpf_sk_lookup", {
  sk: u64,
  family: u32,
  protocol: u32,
  remote_ip4: u32,
  remote_ip6: address6,
  remote_port: u16be,
  local_ip4: u32,
  local_ip6: address6,
  local_port: u32,
  ingress_ifindex: u32,
});

/** Access to a socket option. */
export type SocketOption = Numbers<"level" | "optname" | "optlen" | "retval"> & Pointers<"sk" | "optval" | "optval_end">;

export const SOCKET_OPTION: StructLayout<SocketOption> = struct("bpf_sockopt", {
  sk: u64,
  optval: u64,
  optval_end: u64,
  level: i32,
  optname: i32,
  optlen: i32,
  retval: i32,
});
