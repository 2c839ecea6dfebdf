/** The events that a rule can be about, with the arguments that each has. */
import type { FlagSet } from "./flag-names.ts";

export interface EventType {
  /** In the order of Falco's `evt.arg[N]`. */
  readonly args: readonly string[];
  /** Arguments that are numbers of the kernel, and how they read. */
  readonly flags: Readonly<Record<string, FlagSet>>;
  /** What it comes from: a scheduler tracepoint that is always attached, or the system call's return, attached while rules need it. */
  readonly source: "scheduler" | "syscall";
}

const call = (args: string, flags: EventType["flags"] = {}): EventType => ({
  args: args === "" ? [] : args.split(" "),
  flags,
  source: "syscall",
});

const OPEN = { flags: "open", mode: "mode" } as const;
const EXEC: EventType = { args: ["filename", "flags"], flags: {}, source: "scheduler" };
const CLONE: EventType = { args: ["flags", "pid"], flags: { flags: "clone" }, source: "scheduler" };

/** By `evt.type`. Falco's names of the arguments (falcosecurity/libs, driver/event_table.c). */
export const EVENT_TYPES: ReadonlyMap<string, EventType> = new Map(
  Object.entries({
    execve: EXEC,
    execveat: EXEC,
    clone: CLONE,
    clone3: CLONE,
    fork: CLONE,
    vfork: CLONE,
    procexit: { args: ["status", "ret", "sig", "core"], flags: {}, source: "scheduler" },
    open: call("name flags mode", OPEN),
    openat: call("dirfd name flags mode", OPEN),
    openat2: call("dirfd name flags mode resolve", OPEN),
    open_by_handle_at: call("mountfd flags path", { flags: "open" }),
    creat: call("name mode", { mode: "mode" }),
    close: call("fd"),
    dup: call("oldfd"),
    dup2: call("oldfd newfd"),
    dup3: call("oldfd newfd flags", { flags: "open" }),
    rename: call("oldpath newpath"),
    renameat: call("olddirfd oldpath newdirfd newpath"),
    renameat2: call("olddirfd oldpath newdirfd newpath flags"),
    unlink: call("path"),
    unlinkat: call("dirfd name flags", { flags: "at" }),
    rmdir: call("path"),
    mkdir: call("mode path", { mode: "mode" }),
    mkdirat: call("dirfd path mode", { mode: "mode" }),
    link: call("oldpath newpath"),
    linkat: call("olddir oldpath newdir newpath flags", { flags: "at" }),
    symlink: call("target linkpath"),
    symlinkat: call("target linkdirfd linkpath"),
    chmod: call("filename mode", { mode: "mode" }),
    fchmod: call("fd mode", { mode: "mode" }),
    fchmodat: call("dirfd filename mode", { mode: "mode" }),
    fchmodat2: call("dirfd filename mode flags", { mode: "mode", flags: "at" }),
    chown: call("path uid gid"),
    fchown: call("fd uid gid"),
    lchown: call("path uid gid"),
    fchownat: call("dirfd pathname uid gid flags", { flags: "at" }),
    mknod: call("path mode dev", { mode: "mode" }),
    mknodat: call("dirfd path mode dev", { mode: "mode" }),
    truncate: call("path length"),
    mount: call("flags dev dir type", { flags: "mount" }),
    umount: call("name"),
    umount2: call("flags name"),
    pivot_root: call("new_root put_old"),
    chroot: call("path"),
    chdir: call("path"),
    socket: call("domain type proto", { domain: "domain", type: "socket" }),
    connect: call("fd addr"),
    accept: call("fd"),
    accept4: call("fd flags"),
    bind: call("fd addr"),
    listen: call("fd backlog"),
    sendto: call("fd size tuple"),
    sendmsg: call("fd size tuple"),
    sendmmsg: call("fd size tuple"),
    recvfrom: call("fd size tuple"),
    recvmsg: call("fd size tuple"),
    setuid: call("uid"),
    setgid: call("gid"),
    setreuid: call("ruid euid"),
    setregid: call("rgid egid"),
    setresuid: call("ruid euid suid"),
    setresgid: call("rgid egid sgid"),
    setns: call("fd nstype", { nstype: "clone" }),
    unshare: call("flags", { flags: "clone" }),
    capset: call("cap_inheritable cap_permitted cap_effective"),
    ptrace: call("request pid addr data", { request: "ptrace" }),
    process_vm_writev: call("pid"),
    process_vm_readv: call("pid"),
    pidfd_getfd: call("pid_fd target_fd flags"),
    kill: call("pid sig", { sig: "signal" }),
    tgkill: call("tid pid sig", { sig: "signal" }),
    prctl: call("option arg2_str arg2_int", { option: "prctl" }),
    init_module: call("img length uargs"),
    finit_module: call("fd uargs flags"),
    delete_module: call("name flags"),
    bpf: call("fd cmd", { cmd: "bpf" }),
    memfd_create: call("fd name flags"),
    userfaultfd: call("flags", { flags: "open" }),
    io_uring_setup: call("entries flags"),
    keyctl: call("cmd"),
  } satisfies Record<string, EventType>),
);

/** Names of Falco's language for more than one event. */
export const OPEN_TYPES: ReadonlySet<string> = new Set(["open", "openat", "openat2", "open_by_handle_at", "creat"]);
