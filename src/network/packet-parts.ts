/** Addresses, protocol and ports of a packet: IPv4, and IPv6 with extension headers before the protocol. */
import {
  type AnyMemory,
  type Code,
  type Layout,
  type Memory,
  type PacketBuffer,
  type Scalar,
  struct,
  u8,
  u16be,
  u32,
  u64,
  type Variable,
} from "../ebpf/index.ts";
import { PROTOCOL_NUMBER } from "./kernel-maps.ts";
import { IPV4_LOW } from "./lookups.ts";

type Numbers<K extends string> = { readonly [P in K]: number };

const IPV4: Layout<Numbers<"versionLength" | "service" | "length" | "id" | "fragment" | "ttl" | "protocol" | "sum" | "source" | "target">> =
  struct("ipv4", {
    versionLength: u8,
    service: u8,
    length: u16be,
    id: u16be,
    fragment: u16be,
    ttl: u8,
    protocol: u8,
    sum: u16be,
    source: u32,
    target: u32,
  });
const IPV6: Layout<
  Numbers<"version" | "length" | "next" | "hops"> & {
    readonly [P in "sourceHigh" | "sourceLow" | "targetHigh" | "targetLow"]: bigint;
  }
> = struct("ipv6", {
  version: u32,
  length: u16be,
  next: u8,
  hops: u8,
  sourceHigh: u64,
  sourceLow: u64,
  targetHigh: u64,
  targetLow: u64,
});
/** The first eight octets of what IP carries: ports, or ICMP's type in the upper half of `first` and its identifier in `third`. */
const TRANSPORT: Layout<Numbers<"first" | "second" | "third" | "fourth">> = struct("transport", {
  first: u16be,
  second: u16be,
  third: u16be,
  fourth: u16be,
});
/** As much of TCP's header as is looked at. */
const TCP: Layout<Numbers<"source" | "target" | "sequence" | "acknowledged" | "offset" | "flags">> = struct(
  "tcp",
  {
    source: u16be,
    target: u16be,
    sequence: u32,
    acknowledged: u32,
    offset: u8,
    flags: u8,
  },
  { packed: true },
);
const EXTENSION: Layout<Numbers<"next" | "length" | "fragment">> = struct("extension", { next: u8, length: u8, fragment: u16be });

/** 0x0800, as a little-endian machine reads it. */
const ETHERTYPE_IPV4_ON_WIRE = 0x0008;
const IPPROTO = { tcp: 6, udp: 17, sctp: 132, icmp: 1, icmpv6: 58 } as const;
/** Headers that may stand before the protocol's (RFC 8200, section 4). */
const EXTENSIONS = { hopByHop: 0, routing: 43, fragment: 44, destination: 60 } as const;
const MAX_EXTENSIONS = 6;

export const TCP_FLAG = { fin: 1, syn: 2, rst: 4, ack: 16 } as const;

export interface PacketParts {
  readonly ownHigh: Variable;
  readonly ownLow: Variable;
  readonly peerHigh: Variable;
  readonly peerLow: Variable;
  /** ICMP has no ports: both are its identifier. */
  readonly ownPort: Variable;
  readonly peerPort: Variable;
  /** `PROTOCOL_NUMBER`, or 0 for what has no ports to decide by, as a fragment that is not the first. */
  readonly protocol: Variable;
  /** By which policies decide: the destination's port, or the type of ICMP. */
  readonly port: Variable;
  readonly tcpFlags: Variable;
  /** Where the protocol's header begins. */
  readonly transport: Variable;
}

/** Reads the parts; `malformed` ends the program. */
export function parsePacket(code: Code, context: Memory<PacketBuffer>, isEgress: boolean, malformed: () => void): PacketParts {
  const parts: PacketParts = {
    ownHigh: code.variable(0, "own high"),
    ownLow: code.variable(0, "own low"),
    peerHigh: code.variable(0, "peer high"),
    peerLow: code.variable(0, "peer low"),
    ownPort: code.variable(0, "own port"),
    peerPort: code.variable(0, "peer port"),
    protocol: code.variable(0, "protocol"),
    port: code.variable(0, "port"),
    tcpFlags: code.variable(0, "flags"),
    transport: code.variable(0, "offset"),
  };
  const [sourceHigh, sourceLow] = isEgress ? [parts.ownHigh, parts.ownLow] : [parts.peerHigh, parts.peerLow];
  const [targetHigh, targetLow] = isEgress ? [parts.peerHigh, parts.peerLow] : [parts.ownHigh, parts.ownLow];
  const number = code.variable(0, "ip protocol");
  const offset = parts.transport;
  const isFragment = code.variable(0, "fragment");
  code.if(
    context.get("protocol").eq(ETHERTYPE_IPV4_ON_WIRE),
    () => {
      const ip = code.buffer(IPV4);
      code.if(code.call("skb_load_bytes", context, 0, ip).ne(0), malformed);
      code.if(ip.get("versionLength").shr(4).ne(4), malformed);
      code.assign(sourceLow, ip.get("source").shl(32).or(IPV4_LOW));
      code.assign(targetLow, ip.get("target").shl(32).or(IPV4_LOW));
      code.assign(offset, ip.get("versionLength").and(15).shl(2));
      code.assign(number, ip.get("protocol"));
      code.assign(isFragment, ip.get("fragment").and(0x1fff));
    },
    () => {
      const ip = code.buffer(IPV6);
      code.if(code.call("skb_load_bytes", context, 0, ip).ne(0), malformed);
      code.if(ip.get("version").and(0xf0).ne(0x60), malformed);
      code.assign(sourceHigh, ip.get("sourceHigh"));
      code.assign(sourceLow, ip.get("sourceLow"));
      code.assign(targetHigh, ip.get("targetHigh"));
      code.assign(targetLow, ip.get("targetLow"));
      code.assign(offset, IPV6.size);
      code.assign(number, ip.get("next"));
      skipExtensions(code, context, { number, offset, isFragment }, malformed);
    },
  );
  for (const [name, value] of Object.entries(IPPROTO))
    code.if(number.eq(value), () => code.assign(parts.protocol, PROTOCOL_NUMBER[name as keyof typeof IPPROTO]));
  code.if(isFragment.ne(0), () => code.assign(parts.protocol, 0));
  const setPorts = (source: Scalar, target: Scalar): void => {
    code.assign(isEgress ? parts.ownPort : parts.peerPort, source);
    code.assign(isEgress ? parts.peerPort : parts.ownPort, target);
    code.assign(parts.port, target);
  };
  code.if(
    parts.protocol.eq(PROTOCOL_NUMBER.tcp),
    () => {
      const tcp = code.buffer(TCP);
      code.if(code.call("skb_load_bytes", context, offset, tcp).ne(0), malformed);
      setPorts(tcp.get("source"), tcp.get("target"));
      code.assign(parts.tcpFlags, tcp.get("flags"));
    },
    () =>
      code.if(parts.protocol.ne(0), () => {
        const transport = code.buffer(TRANSPORT);
        code.if(code.call("skb_load_bytes", context, offset, transport).ne(0), malformed);
        code.if(
          parts.protocol.ge(PROTOCOL_NUMBER.icmp),
          () => {
            code.assign(parts.ownPort, transport.get("third"));
            code.assign(parts.peerPort, transport.get("third"));
            code.assign(parts.port, transport.get("first").shr(8));
          },
          () => setPorts(transport.get("first"), transport.get("second")),
        );
      }),
  );
  return parts;
}

interface Position {
  readonly number: Variable;
  readonly offset: Variable;
  readonly isFragment: Variable;
}

function skipExtensions(code: Code, context: AnyMemory, { number, offset, isFragment }: Position, malformed: () => void): void {
  code.repeat(MAX_EXTENSIONS, (_: Scalar, loop) => {
    const { hopByHop, routing, destination, fragment } = EXTENSIONS;
    code.if(number.isOneOf(hopByHop, routing, destination, fragment).not(), () => loop.break());
    const extension = code.buffer(EXTENSION);
    code.if(code.call("skb_load_bytes", context, offset, extension).ne(0), malformed);
    code.if(
      number.eq(fragment),
      () => {
        code.assign(isFragment, extension.get("fragment").shr(3));
        code.assign(offset, offset.add(8));
      },
      () => code.assign(offset, offset.add(extension.get("length").add(1).shl(3))),
    );
    code.assign(number, extension.get("next"));
  });
}
