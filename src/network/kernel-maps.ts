/**
 * What the programs look up, and what they remember. Maps of a policy set exist twice, in two banks: a new set is written into the bank that
 * is not in use, and one store of eight bytes (`state.generation`, whose lowest bit is the bank) puts it in force for every program at once.
 */
import {
  arrayMap,
  hashMap,
  type Layout,
  lossCounter,
  MAP_FLAGS,
  type MapSpec,
  mapOfMaps,
  ringBuffer,
  struct,
  u8,
  u16,
  u16be,
  u32,
  u64,
  u64AsNumber,
} from "../ebpf/index.ts";
import { type DnsMaps, dnsMaps } from "./dns/dns-maps.ts";

type Numbers<K extends string> = { readonly [P in K]: number };
type Wide<K extends string> = { readonly [P in K]: bigint };

export type AddressKey = Numbers<"bits" | "a" | "b" | "c" | "d">;
export type AddressFacts = Numbers<"identity" | "node" | "isLocal">;
export type PolicyKey = Numbers<"identity" | "direction">;
export type PolicyFacts = Numbers<"policy" | "otherPeers" | "networkClasses" | "firstCell">;
export type ClassKey = Numbers<"policy" | "member">;
export type VerdictKey = Numbers<"bits" | "table" | "protocol" | "port">;
export type Verdict = Numbers<"isAllowed" | "isAudited" | "isProvisional" | "ground">;
export type ConnectionKey = Wide<"cgroup" | "ownHigh" | "ownLow" | "peerHigh" | "peerLow"> & Numbers<"ownPort" | "peerPort" | "protocol">;
export type Connection = Wide<"peerCgroup"> &
  Numbers<"generation" | "direction" | "port" | "condition" | "lastSeenNs" | "sent" | "received">;
export type FlowKey = Wide<"sourceHigh" | "sourceLow" | "destinationHigh" | "destinationLow"> &
  Numbers<"sourcePort" | "destinationPort" | "protocol">;
export type ListenerKey = Wide<"network" | "high" | "low"> & Numbers<"port" | "protocol" | "zero">;
export type Listener = Wide<"cgroup" | "cookie">;
export type FlowRecord = Wide<"cgroup" | "peerCgroup" | "ownHigh" | "ownLow" | "peerHigh" | "peerLow"> &
  Numbers<
    | "timeNs"
    | "generation"
    | "sent"
    | "received"
    | "identity"
    | "peerIdentity"
    | "ground"
    | "pid"
    | "ownPort"
    | "peerPort"
    | "protocol"
    | "direction"
    | "step"
    | "verdict"
    | "tcpFlags"
    | "hook"
  >;
export type NetworkState = Numbers<"generation" | "even" | "odd">;

/**
 * `generation`: in force; 0 until the first set is. Its lowest bit is the bank; `even` and `odd` are said of one bank each, with a bit for each depth
 * of the hierarchy at which workloads have their cgroups, `AUDIT_BIT`, and the greatest of the depths from `DEEPEST_SHIFT` on.
 */
export const STATE: Layout<NetworkState> = struct("network_state", { generation: u64AsNumber, even: u64AsNumber, odd: u64AsNumber });

/** What would be denied passes, and is reported. */
export const AUDIT_BIT: number = 1 << 16;
export const DEEPEST_SHIFT = 24;

/** 96 bits before an IPv4 address, as in `::ffff:192.0.2.1`: one map for both families. `bits` counts all 128. */
export const ADDRESS_KEY: Layout<AddressKey> = struct("address_key", { bits: u32, a: u32, b: u32, c: u32, d: u32 });
export const ADDRESS_FACTS: Layout<AddressFacts> = struct("address_facts", { identity: u32, node: u32, isLocal: u32 });

export const POLICY_KEY: Layout<PolicyKey> = struct("policy_key", { identity: u32, direction: u32 });
export const POLICY_FACTS: Layout<PolicyFacts> = struct("policy_facts", {
  policy: u32,
  otherPeers: u32,
  networkClasses: u32,
  firstCell: u32,
});
/** A peer's identity or an address's node, as a policy sees it. */
export const CLASS_KEY: Layout<ClassKey> = struct("class_key", { policy: u32, member: u32 });

/** Ports as prefixes: a range is a few of them. */
export const VERDICT_KEY: Layout<VerdictKey> = struct("verdict_key", { bits: u32, table: u32, protocol: u16, port: u16be });
export const VERDICT: Layout<Verdict> = struct("verdict", { isAllowed: u8, isAudited: u8, isProvisional: u8, ground: u32 });

/** A flow as one of its ends sees it. Addresses are octets as on the wire, in two halves; ports are numbers. */
export const CONNECTION_KEY: Layout<ConnectionKey> = struct("connection_key", {
  cgroup: u64,
  ownHigh: u64,
  ownLow: u64,
  peerHigh: u64,
  peerLow: u64,
  ownPort: u16,
  peerPort: u16,
  protocol: u32,
});
export const CONNECTION: Layout<Connection> = struct("connection", {
  /** Of the set that allowed it; another one decides again. */
  generation: u64AsNumber,
  /** Of a peer on this host; 0 for one that is known by its address. */
  peerCgroup: u64,
  /** 0: this end began it; 1: the peer. */
  direction: u32,
  /** By which it was decided: the destination's port, or the type of the first ICMP message. */
  port: u16,
  /** 1: one end has said that it is done. 2: a set denied what an earlier one had allowed. */
  condition: u16,
  lastSeenNs: u64AsNumber,
  sent: u64AsNumber,
  received: u64AsNumber,
});

/** A flow as it is on the wire: which workload on this host sends it, for peers that share an address. */
export const FLOW_KEY: Layout<FlowKey> = struct("flow_key", {
  sourceHigh: u64,
  sourceLow: u64,
  destinationHigh: u64,
  destinationLow: u64,
  sourcePort: u16,
  destinationPort: u16,
  protocol: u32,
});

/** A bound socket of a workload. */
export const LISTENER_KEY: Layout<ListenerKey> = struct("listener_key", {
  network: u64,
  high: u64,
  low: u64,
  port: u16,
  protocol: u16,
  zero: u32,
});
export const LISTENER: Layout<Listener> = struct("listener", { cgroup: u64, cookie: u64 });

export const FLOW_RECORD: Layout<FlowRecord> = struct("flow_record", {
  timeNs: u64AsNumber,
  generation: u64AsNumber,
  cgroup: u64,
  peerCgroup: u64,
  ownHigh: u64,
  ownLow: u64,
  peerHigh: u64,
  peerLow: u64,
  sent: u64AsNumber,
  received: u64AsNumber,
  identity: u32,
  peerIdentity: u32,
  ground: u32,
  pid: u32,
  ownPort: u16,
  peerPort: u16,
  protocol: u8,
  /** 0 egress, 1 ingress. */
  direction: u8,
  /** `STEPS` */
  step: u8,
  /** 0 denied, 1 allowed, 2 allowed and audited. */
  verdict: u8,
  tcpFlags: u32,
  hook: u32,
});

/** As the kernel's maps number them; 0 is any other protocol. */
export const PROTOCOL_NUMBER = { tcp: 1, udp: 2, sctp: 3, icmp: 4, icmpv6: 5 } as const;
export const DIRECTION_NUMBER = { egress: 0, ingress: 1 } as const;
export const STEPS = ["begin", "refused", "end"] as const;
export const HOOKS = ["packet", "connect", "socket"] as const;

/** A banked map: `outer` has the bank's map at the bank's number, which looks like `inner` but is as large as it needs to be. */
export interface Banked<K, V> {
  readonly outer: MapSpec<number, never>;
  readonly inner: MapSpec<K, V>;
}

const banked = <K, V>(inner: MapSpec<K, V>): Banked<K, V> => ({
  outer: mapOfMaps(`${inner.name}_banks`, { inner: inner as MapSpec, maxEntries: 2 }),
  inner,
});

export interface Banks {
  /** By id of the cgroup: identity. */
  readonly workloads: Banked<bigint, number>;
  readonly addresses: Banked<AddressKey, AddressFacts>;
  readonly policies: Banked<PolicyKey, PolicyFacts>;
  readonly peers: Banked<ClassKey, number>;
  readonly networks: Banked<ClassKey, number>;
  /** Classes of a policy → table of verdicts. */
  readonly cells: Banked<number, number>;
  readonly verdicts: Banked<VerdictKey, Verdict>;
}

export const networkBanks = (): Banks => ({
  workloads: banked(hashMap("workloads", { key: u64, value: u32, maxEntries: 1 })),
  addresses: banked(hashMap("addresses", { key: ADDRESS_KEY, value: ADDRESS_FACTS, maxEntries: 1, type: "lpm_trie" })),
  policies: banked(hashMap("policies", { key: POLICY_KEY, value: POLICY_FACTS, maxEntries: 1 })),
  peers: banked(hashMap("peers", { key: CLASS_KEY, value: u32, maxEntries: 1 })),
  networks: banked(hashMap("networks", { key: CLASS_KEY, value: u32, maxEntries: 1 })),
  cells: banked(arrayMap("cells", { value: u32, maxEntries: 1, flags: MAP_FLAGS.innerMap })),
  verdicts: banked(hashMap("verdicts", { key: VERDICT_KEY, value: VERDICT, maxEntries: 1, type: "lpm_trie" })),
});

/** How much is remembered. */
export interface NetworkSizes {
  /** Connections of both ends; the least recently used are forgotten first, and decided again. */
  readonly connections: number;
  /** Flows between workloads of this host, and sockets that they bound. */
  readonly localFlows: number;
  /** Bytes of the ring of flow events: a power of two. */
  readonly eventBytes: number;
  /** Entries of each map of a policy set, at most: a set that needs more is refused. */
  readonly setEntries: number;
  /** Addresses of names that are remembered, each name of an address counted. */
  readonly names: number;
}

export const DEFAULT_SIZES: NetworkSizes = {
  connections: 65_536,
  localFlows: 32_768,
  eventBytes: 1 << 20,
  setEntries: 4_000_000,
  names: 32_768,
};

export interface NetworkMaps {
  readonly state: MapSpec<number, NetworkState>;
  readonly banks: Banks;
  readonly connections: MapSpec<ConnectionKey, Connection>;
  readonly flows: MapSpec<FlowKey, bigint>;
  readonly listeners: MapSpec<ListenerKey, Listener>;
  /** By cookie of the socket: where it is bound. */
  readonly bound: MapSpec<bigint, ListenerKey>;
  readonly events: MapSpec<never, FlowRecord>;
  readonly losses: MapSpec<number, number>;
  /** Writing into a map of maps returns once no program uses what was there before; this one exists for that wait alone. */
  readonly fence: Banked<number, number>;
  readonly dns: DnsMaps;
}

export function networkMaps({ connections, localFlows, eventBytes, names }: Omit<NetworkSizes, "setEntries">): NetworkMaps {
  return {
    state: arrayMap("network_state", { value: STATE, maxEntries: 1 }),
    banks: networkBanks(),
    connections: hashMap("connections", { key: CONNECTION_KEY, value: CONNECTION, maxEntries: connections, type: "lru_hash" }),
    flows: hashMap("flows", { key: FLOW_KEY, value: u64, maxEntries: localFlows, type: "lru_hash" }),
    listeners: hashMap("listeners", { key: LISTENER_KEY, value: LISTENER, maxEntries: localFlows, type: "lru_hash" }),
    bound: hashMap("bound", { key: u64, value: LISTENER_KEY, maxEntries: localFlows, type: "lru_hash" }),
    events: ringBuffer("flow_events", { record: FLOW_RECORD, sizeBytes: eventBytes }),
    losses: lossCounter("flow_losses"),
    fence: banked(arrayMap("fence", { value: u32, maxEntries: 1 })),
    dns: dnsMaps(names),
  };
}
