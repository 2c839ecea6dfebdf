/** Events of the host as values of CEL. */
import type { CelValue } from "../cel/value.ts";
import { argumentText } from "../falco/field/event.ts";
import { capabilityNames } from "../falco/flag-names.ts";
import type { DescriptorView, ProcessView, SyscallEvent } from "../falco/syscall-event.ts";
import type { RuntimeEventName } from "../resource/runtime-event-name.ts";

/** Who is who: what is known of the workload that a process belongs to. */
export interface RunningWorkload {
  /** SPIFFE ID, or `unresolved:<cgroup>`. */
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
}

const O_CREAT = 0o100;
const OPENING: ReadonlySet<string> = new Set(["open", "openat", "openat2"]);

function seconds(fromNs: bigint, toNs: bigint): number {
  return Number(toNs - fromNs) / 1e9;
}

function processValue(given: ProcessView | null, nowNs: bigint): CelValue {
  const changedNs = given?.executable.ctimeNs ?? null;
  return {
    name: given?.name ?? "",
    executable: given?.exePath ?? "",
    args: given?.args ?? [],
    commandLine: given?.commandLine ?? "",
    cwd: given?.cwd ?? "",
    pid: given?.pid ?? 0,
    uid: given?.uid ?? 0,
    euid: given?.euid ?? 0,
    loginUid: given === null || given.loginUid === 4_294_967_295 ? -1 : given.loginUid,
    user: given?.userName ?? "",
    hasTerminal: given !== null && given.tty !== 0,
    capabilities: given === null || given.capEffective === 0n ? [] : capabilityNames(given.capEffective).split(" "),
    ageSeconds: given === null ? 0 : seconds(given.startNs, nowNs),
    isFromMemory: given?.executable.isFromMemfd ?? false,
    isOutsideImage: given?.executable.isUpperLayer ?? false,
    executableAgeSeconds: given === null || changedNs === null ? -1 : seconds(changedNs, given.execNs),
  };
}

const NOBODY: CelValue = processValue(null, 0n);
const MAX_ANCESTORS = 64;

function ancestorValues(given: ProcessView, nowNs: bigint): readonly CelValue[] {
  const values: CelValue[] = [];
  for (let at = given.parent; at !== null && values.length < MAX_ANCESTORS; at = at.parent) values.push(processValue(at, nowNs));
  return values;
}

const PATH_ARGUMENTS = ["name", "path", "filename", "pathname", "newpath", "linkpath"];
const ORIGIN_ARGUMENTS = ["oldpath", "target"];
const textArgument = ({ args }: SyscallEvent, names: readonly string[]): string => {
  const name = names.find((candidate) => typeof args[candidate] === "string");
  return name === undefined ? "" : String(args[name]);
};

const isSocket = (fd: DescriptorView | null): boolean => fd !== null && (fd.socket !== null || fd.kind === "unix" || fd.kind === "packet");

/** The path that an event is about: of the descriptor, or as an argument names it; of two the new one. Empty when it is about none. */
export function pathOf(event: SyscallEvent): string {
  if (event.type === "execve" || event.type === "execveat") return event.caller.exePath;
  const second = textArgument(event, ["newpath", "linkpath"]);
  if (second !== "") return second;
  return event.fd !== null && !isSocket(event.fd) ? event.fd.name : textArgument(event, PATH_ARGUMENTS);
}

function fileValue(event: SyscallEvent): CelValue {
  const path = pathOf(event);
  const slash = path.lastIndexOf("/");
  const { flags = 0, mode = 0 } = event.args;
  return {
    path,
    directory: path.slice(0, Math.max(slash, slash === 0 ? 1 : 0)),
    name: path.slice(slash + 1),
    from: textArgument(event, ORIGIN_ARGUMENTS),
    written: event.fd?.rawName ?? textArgument(event, PATH_ARGUMENTS),
    mode: Number(mode),
    isCreated: event.type === "creat" || (OPENING.has(event.type) && (Number(flags) & O_CREAT) !== 0),
  };
}

function networkValue({ fd, args }: SyscallEvent): CelValue {
  const socket = fd?.socket ?? null;
  return {
    family: isSocket(fd) ? (fd?.kind ?? "other") : (FAMILIES[Number(args["domain"] ?? 0)] ?? "other"),
    protocol: socket?.protocol ?? (Number(args["type"] ?? 0) % SOCKET_FLAGS === SOCK_RAW ? "raw" : "other"),
    localIp: socket?.localIp ?? "",
    localPort: socket?.localPort ?? 0,
    remoteIp: socket?.remoteIp ?? "",
    remotePort: socket?.remotePort ?? 0,
    remoteName: socket?.remoteName ?? "",
  };
}

/** `socket(2)`: address families; the type's flags are above its low bits. */
const FAMILIES: Readonly<Record<number, string>> = { 1: "unix", 2: "ipv4", 10: "ipv6", 16: "netlink", 17: "packet" };
const SOCK_RAW = 3;
const SOCKET_FLAGS = 0x800;

function workloadValue({ timeNs, caller: { container } }: SyscallEvent, { id, labels }: RunningWorkload): CelValue {
  return {
    id,
    container: container.id === "host" ? "" : container.id,
    image: container.imageRepository ?? "",
    namespace: container.podNamespace ?? "",
    pod: container.podName ?? "",
    labels,
    ageSeconds: container.startNs === null ? -1 : seconds(container.startNs, timeNs),
    isPrivileged: container.isPrivileged ?? false,
  };
}

const eventValue = (event: SyscallEvent, name: RuntimeEventName): CelValue => ({
  name,
  call: event.type,
  args: Object.fromEntries(Object.keys(event.args).map((key) => [key, argumentText(event, key) ?? ""])),
  result: event.result,
});

/** The variables of expressions, made when an expression first asks: most events are decided by the first of them. */
export class RuntimeBindings {
  readonly #event: SyscallEvent;
  readonly #name: RuntimeEventName;
  readonly #workload: RunningWorkload;
  readonly #bindings: Record<string, CelValue> = {};

  constructor(event: SyscallEvent, name: RuntimeEventName, workload: RunningWorkload) {
    this.#event = event;
    this.#name = name;
    this.#workload = workload;
  }

  /** The bindings with at least these variables. */
  having(variables: Iterable<string>): Readonly<Record<string, CelValue>> {
    for (const variable of variables) this.#bindings[variable] ??= this.#make(variable);
    return this.#bindings;
  }

  #make(variable: string): CelValue {
    const event = this.#event;
    switch (variable) {
      case "event":
        return eventValue(event, this.#name);
      case "process":
        return processValue(event.caller, event.timeNs);
      case "parent":
        return event.caller.parent === null ? NOBODY : processValue(event.caller.parent, event.timeNs);
      case "ancestors":
        return ancestorValues(event.caller, event.timeNs);
      case "file":
        return fileValue(event);
      case "network":
        return networkValue(event);
      case "workload":
        return workloadValue(event, this.#workload);
      default:
        throw new RangeError(`no variable of runtime policies: ${variable}`);
    }
  }
}
