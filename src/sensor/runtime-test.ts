/**
 * Tests of runtime policies as files: events, written short, and what must be found in them.
 *
 *     apiVersion: vigil.dev/v1alpha1
 *     kind: RuntimeTest
 *     metadata: {name: shells}
 *     spec:
 *       policies: [../execution.yaml]
 *       cases:
 *         - name: a shell below nginx
 *           events: [{call: execve, process: {name: sh, parent: {name: nginx}}}]
 *           findings: [shell-under-server]
 */
import {
  type ContainerView,
  type DescriptorView,
  HOST,
  NO_EXECUTABLE,
  type ProcessView,
  type SocketView,
  type SyscallEvent,
} from "../falco/syscall-event.ts";
import type { Diagnostic } from "../lib/diagnostic.ts";
import type { JsonValue } from "../lib/json.ts";
import type { Document } from "../resource/document.ts";
import { resourceParser } from "../resource/resource-root.ts";
import {
  duration,
  flag,
  integer,
  listOf,
  nonEmptyText,
  oneOf,
  optional,
  record,
  required,
  type Shape,
  Spot,
  text,
  textMap,
  withDefault,
} from "../resource/shape.ts";

export interface RuntimeTest {
  readonly document: Document;
  readonly name: string;
  /** Files of policies, relative to the test. */
  readonly policies: readonly string[];
  readonly cases: readonly RuntimeTestCase[];
}

export interface RuntimeTestCase {
  readonly name: string;
  readonly events: readonly SyscallEvent[];
  /** Names of the policies that find something, each once; empty: none does. */
  readonly findings: readonly string[];
}

interface WrittenProcess {
  readonly name: string;
  readonly executable: string | undefined;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly pid: number | undefined;
  readonly uid: number;
  readonly euid: number | undefined;
  readonly user: string | undefined;
  readonly tty: boolean;
  readonly age: number;
  readonly isFromMemory: boolean;
  readonly isOutsideImage: boolean;
  readonly executableAge: number | undefined;
  readonly container: WrittenContainer | undefined;
  readonly parent: WrittenProcess | undefined;
}

interface WrittenContainer {
  readonly id: string;
  readonly image: string | undefined;
  readonly age: number | undefined;
  readonly privileged: boolean;
  readonly labels: Readonly<Record<string, string>>;
}

interface WrittenSocket {
  readonly family: "ipv4" | "ipv6" | "unix" | "packet" | "netlink";
  readonly protocol: SocketView["protocol"];
  readonly remoteIp: string;
  readonly remotePort: number;
  readonly localIp: string;
  readonly localPort: number;
}

interface WrittenEvent {
  readonly call: string;
  /** Milliseconds after the first event. */
  readonly after: number;
  readonly repeat: number;
  readonly result: number;
  readonly args: SyscallEvent["args"];
  readonly file: string | undefined;
  readonly socket: WrittenSocket | undefined;
  readonly process: WrittenProcess;
}

const MAX_ID = 4_294_967_295;
const DAY_MS = 86_400_000;

const container: Shape<WrittenContainer> = record<WrittenContainer>({
  id: withDefault(nonEmptyText, "c0ffee00c0ff"),
  image: optional(nonEmptyText),
  age: optional(duration(0, 365 * DAY_MS)),
  privileged: withDefault(flag, false),
  labels: withDefault(textMap, {}),
});

const process: Shape<WrittenProcess> = (value, spot) =>
  record<WrittenProcess>({
    name: required(nonEmptyText),
    executable: optional(nonEmptyText),
    args: withDefault(listOf(text), []),
    cwd: withDefault(text, "/"),
    pid: optional(integer(1, 4_194_304)),
    uid: withDefault(integer(0, MAX_ID), 0),
    euid: optional(integer(0, MAX_ID)),
    user: optional(text),
    tty: withDefault(flag, false),
    age: withDefault(duration(0, 365 * DAY_MS), 60_000),
    isFromMemory: withDefault(flag, false),
    isOutsideImage: withDefault(flag, false),
    executableAge: optional(duration(0, 3_650 * DAY_MS)),
    container: optional(container),
    parent: optional(process),
  })(value, spot);

const callArguments: Shape<SyscallEvent["args"]> = (value, spot) => {
  const asTexts: JsonValue =
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).map(([name, item]) => [name, typeof item === "number" ? String(item) : item]))
      : value;
  const texts = textMap(asTexts, spot);
  if (texts === undefined) return undefined;
  const numbers = Object.entries(texts).map(([name, item]) => [name, /^-?\d+$/.test(item) ? Number(item) : item] as const);
  return Object.fromEntries(numbers);
};

const socket: Shape<WrittenSocket> = record<WrittenSocket>({
  family: withDefault(oneOf<WrittenSocket["family"]>("ipv4", "ipv6", "unix", "packet", "netlink"), "ipv4"),
  protocol: withDefault(oneOf<SocketView["protocol"]>("tcp", "udp", "icmp", "raw", "other"), "tcp"),
  remoteIp: withDefault(text, ""),
  remotePort: withDefault(integer(0, 65_535), 0),
  localIp: withDefault(text, ""),
  localPort: withDefault(integer(0, 65_535), 0),
});

const event: Shape<WrittenEvent> = record<WrittenEvent>({
  call: required(nonEmptyText),
  after: withDefault(duration(0, DAY_MS), 0),
  repeat: withDefault(integer(1, 10_000), 1),
  result: withDefault(integer(-4_095, 2_147_483_647), 0),
  args: withDefault(callArguments, {}),
  file: optional(nonEmptyText),
  socket: optional(socket),
  process: required(process),
});

interface WrittenSpec {
  readonly policies: readonly string[];
  readonly cases: readonly { readonly name: string; readonly events: readonly WrittenEvent[]; readonly findings: readonly string[] }[];
}

const spec: Shape<WrittenSpec> = record<WrittenSpec>({
  policies: required(listOf(nonEmptyText, { min: 1 })),
  cases: required(
    listOf(
      record<WrittenSpec["cases"][number]>({
        name: required(nonEmptyText),
        events: required(listOf(event, { min: 1 })),
        findings: withDefault(listOf(nonEmptyText), []),
      }),
      { min: 1 },
    ),
  ),
});

const read = resourceParser("RuntimeTest", spec);

export type ParsedRuntimeTest =
  | { readonly kind: "test"; readonly test: RuntimeTest }
  | { readonly kind: "other" }
  | { readonly kind: "refused"; readonly diagnostics: readonly Diagnostic[] };

/** Reads a document as a test of runtime policies; says so when it is none. */
export function parseRuntimeTest(document: Document): ParsedRuntimeTest {
  if (document.value["kind"] !== "RuntimeTest") return { kind: "other" };
  const problems: Diagnostic[] = [];
  const resource = read(new Spot(document, [], problems));
  if (resource === undefined || problems.length > 0) return { kind: "refused", diagnostics: problems };
  const cases = resource.cases.map(({ name, events, findings }) => ({ name, findings, events: events.flatMap(eventsOf) }));
  return { kind: "test", test: { document, name: resource.metadata.name, policies: resource.policies, cases } };
}

/** Any time will do, as long as it is always the same. */
const START_NS = 1_795_000_000_000_000_000n;
const ns = (ms: number): bigint => BigInt(Math.round(ms * 1_000_000));

function eventsOf(written: WrittenEvent, index: number): readonly SyscallEvent[] {
  const timeNs = START_NS + ns(written.after);
  const one: SyscallEvent = {
    type: written.call,
    number: index + 1,
    timeNs,
    cpu: 0,
    result: written.result,
    args: written.args,
    caller: processOf(written.process, timeNs, 1_000),
    fd: descriptorOf(written),
  };
  return Array.from({ length: written.repeat }, (_, repeated) => ({ ...one, timeNs: timeNs + BigInt(repeated) * 1_000_000n }));
}

function descriptorOf({ file, socket: end, result }: WrittenEvent): DescriptorView | null {
  if (file !== undefined) return { kind: "file", number: result, name: file, rawName: file, socket: null };
  if (end === undefined) return null;
  const { family, protocol, localIp, localPort, remoteIp, remotePort } = end;
  const name = `${localIp}:${localPort}->${remoteIp}:${remotePort}`;
  const isIp = family === "ipv4" || family === "ipv6";
  const view: SocketView = {
    protocol,
    localIp,
    localPort,
    remoteIp,
    remotePort,
    role: "client",
    isConnected: remoteIp !== "",
    isNameChanged: false,
    remoteName: null,
  };
  return { kind: family, number: result, name, rawName: name, socket: isIp ? view : null };
}

function processOf(written: WrittenProcess, timeNs: bigint, pid: number): ProcessView {
  const { name, args, uid, euid = uid } = written;
  const argsText = args.join(" ");
  const startNs = timeNs - ns(written.age);
  const parent = written.parent === undefined ? null : processOf(inheriting(written.parent, written), timeNs, pid - 1);
  return {
    execId: `test:${written.pid ?? pid}`,
    pid: written.pid ?? pid,
    tid: written.pid ?? pid,
    parent,
    parentPid: parent?.pid ?? 1,
    name,
    exe: name,
    exePath: written.executable ?? `/usr/bin/${name}`,
    args,
    argsText,
    commandLine: argsText === "" ? name : `${name} ${argsText}`,
    cwd: written.cwd,
    env: null,
    startNs,
    execNs: startNs,
    uid,
    euid,
    gid: uid,
    egid: euid,
    loginUid: MAX_ID,
    userName: written.user ?? (euid === 0 ? "root" : null),
    loginName: null,
    groupName: null,
    tty: written.tty ? 34_816 : 0,
    sid: 1,
    sessionName: null,
    pgid: pid,
    vpid: pid,
    vpgid: pid,
    capEffective: 0n,
    capPermitted: 0n,
    capInheritable: 0n,
    executable: {
      ...NO_EXECUTABLE,
      isFromMemfd: written.isFromMemory,
      isUpperLayer: written.container === undefined ? null : written.isOutsideImage,
      ctimeNs: written.executableAge === undefined ? null : startNs - ns(written.executableAge),
    },
    cgroupId: "1",
    mountNamespace: 1,
    container: containerOf(written.container, timeNs),
  };
}

/** A parent that says nothing of a container is in the same one. */
const inheriting = (parent: WrittenProcess, child: WrittenProcess): WrittenProcess => ({
  ...parent,
  container: parent.container ?? child.container,
});

function containerOf(written: WrittenContainer | undefined, timeNs: bigint): ContainerView {
  if (written === undefined) return HOST;
  return {
    ...HOST,
    id: written.id,
    fullId: written.id,
    name: null,
    imageRepository: written.image ?? null,
    isPrivileged: written.privileged,
    startNs: written.age === undefined ? null : timeNs - ns(written.age),
    labels: written.labels,
  };
}
