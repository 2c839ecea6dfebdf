/**
 * A pod of the tests: a process in a network namespace of its own that listens, and connects and sends as it is told. Every step is a system
 * call that does not wait, so that a packet which was dropped costs no time: who asks comes back until all is there that must be.
 */
import { isIPv6 } from "node:net";
import { parseIpAddress } from "../../src/lib/ip-address.ts";
import { CLONE } from "../../src/linux/constants.ts";
import { closeDescriptor, mustSyscall, syscall } from "../../src/linux/native.ts";

export interface PodProbe {
  readonly id: number;
  readonly protocol: "tcp" | "udp";
  /** Of this pod: it has several, of which the kernel would choose. */
  readonly source: string;
  readonly address: string;
  readonly port: number;
}

export type PodPorts = { readonly [P in PodProbe["protocol"]]: readonly number[] };

export type PodOrder =
  | { readonly do: "listen"; readonly addresses: readonly string[]; readonly ports: PodPorts }
  | { readonly do: "send"; readonly probes: readonly PodProbe[] }
  | { readonly do: "serve" }
  | { readonly do: "collect" }
  | { readonly do: "forget" };

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK = { tcp: 1, udp: 2 } as const;
const SOCK_NONBLOCK = 0o4000;
const SOL_SOCKET = 1;
const SO_LINGER = 13;
const MSG_DONTWAIT = 0x40;
const BACKLOG = 4096;
const MAX_ADDRESS_BYTES = 28;

const listeners = { tcp: [] as number[], udp: [] as number[] };
/** Of this pod, as it calls others. */
const asked = new Map<number, number>();
const answered = new Set<number>();
/** Connections that others have opened here. */
const accepted: number[] = [];

function socketAddress(address: string, port: number): Uint8Array {
  const octets = parseIpAddress(address) ?? new Uint8Array();
  const bytes = new Uint8Array(octets.length === 4 ? 16 : MAX_ADDRESS_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, octets.length === 4 ? AF_INET : AF_INET6, true);
  view.setUint16(2, port);
  bytes.set(octets, octets.length === 4 ? 4 : 8);
  return bytes;
}

function open(protocol: PodProbe["protocol"], address: string, port: number = 0): number {
  const descriptor = mustSyscall("open a socket", "socket", isIPv6(address) ? AF_INET6 : AF_INET, SOCK[protocol] | SOCK_NONBLOCK, 0);
  const where = socketAddress(address, port);
  mustSyscall(`bind ${protocol} ${address} ${port}`, "bind", descriptor, where, where.length);
  return descriptor;
}

/** Ends a connection at once, and frees its port. */
function reset(descriptor: number): void {
  syscall("setsockopt", descriptor, SOL_SOCKET, SO_LINGER, new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]), 8);
  closeDescriptor(descriptor);
}

function listen({ addresses, ports }: Extract<PodOrder, { do: "listen" }>): void {
  for (const protocol of ["tcp", "udp"] as const) {
    for (const port of ports[protocol]) {
      for (const address of addresses) {
        const descriptor = open(protocol, address, port);
        if (protocol === "tcp") mustSyscall("listen", "listen", descriptor, BACKLOG);
        listeners[protocol].push(descriptor);
      }
    }
  }
}

function send(probes: readonly PodProbe[]): void {
  for (const { id, protocol, source, address, port } of probes) {
    const where = socketAddress(address, port);
    const descriptor = open(protocol, source);
    asked.set(id, descriptor);
    // What is refused here is not answered, as what is dropped.
    if (protocol === "tcp") syscall("connect", descriptor, where, where.length);
    else syscall("sendto", descriptor, new Uint8Array([1]), 1, 0, where, where.length);
  }
}

/** Answers what has come, as far as it has. */
function serve(): void {
  for (const listener of listeners.tcp) {
    for (;;) {
      const { value } = syscall("accept4", listener, null, null, SOCK_NONBLOCK);
      if (value === -1) break;
      accepted.push(value);
      syscall("sendto", value, new Uint8Array([1]), 1, 0, null, 0);
    }
  }
  const from = new Uint8Array(MAX_ADDRESS_BYTES);
  const length = new Uint8Array(4);
  const octet = new Uint8Array(1);
  for (const socket of listeners.udp) {
    for (;;) {
      length.set([MAX_ADDRESS_BYTES, 0, 0, 0]);
      if (syscall("recvfrom", socket, octet, 1, MSG_DONTWAIT, from, length).value !== 1) break;
      syscall("sendto", socket, octet, 1, 0, from.slice(0, length[0]), length[0] ?? 0);
    }
  }
}

/** Ids of the probes that were answered until now. */
function collect(): readonly number[] {
  const octet = new Uint8Array(1);
  for (const [id, descriptor] of asked)
    if (!answered.has(id) && syscall("recvfrom", descriptor, octet, 1, MSG_DONTWAIT, null, null).value === 1) answered.add(id);
  return [...answered];
}

function forget(): void {
  for (const descriptor of [...asked.values(), ...accepted]) reset(descriptor);
  asked.clear();
  answered.clear();
  accepted.length = 0;
}

function obey(order: PodOrder): unknown {
  switch (order.do) {
    case "listen":
      return listen(order);
    case "send":
      return send(order.probes);
    case "serve":
      return serve();
    case "collect":
      return collect();
    case "forget":
      return forget();
    default:
      return order satisfies never;
  }
}

// Of this thread alone, which is the one that opens the sockets.
mustSyscall("have a network namespace", "unshare", CLONE.newNet);
process.on("message", (message: { readonly id: number; readonly order: PodOrder }) => {
  process.send?.({ id: message.id, result: obey(message.order) ?? null });
});
process.on("disconnect", () => process.exit(0));
process.send?.("ready");
