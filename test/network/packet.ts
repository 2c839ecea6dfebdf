/** The first packet of a call, as programs of a cgroup are given it for a test run: behind an Ethernet header. */
import type { Call } from "../../src/policy/access/endpoint.ts";

const NUMBERS = { tcp: 6, udp: 17, sctp: 132, icmp: 1, icmpv6: 58 } as const;
const ETHERNET_BYTES = 14;
const TRANSPORT_BYTES = 20;
const SYN = 2;

export function packetOf(
  { sourceAddress, destinationAddress, protocol, port }: Call,
  sourcePort: number,
  extensions: Uint8Array = new Uint8Array(),
): Uint8Array {
  const isV4 = sourceAddress.length === 4;
  const headerBytes = isV4 ? 20 : 40;
  const payloadBytes = extensions.length + TRANSPORT_BYTES;
  const packet = new Uint8Array(ETHERNET_BYTES + headerBytes + payloadBytes);
  const view = new DataView(packet.buffer);
  view.setUint16(12, isV4 ? 0x0800 : 0x86dd);
  const ip = ETHERNET_BYTES;
  if (isV4) {
    view.setUint8(ip, 0x45);
    view.setUint16(ip + 2, headerBytes + payloadBytes);
    view.setUint8(ip + 8, 64);
    view.setUint8(ip + 9, NUMBERS[protocol]);
    packet.set(sourceAddress, ip + 12);
    packet.set(destinationAddress, ip + 16);
  } else {
    view.setUint8(ip, 0x60);
    view.setUint16(ip + 4, payloadBytes);
    view.setUint8(ip + 6, NUMBERS[protocol]);
    view.setUint8(ip + 7, 64);
    packet.set(sourceAddress, ip + 8);
    packet.set(destinationAddress, ip + 24);
  }
  packet.set(extensions, ip + headerBytes);
  const transport = ip + headerBytes + extensions.length;
  if (protocol === "icmp" || protocol === "icmpv6") {
    view.setUint8(transport, port);
    view.setUint16(transport + 4, sourcePort);
  } else {
    view.setUint16(transport, sourcePort);
    view.setUint16(transport + 2, port);
    if (protocol === "tcp") view.setUint8(transport + 13, SYN);
  }
  return packet;
}
