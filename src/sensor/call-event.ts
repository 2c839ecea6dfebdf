/** System calls as the kernel told them, as events that rules judge. */
import type { DescriptorKind, DescriptorView, ProcessView, SocketView, SyscallArguments, SyscallEvent } from "../falco/syscall-event.ts";
import { formatIpAddress } from "../lib/ip-network.ts";
import { RecordTail } from "./process-records.ts";
import type { CallRow } from "./programs/call-table.ts";
import { CALL_RECORD, type CallRecord, type SocketFacts } from "./programs/record-layouts.ts";
import { pathOfNames, resolvePath, textOfOctets, textUntilZero } from "./record-text.ts";

/** What is known beside the record. */
export interface CallContext {
  readonly row: CallRow;
  readonly caller: ProcessView;
  readonly eventNumber: number;
  readonly bootNs: bigint;
  /** Names of users, for arguments that are users. */
  readonly userName: (uid: number) => string | null;
  /** Names that were resolved to an address. */
  readonly remoteName: (ip: string) => string | null;
}

/** Decodes a call and what follows it. Copies all that it keeps. */
export function decodeCall(record: CallRecord, data: DataView, offset: number, sizeBytes: number, context: CallContext): SyscallEvent {
  const { row } = context;
  const tail = new RecordTail(data, offset + CALL_RECORD.size, sizeBytes - CALL_RECORD.size);
  const texts = [textUntilZero(tail.take(record.firstLength)), textUntilZero(tail.take(record.secondLength))];
  const address = addressOf(tail.take(record.addressLength));
  const lengths = [record.firstDirectoryLength, record.secondDirectoryLength];
  const directories = lengths.map((length) => pathOfNames(tail.take(length)));
  const filePath = record.pathLength === 0 ? undefined : pathOfNames(tail.take(record.pathLength));
  const result = Number(record.result);
  const args = argumentsOf(record, context, texts, directories);
  const rawName = texts[0] ?? "";
  const fd =
    record.socket.family !== 0 || address !== undefined ? socketOf(record, address, context) : fileOf(record, row, filePath, rawName, args);
  return {
    type: row.name,
    number: context.eventNumber,
    timeNs: context.bootNs + record.time,
    cpu: record.cpu,
    result,
    caller: context.caller,
    fd,
    args,
  };
}

const USER_ARGUMENTS: ReadonlySet<string> = new Set(["uid", "euid", "ruid", "suid"]);
/** Sizes and addresses; all other numbers are C's `int`. */
const WIDE_ARGUMENTS: ReadonlySet<string> = new Set(["size", "length", "addr", "data", "arg2_int"]);

function argumentsOf(
  { args, result }: CallRecord,
  { row, userName }: CallContext,
  texts: readonly string[],
  directories: readonly string[],
): SyscallArguments {
  const values: Record<string, string | number> = {};
  for (const [register, name] of row.argumentNames.entries()) {
    if (name === "" || register === row.address) continue;
    const text = row.texts.findIndex((place) => place.register === register);
    const value = args[register] ?? 0n;
    if (text >= 0) {
      const isPath = row.texts[text]?.directory !== undefined;
      const written = texts[text] ?? "";
      values[name] = isPath && written !== "" && !OPENING.has(row.name) ? resolvePath(directories[text] ?? "/", written) : written;
    } else if (USER_ARGUMENTS.has(name)) values[name] = userName(Number(BigInt.asUintN(32, value))) ?? Number(BigInt.asIntN(32, value));
    else values[name] = WIDE_ARGUMENTS.has(name) ? Number(value) : Number(BigInt.asIntN(32, value));
  }
  if (row.descriptor === "result" && values["fd"] === undefined && row.name.startsWith("dup")) values["fd"] = Number(result);
  return values;
}

const OPENING: ReadonlySet<string> = new Set(["open", "openat", "openat2", "creat"]);
const S_IFMT = 0xf000;
const KINDS: Readonly<Record<number, DescriptorKind>> = { 32768: "file", 16384: "directory", 4096: "pipe", 8192: "file", 24576: "file" };
const ANONYMOUS: Readonly<Record<string, DescriptorKind>> = {
  "/[eventfd]": "event",
  "/[signalfd]": "signalfd",
  "/[eventpoll]": "eventpoll",
  "/inotify": "inotify",
  "/[timerfd]": "timerfd",
  "/[userfaultfd]": "userfaultfd",
  "/[io_uring]": "io_uring",
  "/bpf-map": "bpf",
  "/bpf-prog": "bpf",
};

/** The file that the kernel says it was; where an open failed, the path that was asked for. */
function fileOf(
  record: CallRecord,
  row: CallRow,
  filePath: string | undefined,
  rawName: string,
  args: SyscallArguments,
): DescriptorView | null {
  const number = row.descriptor === "result" ? Number(record.result) : Number(args["fd"] ?? -1);
  if (filePath !== undefined) {
    const kind = ANONYMOUS[filePath] ?? (filePath.startsWith("/memfd:") ? "memfd" : (KINDS[record.mode & S_IFMT] ?? "other"));
    return { kind, number, name: filePath, rawName: rawName === "" ? filePath : rawName, socket: null };
  }
  if (!OPENING.has(row.name) || rawName === "") return null;
  return { kind: "file", number: -1, name: String(args["name"] ?? rawName), rawName, socket: null };
}

/** An address as a process gave it. */
export interface PassedAddress {
  readonly family: number;
  readonly ip: string;
  readonly port: number;
  readonly path: string;
}

const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const AF_NETLINK = 16;
const AF_PACKET = 17;

/** `struct sockaddr` of a family that has addresses. UNTRUSTED. */
function addressOf(octets: Buffer): PassedAddress | undefined {
  if (octets.length < 2) return undefined;
  const family = octets.readUInt16LE(0);
  const none = { family, ip: "", port: 0, path: "" };
  if (family === AF_INET && octets.length >= 8) return { ...none, ip: ipOf(octets.subarray(4, 8)), port: octets.readUInt16BE(2) };
  if (family === AF_INET6 && octets.length >= 24) return { ...none, ip: ipOf(octets.subarray(8, 24)), port: octets.readUInt16BE(2) };
  if (family === AF_UNIX)
    return { ...none, path: octets[2] === 0 ? `@${textOfOctets(octets.subarray(3))}` : textUntilZero(octets.subarray(2)) };
  return none;
}

/** Addresses of IPv4 in IPv6 are those of IPv4. */
function ipOf(octets: Uint8Array): string {
  const isMapped =
    octets.length === 16 && octets.subarray(0, 10).every((octet) => octet === 0) && octets[10] === 0xff && octets[11] === 0xff;
  return formatIpAddress(isMapped ? octets.slice(12) : octets.slice());
}

const FAMILIES: Readonly<Record<number, DescriptorKind>> = {
  [AF_UNIX]: "unix",
  [AF_INET]: "ipv4",
  [AF_INET6]: "ipv6",
  [AF_NETLINK]: "netlink",
  [AF_PACKET]: "packet",
};
/** `IPPROTO_…` */
const PROTOCOLS: Readonly<Record<number, SocketView["protocol"]>> = { 1: "icmp", 6: "tcp", 17: "udp", 58: "icmp", 255: "raw" };
const SOCK_RAW = 3;
const TCP_ESTABLISHED = 1;
const ACCEPTING: ReadonlySet<string> = new Set(["accept", "accept4"]);
const EINPROGRESS = -115n;

function socketOf(record: CallRecord, passed: PassedAddress | undefined, { row, remoteName }: CallContext): DescriptorView {
  const number = row.descriptor === "result" ? Number(record.result) : Number(BigInt.asIntN(32, record.args[0] ?? 0n));
  return socketDescriptor({ facts: record.socket, passed, number, call: row.name, result: record.result, remoteName });
}

export interface SocketUse {
  readonly facts: SocketFacts;
  /** The address that the process gave. */
  readonly passed: PassedAddress | undefined;
  readonly number: number;
  /** Which call it is about: `connect`, `bind`, `accept`, … */
  readonly call: string;
  readonly result: bigint;
  readonly remoteName: (ip: string) => string | null;
}

/** A socket, with what the kernel knows of it before what the process said. */
export function socketDescriptor({ facts, passed, number, call, result, remoteName }: SocketUse): DescriptorView {
  const family = facts.family !== 0 ? facts.family : (passed?.family ?? 0);
  const kind = FAMILIES[family] ?? "other";
  if (family !== AF_INET && family !== AF_INET6) {
    const path = passed?.path ?? "";
    return { kind, number, name: path, rawName: path, socket: null };
  }
  const { localIp, localPort, remoteIp, remotePort } = endsBetween(facts, passed, call !== "bind");
  const socket: SocketView = {
    protocol: facts.type === SOCK_RAW ? (PROTOCOLS[facts.protocol] ?? "raw") : (PROTOCOLS[facts.protocol] ?? "other"),
    localIp,
    localPort,
    remoteIp,
    remotePort,
    role: ACCEPTING.has(call) ? "server" : remoteIp !== "" ? "client" : "unknown",
    isConnected: facts.state === TCP_ESTABLISHED || (call === "connect" && result === EINPROGRESS),
    isNameChanged: passed !== undefined && call !== "connect" && call !== "bind",
    remoteName: remoteIp === "" ? null : remoteName(remoteIp),
  };
  const end = (ip: string, port: number): string => (ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`);
  const name = remoteIp === "" ? end(localIp, localPort) : `${end(localIp, localPort)}->${end(remoteIp, remotePort)}`;
  return { kind: remoteIp.includes(".") ? "ipv4" : kind, number, name, rawName: name, socket };
}

type Ends = Pick<SocketView, "localIp" | "localPort" | "remoteIp" | "remotePort">;

/** What the kernel says goes before what the process said; that is the peer, or for `bind` the own address. */
function endsBetween(facts: SocketFacts, passed: PassedAddress | undefined, isToPeer: boolean): Ends {
  const kernel = endsOf(facts);
  const given = passed ?? { ip: "", port: 0 };
  const none = { ip: "", port: 0 };
  const remote = kernel.remoteIp === "" ? (isToPeer ? given : none) : { ip: kernel.remoteIp, port: facts.remotePort };
  const local = isToPeer ? none : given;
  return {
    localIp: kernel.localIp === "" ? local.ip : kernel.localIp,
    localPort: facts.localPort === 0 ? local.port : facts.localPort,
    remoteIp: remote.ip,
    remotePort: remote.port,
  };
}

/** Unspecified addresses are none. */
function endsOf({ family, local, remote }: SocketFacts): { readonly localIp: string; readonly remoteIp: string } {
  const size = family === AF_INET ? 4 : 16;
  const text = (octets: Uint8Array): string => {
    const used = octets.subarray(0, size);
    return used.every((octet) => octet === 0) ? "" : ipOf(used);
  };
  return family === AF_INET || family === AF_INET6 ? { localIp: text(local), remoteIp: text(remote) } : { localIp: "", remoteIp: "" };
}
