/** `fd.*`. */
import type { DescriptorKind, SocketView, SyscallEvent } from "../syscall-event.ts";
import { derived, type Field, type FieldType, type FieldValue, many, property } from "./field-row.ts";

const CHARACTERS: Readonly<Record<DescriptorKind, string>> = {
  file: "f",
  directory: "d",
  ipv4: "4",
  ipv6: "6",
  unix: "u",
  pipe: "p",
  event: "e",
  signalfd: "s",
  eventpoll: "l",
  inotify: "i",
  timerfd: "t",
  netlink: "n",
  bpf: "b",
  userfaultfd: "U",
  io_uring: "r",
  memfd: "m",
  packet: "k",
  other: "o",
};

const ofDescriptor = (name: string, type: FieldType, read: (descriptor: NonNullable<SyscallEvent["fd"]>) => FieldValue): Field =>
  derived(name, type, "descriptor", ({ fd }) => (fd === null ? null : read(fd)));

/** An address or a port; none where the socket has none. */
const ofSocket = (name: string, type: FieldType, read: (socket: SocketView) => FieldValue): Field =>
  derived(name, type, "socket", ({ fd }) => (fd === null || fd.socket === null ? null : read(fd.socket)));

const present = (value: string | number): FieldValue => (value === "" || value === 0 ? null : value);

/** A socket whose role is not known counts as a client's: it is the local process that acted. */
const isServer = ({ role }: SocketView): boolean => role === "server";
const localIp = ({ localIp: ip }: SocketView): FieldValue => present(ip);
const remoteIp = ({ remoteIp: ip }: SocketView): FieldValue => present(ip);
const serverIp = (socket: SocketView): FieldValue => (isServer(socket) ? localIp(socket) : remoteIp(socket));
const clientIp = (socket: SocketView): FieldValue => (isServer(socket) ? remoteIp(socket) : localIp(socket));
const localPort = ({ localPort: port }: SocketView): FieldValue => present(port);
const remotePort = ({ remotePort: port }: SocketView): FieldValue => present(port);
const serverPort = (socket: SocketView): FieldValue => (isServer(socket) ? localPort(socket) : remotePort(socket));
const clientPort = (socket: SocketView): FieldValue => (isServer(socket) ? remotePort(socket) : localPort(socket));

const bothSides =
  (read: (socket: SocketView) => readonly FieldValue[]) =>
  ({ fd }: SyscallEvent): readonly FieldValue[] =>
    fd === null || fd.socket === null ? [] : read(fd.socket).filter((value) => value !== null);

const bothIps = bothSides((socket) => [clientIp(socket), serverIp(socket)]);
const bothPorts = bothSides((socket) => [clientPort(socket), serverPort(socket)]);

const directoryOf = (path: string): string => path.slice(0, Math.max(path.lastIndexOf("/"), 1));
const isPath = ({ kind }: { readonly kind: DescriptorKind }): boolean => kind === "file" || kind === "directory" || kind === "memfd";

const addresses: readonly (readonly [side: string, ip: (socket: SocketView) => FieldValue, port: (socket: SocketView) => FieldValue])[] = [
  ["s", serverIp, serverPort],
  ["c", clientIp, clientPort],
  ["l", localIp, localPort],
  ["r", remoteIp, remotePort],
];

export const descriptorFields: readonly Field[] = [
  property("fd.num", "number", "fd.number", "descriptor"),
  property("fd.name", "text", "fd.name", "descriptor"),
  property("fd.nameraw", "text", "fd.rawName", "descriptor"),
  property("fd.type", "text", "fd.kind", "descriptor"),
  ofDescriptor("fd.typechar", "text", ({ kind }) => CHARACTERS[kind]),
  ofDescriptor("fd.directory", "text", (fd) => (isPath(fd) ? directoryOf(fd.name) : null)),
  ofDescriptor("fd.filename", "text", (fd) => (isPath(fd) ? fd.name.slice(fd.name.lastIndexOf("/") + 1) : null)),
  ofDescriptor("fd.sockfamily", "text", ({ kind }) => (kind === "ipv4" || kind === "ipv6" ? "ip" : kind === "unix" ? "unix" : null)),
  property("fd.l4proto", "text", "fd.socket.protocol", "socket"),
  property("fd.connected", "boolean", "fd.socket.isConnected", "socket"),
  property("fd.name_changed", "boolean", "fd.socket.isNameChanged", "socket"),
  ofSocket("fd.is_server", "boolean", isServer),
  many("fd.ip", "address", "socket", bothIps),
  many("fd.port", "number", "socket", bothPorts),
  many("fd.net", "network", "socket", bothIps),
  ...addresses.flatMap(([side, ip, port]) => [
    ofSocket(`fd.${side}ip`, "address", ip),
    ofSocket(`fd.${side}net`, "network", ip),
    ofSocket(`fd.${side}port`, "number", port),
  ]),
  // Only the peer's name can be known; it is the server's unless the peer opened the connection.
  ...(["s", "r", "c"] as const).map((side) => ({
    ...ofSocket(`fd.${side}ip.name`, "text", (socket) => {
      const isPeer = side === "r" || (side === "s") !== isServer(socket);
      return isPeer ? socket.remoteName : null;
    }),
    needs: "name resolution" as const,
  })),
];
