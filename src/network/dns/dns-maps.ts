/** What programs and the DNS proxy tell each other: who is asked through the proxy, who asked whom, and what was learned. */
import {
  arrayMap,
  hashMap,
  type Layout,
  lossCounter,
  MAP_FLAGS,
  type MapSpec,
  ringBuffer,
  struct,
  text,
  u16,
  u32,
  u64,
  u64AsNumber,
} from "../../ebpf/index.ts";

type Numbers<K extends string> = { readonly [P in K]: number };
type Wide<K extends string> = { readonly [P in K]: bigint };

/** Where the proxy listens: addresses in halves as they lie in memory, ports as numbers. */
export type ProxyPlace = Numbers<"isOn" | "port4" | "port6"> & Wide<"low4" | "high6" | "low6">;
/** Whom a socket meant that was sent to the proxy. */
export type MeantResolver = Wide<"cgroup" | "high" | "low"> & Numbers<"port" | "zero">;
export type AskedRecord = Wide<"cgroup" | "ownHigh" | "ownLow" | "meantHigh" | "meantLow"> &
  Numbers<"ownPort" | "meantPort" | "protocol" | "id">;
export type NameKey = Wide<"high" | "low"> & { readonly name: string };

export const PROXY_PLACE: Layout<ProxyPlace> = struct("proxy_place", {
  isOn: u32,
  port4: u32,
  port6: u32,
  low4: u64,
  high6: u64,
  low6: u64,
});

export const MEANT_RESOLVER: Layout<MeantResolver> = struct("meant_resolver", { cgroup: u64, high: u64, low: u64, port: u32, zero: u32 });

/** A question on its way, or the first packet of a connection: whose it is, and for whom it was meant. */
export const ASKED_RECORD: Layout<AskedRecord> = struct("asked_record", {
  cgroup: u64,
  ownHigh: u64,
  ownLow: u64,
  meantHigh: u64,
  meantLow: u64,
  ownPort: u16,
  meantPort: u16,
  /** `PROTOCOL_NUMBER` */
  protocol: u16,
  /** Of the message; 0 for connections. */
  id: u16,
});

/** Longer than any name as text: an octet may take four characters. */
const MAX_NAME_TEXT = 256;
/** Names that would not fit are of octets that no host has. */
export const fitsNameKey = (name: string): boolean => name.length < MAX_NAME_TEXT;

const NAME_KEY: Layout<NameKey> = struct("name_key", { high: u64, low: u64, name: text(MAX_NAME_TEXT) });

export interface DnsMaps {
  readonly proxy: MapSpec<number, ProxyPlace>;
  /** Cgroups of workloads whose questions are read. */
  readonly clients: MapSpec<bigint, number>;
  /** By cookie of the socket. */
  readonly meant: MapSpec<bigint, MeantResolver>;
  readonly asked: MapSpec<never, AskedRecord>;
  readonly askedLosses: MapSpec<number, number>;
  /** Until when, in milliseconds since the epoch: so that the next process knows. */
  readonly names: MapSpec<NameKey, number>;
}

export const MAX_CLIENTS = 65_536;
const MAX_SOCKETS = 16_384;
const ASKED_BYTES = 1 << 17;

export const dnsMaps = (maxNames: number): DnsMaps => ({
  proxy: arrayMap("dns_proxy", { value: PROXY_PLACE, maxEntries: 1 }),
  clients: hashMap("dns_clients", { key: u64, value: u32, maxEntries: MAX_CLIENTS, flags: MAP_FLAGS.noPrealloc }),
  meant: hashMap("dns_meant", { key: u64, value: MEANT_RESOLVER, maxEntries: MAX_SOCKETS, type: "lru_hash" }),
  asked: ringBuffer("dns_asked", { record: ASKED_RECORD, sizeBytes: ASKED_BYTES }),
  askedLosses: lossCounter("dns_losses"),
  names: hashMap("dns_names", { key: NAME_KEY, value: u64AsNumber, maxEntries: maxNames, flags: MAP_FLAGS.noPrealloc }),
});
