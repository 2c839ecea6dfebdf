/**
 * System calls that the sensor can tell of: what their registers are, and what is copied with them. A register is written as
 * `name` (a number), `name/` (a path), `name@N` (a path that starts from the directory in register N), `name"` (another text),
 * `name*` (a descriptor whose file is told), `name&` (the address of a socket; its length is the next register), or `-`.
 */
import { isSyscallName, type SyscallName } from "../../linux/syscall-numbers.ts";

export type CallRing = "process" | "file" | "network";

export interface CallRow {
  readonly name: SyscallName;
  readonly ring: CallRing;
  /** By register; empty for what is not told. */
  readonly argumentNames: readonly string[];
  /** Registers of texts, at most two, and where a relative path starts: a register, the working directory, or it is no path. */
  readonly texts: readonly { readonly register: number; readonly directory: number | "cwd" | undefined }[];
  readonly descriptor: number | "result" | undefined;
  readonly address: number | undefined;
  /** Texts are copied when the call begins: afterwards the kernel itself does not know what it was told. */
  readonly isKept: boolean;
  /** Numbers of the capabilities that the kernel asks for in it, before it does what it is called for. */
  readonly capabilities: readonly number[];
}

const ROWS: readonly (readonly [ring: CallRing, name: string, registers: string, result?: "result"])[] = [
  ["file", "open", "name/ flags mode", "result"],
  ["file", "openat", "dirfd name@0 flags mode", "result"],
  ["file", "openat2", "dirfd name@0", "result"],
  ["file", "creat", "name/ mode", "result"],
  ["file", "open_by_handle_at", "mountfd - flags", "result"],
  ["file", "rename", "oldpath/ newpath/"],
  ["file", "renameat", "olddirfd oldpath@0 newdirfd newpath@2"],
  ["file", "renameat2", "olddirfd oldpath@0 newdirfd newpath@2 flags"],
  ["file", "unlink", "path/"],
  ["file", "unlinkat", "dirfd name@0 flags"],
  ["file", "rmdir", "path/"],
  ["file", "mkdir", "path/ mode"],
  ["file", "mkdirat", "dirfd path@0 mode"],
  ["file", "link", "oldpath/ newpath/"],
  ["file", "linkat", "olddir oldpath@0 newdir newpath@2 flags"],
  ["file", "symlink", 'target" linkpath/'],
  ["file", "symlinkat", 'target" linkdirfd linkpath@1'],
  ["file", "chmod", "filename/ mode"],
  ["file", "fchmod", "fd* mode"],
  ["file", "fchmodat", "dirfd filename@0 mode"],
  ["file", "fchmodat2", "dirfd filename@0 mode flags"],
  ["file", "chown", "path/ uid gid"],
  ["file", "fchown", "fd* uid gid"],
  ["file", "lchown", "path/ uid gid"],
  ["file", "fchownat", "dirfd pathname@0 uid gid flags"],
  ["file", "mknod", "path/ mode dev"],
  ["file", "mknodat", "dirfd path@0 mode dev"],
  ["file", "truncate", "path/ length"],
  ["file", "dup", "oldfd", "result"],
  ["file", "dup2", "oldfd newfd", "result"],
  ["file", "dup3", "oldfd newfd flags", "result"],
  ["process", "mount", 'dev" dir/ - flags'],
  ["process", "umount2", "name/ flags"],
  ["process", "pivot_root", "new_root/ put_old/"],
  ["process", "chroot", "path/"],
  ["process", "chdir", "path/"],
  ["network", "socket", "domain type proto", "result"],
  ["network", "connect", "fd* addr&"],
  ["network", "accept", "fd", "result"],
  ["network", "accept4", "fd - - flags", "result"],
  ["network", "bind", "fd* addr&"],
  ["network", "listen", "fd* backlog"],
  ["network", "sendto", "fd* - size - addr&"],
  ["network", "sendmsg", "fd*"],
  ["network", "sendmmsg", "fd*"],
  ["network", "recvfrom", "fd* - size"],
  ["network", "recvmsg", "fd*"],
  ["process", "setuid", "uid"],
  ["process", "setgid", "gid"],
  ["process", "setreuid", "ruid euid"],
  ["process", "setregid", "rgid egid"],
  ["process", "setresuid", "ruid euid suid"],
  ["process", "setresgid", "rgid egid sgid"],
  ["process", "setns", "fd nstype"],
  ["process", "unshare", "flags"],
  ["process", "capset", "- -"],
  ["process", "ptrace", "request pid addr data"],
  ["process", "process_vm_readv", "pid"],
  ["process", "process_vm_writev", "pid"],
  ["process", "pidfd_getfd", "pid_fd target_fd flags"],
  ["process", "kill", "pid sig"],
  ["process", "tgkill", "pid tid sig"],
  ["process", "prctl", "option arg2_int"],
  ["process", "init_module", '- length uargs"'],
  ["process", "finit_module", 'fd* uargs" flags'],
  ["process", "delete_module", 'name" flags'],
  ["process", "bpf", "cmd"],
  ["process", "memfd_create", 'name" flags', "result"],
  ["process", "userfaultfd", "flags", "result"],
  ["process", "io_uring_setup", "entries", "result"],
  ["process", "keyctl", "cmd"],
];

/** `CAP_…` (include/uapi/linux/capability.h) by call. CAP_BPF is asked for by each call of bpf(2), whoever calls. */
const CAPABILITIES: Readonly<Record<string, readonly number[]>> = {
  setuid: [7],
  setreuid: [7],
  setresuid: [7],
  setgid: [6],
  setregid: [6],
  setresgid: [6],
  ptrace: [19],
  process_vm_readv: [19],
  process_vm_writev: [19],
  pidfd_getfd: [19],
  socket: [13],
  setns: [21],
  unshare: [21],
  mount: [21],
  umount2: [21],
  pivot_root: [21],
  chroot: [18],
  init_module: [16],
  finit_module: [16],
  delete_module: [16],
  bpf: [39],
};

/** Of these, the kernel tells afterwards which file it was. */
const TOLD_BY_DESCRIPTOR: ReadonlySet<string> = new Set(["open", "openat", "openat2", "creat"]);

function rowOf([ring, name, registers, result]: (typeof ROWS)[number]): CallRow {
  if (!isSyscallName(name)) throw new TypeError(`no system call is called \`${name}\``);
  const words = registers.split(" ");
  const texts = words.flatMap((word, register): CallRow["texts"] => {
    if (word.endsWith("/")) return [{ register, directory: "cwd" }];
    if (word.endsWith('"')) return [{ register, directory: undefined }];
    const at = /@(\d)$/.exec(word);
    return at === null ? [] : [{ register, directory: Number(at[1]) }];
  });
  const described = words.findIndex((word) => word.endsWith("*"));
  const address = words.findIndex((word) => word.endsWith("&"));
  return {
    name,
    ring,
    argumentNames: words.map((word) => (word === "-" ? "" : word.replace(/(?:[/"*&]|@\d)$/, ""))),
    texts,
    descriptor: result ?? (described < 0 ? undefined : described),
    address: address < 0 ? undefined : address,
    capabilities: CAPABILITIES[name] ?? [],
    isKept: (texts.length > 0 || address >= 0) && !TOLD_BY_DESCRIPTOR.has(name),
  };
}

/** By name. */
export const CALL_ROWS: ReadonlyMap<string, CallRow> = new Map(ROWS.map((row) => [row[1], rowOf(row)]));
