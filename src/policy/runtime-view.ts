/** Events of the host as values of CEL. */
import { doubleOf } from "../cel/runtime/double.ts";
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

/** As a double, which whole seconds are not by themselves. */
function seconds(fromNs: bigint, toNs: bigint): CelValue {
  return doubleOf(Number(toNs - fromNs) / 1e9);
}

/** What differs from one moment to the next: worked out where an expression asks for it. */
interface Ages {
  readonly ageSeconds: CelValue;
  readonly executableAgeSeconds: CelValue;
}

const UNKNOWN = doubleOf(-1);
const NO_AGES: Ages = { ageSeconds: doubleOf(0), executableAgeSeconds: UNKNOWN };

function agesOf(given: ProcessView, nowNs: bigint): Ages {
  const { startNs, execNs, executable } = given;
  return {
    ageSeconds: seconds(startNs, nowNs),
    executableAgeSeconds: executable.ctimeNs === null ? UNKNOWN : seconds(executable.ctimeNs, execNs),
  };
}

function processValue(given: ProcessView | null, { ageSeconds, executableAgeSeconds }: Ages = NO_AGES): CelValue {
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
    ageSeconds,
    isFromMemory: given?.executable.isFromMemfd ?? false,
    isOutsideImage: given?.executable.isUpperLayer ?? false,
    executableAgeSeconds,
  };
}

const NOBODY: CelValue = processValue(null);
const MAX_ANCESTORS = 64;

function ancestorsOf(given: ProcessView): readonly ProcessView[] {
  const found: ProcessView[] = [];
  for (let at = given.parent; at !== null && found.length < MAX_ANCESTORS; at = at.parent) found.push(at);
  return found;
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
  const { newpath, linkpath } = event.args;
  if (typeof newpath === "string" && newpath !== "") return newpath;
  if (typeof linkpath === "string" && linkpath !== "") return linkpath;
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
    ageSeconds: container.startNs === null ? UNKNOWN : seconds(container.startNs, timeNs),
    isPrivileged: container.isPrivileged ?? false,
  };
}

const eventValue = (event: SyscallEvent, name: RuntimeEventName): CelValue => ({
  name,
  call: event.type,
  args: Object.fromEntries(Object.keys(event.args).map((key) => [key, argumentText(event, key) ?? ""])),
  result: event.result,
});

/** Beside the variables of expressions: that they ask for ages of processes. */
export const AGES = "ages";
const PROCESSES = ["process", "parent", "ancestors"];

/** The variables of expressions, made when an expression first asks: most events are decided by the first of them. */
export class RuntimeBindings {
  readonly #event: SyscallEvent;
  readonly #name: RuntimeEventName;
  readonly workload: RunningWorkload;
  readonly #bindings: Record<string, CelValue> = {};
  #hasAges = false;

  constructor(event: SyscallEvent, name: RuntimeEventName, workload: RunningWorkload) {
    this.#event = event;
    this.#name = name;
    this.workload = workload;
  }

  /** Those that were made so far. */
  get made(): Readonly<Record<string, CelValue>> {
    return this.#bindings;
  }

  /** Makes what a condition needs. */
  prepare({ needs }: { readonly needs: readonly string[] }): void {
    this.make(needs);
  }

  /** Makes those of these variables that are not there yet. */
  make(variables: readonly string[]): void {
    for (const variable of variables) {
      if (variable === AGES) this.#addAges();
      else this.#bindings[variable] ??= this.#make(variable);
    }
  }

  /** From now on; what was made without them is made again. */
  #addAges(): void {
    if (this.#hasAges) return;
    this.#hasAges = true;
    for (const name of PROCESSES) if (name in this.#bindings) this.#bindings[name] = this.#make(name);
  }

  #process(given: ProcessView): CelValue {
    return processValue(given, this.#hasAges ? agesOf(given, this.#event.timeNs) : NO_AGES);
  }

  #make(variable: string): CelValue {
    const event = this.#event;
    switch (variable) {
      case "event":
        return eventValue(event, this.#name);
      case "process":
        return this.#process(event.caller);
      case "parent":
        return event.caller.parent === null ? NOBODY : this.#process(event.caller.parent);
      case "ancestors":
        return ancestorsOf(event.caller).map((ancestor) => this.#process(ancestor));
      case "file":
        return fileValue(event);
      case "network":
        return networkValue(event);
      case "workload":
        return workloadValue(event, this.workload);
      default:
        throw new RangeError(`no variable of runtime policies: ${variable}`);
    }
  }
}
