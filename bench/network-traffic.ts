/**
 * One end of a connection, for measuring what a packet costs: forked, moved into a cgroup, perhaps in a network namespace of its own. Every step
 * is a system call that waits, so that nothing but the network is measured; CPU time is this thread's.
 */
import { closeSync, openSync } from "node:fs";
import { CLONE } from "../src/linux/constants.ts";
import { closeDescriptor, mustSyscall, syscall } from "../src/linux/native.ts";

export type TrafficOrder =
  /** Has a network namespace of its own from now on. */
  | { readonly do: "unshare" }
  /** Is in that of another process. */
  | { readonly do: "join"; readonly pid: number }
  /** Pins to a processor. */
  | { readonly do: "pin"; readonly cpu: number }
  | { readonly do: "listen" }
  | { readonly do: "connect"; readonly port: number }
  | { readonly do: "accept" }
  /** So many messages of so many bytes are answered by one of one byte each, or sent and waited for. */
  | { readonly do: "answer" | "ask"; readonly count: number; readonly sizeBytes: number }
  /** Connects and closes. */
  | { readonly do: "dial"; readonly port: number; readonly count: number };

const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOL_SOCKET = 1;
const SO_LINGER = 13;
const SO_REUSEADDR = 2;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const MSG_WAITALL = 0x100;
const ONE = new Uint8Array([1, 0, 0, 0]);
const LINGER_NONE = new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]);

let listener = -1;
let connection = -1;

const addressOf = (port: number): Uint8Array => new Uint8Array([AF_INET, 0, port >> 8, port & 255, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
const open = (flags = 0): number => mustSyscall("open a socket", "socket", AF_INET, SOCK_STREAM | flags, 0);

function listen(): number {
  listener = open();
  mustSyscall("take the address again", "setsockopt", listener, SOL_SOCKET, SO_REUSEADDR, ONE, 4);
  mustSyscall("bind", "bind", listener, addressOf(0), 16);
  mustSyscall("listen", "listen", listener, 4096);
  const name = new Uint8Array(16);
  mustSyscall("find the port", "getsockname", listener, name, new Uint8Array([16, 0, 0, 0]));
  return ((name[2] ?? 0) << 8) | (name[3] ?? 0);
}

function connect(port: number): void {
  connection = open();
  mustSyscall("connect", "connect", connection, addressOf(port), 16);
  mustSyscall("send at once", "setsockopt", connection, IPPROTO_TCP, TCP_NODELAY, ONE, 4);
}

function accept(): void {
  connection = mustSyscall("accept", "accept4", listener, null, null, 0);
  mustSyscall("send at once", "setsockopt", connection, IPPROTO_TCP, TCP_NODELAY, ONE, 4);
}

function exchange(isAsking: boolean, count: number, sizeBytes: number): void {
  const message = new Uint8Array(sizeBytes);
  const answer = new Uint8Array(1);
  for (let index = 0; index < count; index++) {
    if (isAsking) {
      mustSyscall("send", "sendto", connection, message, sizeBytes, 0, null, 0);
      mustSyscall("receive", "recvfrom", connection, answer, 1, MSG_WAITALL, null, null);
    } else {
      mustSyscall("receive", "recvfrom", connection, message, sizeBytes, MSG_WAITALL, null, null);
      mustSyscall("send", "sendto", connection, answer, 1, 0, null, 0);
    }
  }
}

function dial(port: number, count: number): void {
  const address = addressOf(port);
  for (let index = 0; index < count; index++) {
    // Nobody accepts them: once the queue is full, none is established.
    const socket = open(SOCK_NONBLOCK);
    syscall("connect", socket, address, 16);
    syscall("setsockopt", socket, SOL_SOCKET, SO_LINGER, LINGER_NONE, 8);
    closeDescriptor(socket);
  }
}

/** A port, or nanoseconds of CPU. */
function obey(order: TrafficOrder): number {
  const before = process.threadCpuUsage();
  switch (order.do) {
    case "unshare":
      mustSyscall("have a network namespace", "unshare", CLONE.newNet);
      return 0;
    case "join": {
      const namespace = openSync(`/proc/${order.pid}/ns/net`, "r");
      mustSyscall("join a network namespace", "setns", namespace, CLONE.newNet);
      closeSync(namespace);
      return 0;
    }
    case "pin":
      mustSyscall("stay on a processor", "sched_setaffinity", 0, 8, new Uint8Array([1 << order.cpu, 0, 0, 0, 0, 0, 0, 0]));
      return 0;
    case "listen":
      return listen();
    case "connect":
      connect(order.port);
      return 0;
    case "accept":
      accept();
      return 0;
    case "answer":
    case "ask":
      exchange(order.do === "ask", order.count, order.sizeBytes);
      break;
    case "dial":
      dial(order.port, order.count);
      break;
    default:
      return order satisfies never;
  }
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) * 1000;
}

process.on("message", (order: TrafficOrder) => {
  process.send?.(obey(order));
});
process.on("disconnect", () => process.exit(0));
