/** Events of rules as the events that are stored and shown. */
import type { FileFields, NetworkFields, ProcessFields } from "../event/producer.ts";
import type { FileEvent, NetworkEvent, ProcessEvent } from "../event/runtime-event.ts";
import { formatTimeNs } from "../event/timestamp.ts";
import type { ProcessView, SyscallEvent } from "../falco/syscall-event.ts";
import { pathOf, type RunningWorkload } from "../policy/runtime-view.ts";
import { type RuntimeEventName, runtimeEventName } from "../resource/runtime-event-name.ts";
import { withheldArguments } from "./withheld-arguments.ts";

export type DescribedEvent =
  | { readonly kind: "process"; readonly fields: ProcessFields }
  | { readonly kind: "file"; readonly fields: FileFields }
  | { readonly kind: "network"; readonly fields: NetworkFields };

const PROCESS_ACTIONS: Partial<Record<RuntimeEventName, ProcessEvent["action"]>> = {
  "process.exec": "exec",
  "process.end": "exit",
  "process.credentials": "credentials",
  "process.ptrace": "ptrace",
  "process.namespace": "namespace",
  "process.mount": "mount",
  "process.module": "module",
  "process.bpf": "bpf",
  "process.signal": "signal",
  "process.capability": "capability",
};

const INFORMATIONAL = 1;

/** Undefined for what is no event of its own. */
export function describeRuntimeEvent(event: SyscallEvent, workload: RunningWorkload): DescribedEvent | undefined {
  const name = runtimeEventName(event);
  if (name === undefined) return undefined;
  const acting = { ...actingOf(event.caller), subject: workload.id, severity: INFORMATIONAL } as const;
  const [kind, action = ""] = name.split(".");
  if (kind === "file") return { kind, fields: fileFields(event, acting, action as FileEvent["action"]) }; // the names of file events are their actions
  if (kind === "network") return { kind, fields: networkFields(event, acting, action as NetworkEvent["action"]) }; // as above
  const processAction = PROCESS_ACTIONS[name];
  return processAction === undefined ? undefined : { kind: "process", fields: processFields(event, acting, processAction) };
}

type Acting = Pick<ProcessFields, "execId" | "parentExecId" | "pid" | "binary" | "cgroupId" | "containerId" | "subject" | "severity">;

const actingOf = ({ execId, parent, pid, exePath, cgroupId, container }: ProcessView): Omit<Acting, "subject" | "severity"> => ({
  execId,
  parentExecId: parent?.execId ?? "",
  pid,
  binary: exePath,
  cgroupId,
  containerId: container.id === "host" ? "" : container.fullId,
});

function processFields(event: SyscallEvent, acting: Acting, action: ProcessEvent["action"]): ProcessFields {
  const { caller, args } = event;
  const object =
    action === "exec" || action === "exit"
      ? caller.exePath
      : String(
          args["dir"] ??
            args["cap"] ??
            (action === "signal" ? `${args["sig"]} to ${args["pid"]}` : (args["pid"] ?? args["name"] ?? event.type)),
        );
  return {
    ...acting,
    action,
    object,
    startTime: formatTimeNs(caller.startNs),
    args: withheldArguments(caller.args),
    cwd: caller.cwd,
    uid: caller.uid,
    euid: caller.euid,
    capsEffective: caller.capEffective.toString(16).padStart(16, "0"),
    imageDigest: caller.container.imageDigest ?? "",
    result: event.result,
  };
}

function fileFields(event: SyscallEvent, acting: Acting, action: FileEvent["action"]): FileFields {
  const { args, result } = event;
  const from = action === "rename" || action === "link" ? String(args["oldpath"] ?? args["target"] ?? "") : "";
  return { ...acting, action, object: pathOf(event), from, flags: Number(args["flags"] ?? args["mode"] ?? 0), result: Math.min(result, 0) };
}

function networkFields({ fd, result }: SyscallEvent, acting: Acting, action: NetworkEvent["action"]): NetworkFields {
  const socket = fd?.socket ?? null;
  const isOwn = action === "bind" || action === "listen";
  const ip = isOwn ? socket?.localIp : socket?.remoteIp;
  const port = isOwn ? socket?.localPort : socket?.remotePort;
  const isFromPeer = action === "accept";
  const [source, destination] = [
    { ip: socket?.localIp ?? "", port: socket?.localPort ?? 0 },
    { ip: socket?.remoteIp ?? "", port: socket?.remotePort ?? 0 },
  ];
  return {
    ...acting,
    action,
    object: ip === undefined || ip === "" ? (fd?.name ?? "") : ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`,
    proto: socket?.protocol ?? (fd?.kind === "unix" ? "unix" : fd?.kind === "packet" ? "packet" : "other"),
    srcIp: (isFromPeer ? destination : source).ip,
    srcPort: (isFromPeer ? destination : source).port,
    dstIp: (isFromPeer ? source : destination).ip,
    dstPort: (isFromPeer ? source : destination).port,
    communityId: "",
    result: Math.min(result, 0),
  };
}
