/** What a process can do, as policies name it, and the system calls that it is done by. */
import type { SyscallEvent } from "../falco/syscall-event.ts";

export const RUNTIME_EVENTS = [
  "process.exec",
  "process.end",
  "process.credentials",
  "process.ptrace",
  "process.namespace",
  "process.mount",
  "process.module",
  "process.bpf",
  "process.memfd",
  "process.signal",
  "process.capability",
  "file.read",
  "file.write",
  "file.create",
  "file.delete",
  "file.rename",
  "file.link",
  "file.chmod",
  "file.chown",
  "file.mkdir",
  "network.connect",
  "network.accept",
  "network.bind",
  "network.listen",
  "network.socket",
] as const;
export type RuntimeEventName = (typeof RUNTIME_EVENTS)[number];

const O_CREAT = 0o100;
const O_ACCMODE = 3;

/** By system call. Opening is `file.read`, `file.write` or `file.create` by its flags. */
const NAMES: Readonly<Record<string, RuntimeEventName>> = {
  execve: "process.exec",
  execveat: "process.exec",
  procexit: "process.end",
  setuid: "process.credentials",
  setgid: "process.credentials",
  setreuid: "process.credentials",
  setregid: "process.credentials",
  setresuid: "process.credentials",
  setresgid: "process.credentials",
  capset: "process.credentials",
  ptrace: "process.ptrace",
  process_vm_writev: "process.ptrace",
  process_vm_readv: "process.ptrace",
  pidfd_getfd: "process.ptrace",
  setns: "process.namespace",
  unshare: "process.namespace",
  mount: "process.mount",
  umount2: "process.mount",
  pivot_root: "process.mount",
  init_module: "process.module",
  finit_module: "process.module",
  delete_module: "process.module",
  bpf: "process.bpf",
  memfd_create: "process.memfd",
  signal: "process.signal",
  capable: "process.capability",
  creat: "file.create",
  rename: "file.rename",
  renameat: "file.rename",
  renameat2: "file.rename",
  unlink: "file.delete",
  unlinkat: "file.delete",
  rmdir: "file.delete",
  link: "file.link",
  linkat: "file.link",
  symlink: "file.link",
  symlinkat: "file.link",
  chmod: "file.chmod",
  fchmod: "file.chmod",
  fchmodat: "file.chmod",
  fchmodat2: "file.chmod",
  chown: "file.chown",
  fchown: "file.chown",
  lchown: "file.chown",
  fchownat: "file.chown",
  mkdir: "file.mkdir",
  mkdirat: "file.mkdir",
  connect: "network.connect",
  accept: "network.accept",
  accept4: "network.accept",
  bind: "network.bind",
  listen: "network.listen",
  socket: "network.socket",
};
/** Names of what no system call tells. */
const NO_CALLS: ReadonlySet<string> = new Set(["signal", "capable"]);
const BY_CALL: ReadonlyMap<string, RuntimeEventName> = new Map(Object.entries(NAMES));
const OPENING: ReadonlySet<string> = new Set(["open", "openat", "openat2"]);

/** What an event is to policies; undefined for what no policy can be about. */
export function runtimeEventName(event: SyscallEvent): RuntimeEventName | undefined {
  if (!OPENING.has(event.type)) return BY_CALL.get(event.type);
  const flags = Number(event.args["flags"] ?? 0);
  if ((flags & O_ACCMODE) === 0) return "file.read";
  return (flags & O_CREAT) === 0 ? "file.write" : "file.create";
}

/** The system calls that have to be seen for events of these names. */
export function callsOf(names: ReadonlySet<RuntimeEventName>): readonly string[] {
  const calls = Object.keys(NAMES).filter((call) => !NO_CALLS.has(call) && names.has(NAMES[call] ?? "process.end"));
  const isOpening = names.has("file.read") || names.has("file.write") || names.has("file.create");
  return isOpening ? [...calls, ...OPENING] : calls;
}
