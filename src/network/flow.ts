/** A step of a flow, as the kernel's record tells it. */
import { codecOf } from "../ebpf/index.ts";
import { formatIpAddress, isIpv4Mapped } from "../lib/ip-network.ts";
import type { Direction } from "../policy/access/access-rule.ts";
import type { Ground } from "../policy/access/decide-access.ts";
import type { Endpoint } from "../policy/access/endpoint.ts";
import type { Protocol } from "../resource/port-spec.ts";
import { FLOW_RECORD, type FlowRecord, HOOKS, PROTOCOL_NUMBER, STEPS } from "./kernel-maps.ts";

export interface NetworkFlow {
  /** Nanoseconds since boot. */
  readonly bootTimeNs: number;
  /** `begin`: the first packet passed. `end`: one end says that it is done (TCP). `refused`: a packet, a connection or a socket was. */
  readonly step: (typeof STEPS)[number];
  readonly verdict: "allow" | "deny" | "audit";
  /** Where it was judged: `connect` in the process, before a packet; `socket` when it was made. */
  readonly hook: (typeof HOOKS)[number];
  /** Whose policies judged it: the source's, or the destination's. */
  readonly direction: Direction;
  /** Undefined for what is none of them, such as raw sockets. */
  readonly protocol: Protocol | undefined;
  readonly source: FlowEnd;
  readonly destination: FlowEnd;
  /** What decided, or in audit would have denied; undefined when no policy had to, or nothing is known of it any more. */
  readonly ground: Ground | undefined;
  /** Of the process that connects or opens a socket; 0 for packets. */
  readonly pid: number;
  /** Bytes of packets from the workload that judged, and to it. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** As in a TCP header. */
  readonly tcpFlags: number;
}

export interface FlowEnd {
  /** Undefined when it has been forgotten since. */
  readonly endpoint: Endpoint | undefined;
  /** Empty where it is not known: the source of a `connect`. */
  readonly address: string;
  readonly port: number;
  /** Of the workload; 0 for peers that are known by their address. */
  readonly cgroupId: bigint;
}

/** What numbers of one generation mean. */
export interface FlowNames {
  readonly identities: readonly Endpoint[];
  readonly grounds: readonly (Ground | undefined)[];
}

/** Tells of each record of the ring. */
export function flowHandler(
  names: ReadonlyMap<number, FlowNames>,
  onFlow: (flow: NetworkFlow) => void,
): (view: DataView, offset: number) => void {
  const codec = codecOf(FLOW_RECORD);
  const into = codec.create();
  return (view, offset) => {
    const record = codec.decodeInto(view, offset, into);
    onFlow(flowOf(record, names.get(record.generation)));
  };
}

/** What a record says; it may be overwritten afterwards. */
export function flowOf(record: FlowRecord, names: FlowNames | undefined): NetworkFlow {
  const direction: Direction = record.direction === 0 ? "egress" : "ingress";
  const hook = HOOKS[record.hook] ?? "packet";
  // Who connects is told of the destination's refusal.
  const isSource = direction === "egress" || hook === "connect";
  const isIcmp = record.protocol >= PROTOCOL_NUMBER.icmp;
  const own: FlowEnd = {
    endpoint: names?.identities[record.identity],
    address: addressText(record.ownHigh, record.ownLow),
    port: isIcmp ? record.peerPort : record.ownPort,
    cgroupId: record.cgroup,
  };
  const peer: FlowEnd = {
    endpoint: names?.identities[record.peerIdentity],
    address: addressText(record.peerHigh, record.peerLow),
    port: record.peerPort,
    cgroupId: record.peerCgroup,
  };
  return {
    bootTimeNs: record.timeNs,
    step: STEPS[record.step] ?? "refused",
    verdict: record.verdict === 0 ? "deny" : record.verdict === 1 ? "allow" : "audit",
    hook,
    direction,
    protocol: PROTOCOLS[record.protocol],
    source: isSource ? own : peer,
    destination: isSource ? peer : own,
    ground: names?.grounds[record.ground],
    pid: record.pid,
    sentBytes: record.sent,
    receivedBytes: record.received,
    tcpFlags: record.tcpFlags,
  };
}

/** By number. */
const PROTOCOLS: readonly (Protocol | undefined)[] = Object.entries(PROTOCOL_NUMBER).reduce<(Protocol | undefined)[]>(
  (names, [name, number]) => {
    names[number] = name as Protocol; // the keys are protocols
    return names;
  },
  [],
);

/** Texts of addresses, since most flows are between the same few. */
const TEXTS = new Map<bigint, Map<bigint, string>>();
const MAX_TEXTS = 16_384;
let textCount = 0;

function addressText(high: bigint, low: bigint): string {
  if (high === 0n && low === 0n) return "";
  const known = TEXTS.get(high)?.get(low);
  if (known !== undefined) return known;
  if (textCount++ >= MAX_TEXTS) {
    TEXTS.clear();
    textCount = 1;
  }
  const text = formatHalves(high, low);
  const family = TEXTS.get(high);
  if (family === undefined) TEXTS.set(high, new Map([[low, text]]));
  else family.set(low, text);
  return text;
}

function formatHalves(high: bigint, low: bigint): string {
  const octets = new Uint8Array(16);
  const view = new DataView(octets.buffer);
  view.setBigUint64(0, high, true);
  view.setBigUint64(8, low, true);
  return formatIpAddress(isIpv4Mapped(octets) ? octets.subarray(12) : octets);
}
