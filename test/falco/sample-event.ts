/** Events as the sensor makes them, for tests and measurements. */
import {
  type ContainerView,
  type DescriptorView,
  HOST,
  NO_EXECUTABLE,
  type ProcessView,
  type SocketView,
  type SyscallEvent,
} from "../../src/falco/syscall-event.ts";

const START_NS = 1_795_000_000_000_000_000n;

export function sampleProcess(fields: Partial<ProcessView> = {}): ProcessView {
  const name = fields.name ?? "bash";
  const args = fields.args ?? [];
  const argsText = args.join(" ");
  return {
    execId: `boot:${fields.pid ?? 4711}:1`,
    pid: 4711,
    tid: 4711,
    parent: null,
    parentPid: fields.parent?.pid ?? 1,
    name,
    exe: name,
    exePath: `/usr/bin/${name}`,
    args,
    argsText,
    commandLine: argsText === "" ? name : `${name} ${argsText}`,
    cwd: "/",
    env: null,
    startNs: START_NS,
    execNs: START_NS,
    uid: 0,
    euid: 0,
    gid: 0,
    egid: 0,
    loginUid: 4_294_967_295,
    userName: "root",
    loginName: null,
    groupName: "root",
    tty: 0,
    sid: 1,
    sessionName: null,
    pgid: 4711,
    vpid: 4711,
    vpgid: 4711,
    capEffective: 0n,
    capPermitted: 0n,
    capInheritable: 0n,
    executable: NO_EXECUTABLE,
    cgroupId: "1",
    mountNamespace: 1,
    container: HOST,
    ...fields,
  };
}

export const CONTAINER: ContainerView = { ...HOST, id: "c0ffee00c0ff", fullId: "c0ffee00c0ff".repeat(5), name: "shop" };

export function sampleFile(name: string, fields: Partial<DescriptorView> = {}): DescriptorView {
  return { kind: "file", number: 3, name, rawName: name, socket: null, ...fields };
}

export function sampleSocket(fields: Partial<SocketView> = {}, kind: "ipv4" | "ipv6" = "ipv4"): DescriptorView {
  const socket: SocketView = {
    protocol: "tcp",
    localIp: "10.0.0.3",
    localPort: 40000,
    remoteIp: "93.184.216.34",
    remotePort: 443,
    role: "client",
    isConnected: true,
    isNameChanged: false,
    remoteName: null,
    ...fields,
  };
  const name = `${socket.localIp}:${socket.localPort}->${socket.remoteIp}:${socket.remotePort}`;
  return { kind, number: 4, name, rawName: name, socket };
}

export function sampleEvent(type: string, fields: Partial<SyscallEvent> = {}): SyscallEvent {
  return {
    type,
    number: 1,
    timeNs: START_NS + 60_000_000_000n,
    cpu: 0,
    result: 0,
    caller: sampleProcess(),
    fd: null,
    args: {},
    ...fields,
  };
}
