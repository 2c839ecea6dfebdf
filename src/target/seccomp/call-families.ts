/**
 * What another libc, kernel or architecture calls where a recorded program made a certain call, and what every program needs. Without it
 * a profile recorded on one machine stops the same program on another.
 */
import type { SyscallName } from "../../linux/syscall-numbers.ts";
import { unionAlternatives } from "./guarded-arguments.ts";
import { type Alternative, type Profile, type ProfileCall, type Reason, sortReasons } from "./profile.ts";

/**
 * Calls that stand for each other: what one of them may do, each may do. Where a newer member can do more (`openat2`, `statx`), it can do
 * no more to the same object. `clone3` is not here: its flags are behind a pointer, and libcs fall back to `clone` when they get ENOSYS.
 */
const FAMILIES: readonly (readonly SyscallName[])[] = [
  ["open", "openat"],
  ["creat", "open", "openat"],
  ["stat", "lstat", "newfstatat", "statx"],
  ["fstat", "newfstatat", "statx"],
  ["access", "faccessat", "faccessat2"],
  ["readlink", "readlinkat"],
  ["mkdir", "mkdirat"],
  ["rmdir", "unlinkat"],
  ["unlink", "unlinkat"],
  ["rename", "renameat", "renameat2"],
  ["link", "linkat"],
  ["symlink", "symlinkat"],
  ["chmod", "fchmodat", "fchmodat2"],
  ["chown", "lchown", "fchownat"],
  ["mknod", "mknodat"],
  ["utime", "utimes", "futimesat", "utimensat"],
  ["pipe", "pipe2"],
  ["dup2", "dup3"],
  ["poll", "ppoll"],
  ["select", "pselect6"],
  ["epoll_create", "epoll_create1"],
  ["epoll_wait", "epoll_pwait", "epoll_pwait2"],
  ["eventfd", "eventfd2"],
  ["signalfd", "signalfd4"],
  ["inotify_init", "inotify_init1"],
  ["accept", "accept4"],
  ["fork", "vfork", "clone"],
  ["getdents", "getdents64"],
  ["getrlimit", "prlimit64"],
  ["setrlimit", "prlimit64"],
  ["time", "gettimeofday", "clock_gettime"],
  ["nanosleep", "clock_nanosleep"],
  ["alarm", "setitimer"],
  ["pause", "ppoll", "rt_sigsuspend"],
  ["getpgrp", "getpgid"],
  ["preadv", "preadv2"],
  ["pwritev", "pwritev2"],
  ["sendfile", "copy_file_range"],
  ["fadvise64", "readahead"],
];

/**
 * What a program that was started needs in any libc (glibc and musl, static and dynamic): loading, memory, threads, signals, time, exit.
 * None of it reaches beyond the process, but for opening files to read its libraries.
 */
export const BASE_CALLS: readonly SyscallName[] = [
  "access",
  "arch_prctl",
  "brk",
  "clock_getres",
  "clock_gettime",
  "clock_nanosleep",
  "close",
  "execve",
  "exit",
  "exit_group",
  "faccessat",
  "fcntl",
  "fstat",
  "futex",
  "getegid",
  "geteuid",
  "getgid",
  "getpid",
  "getrandom",
  "gettid",
  "gettimeofday",
  "getuid",
  "lseek",
  "madvise",
  "membarrier",
  "mmap",
  "mprotect",
  "munmap",
  "nanosleep",
  "newfstatat",
  "open",
  "openat",
  "pread64",
  "prlimit64",
  "read",
  "readlink",
  "readlinkat",
  "restart_syscall",
  "rseq",
  "rt_sigaction",
  "rt_sigprocmask",
  "rt_sigreturn",
  "sched_getaffinity",
  "sched_yield",
  "set_robust_list",
  "set_tid_address",
  "sigaltstack",
  "stat",
  "statx",
  "tgkill",
  "uname",
  "write",
  "writev",
];

/** Without one of each of these no program, not even a static one, comes as far as its own code, or ends as it wants. */
const START_CALLS: readonly (readonly SyscallName[])[] = [["execve"], ["brk", "mmap"], ["exit_group", "exit"]];

/** What a profile lacks so much that it would stop any program at its start: as `brk or mmap`. */
export function missingAtStart({ calls }: Pick<Profile, "calls">): readonly string[] {
  const names = new Set(calls.map(({ name }) => name));
  return START_CALLS.filter((group) => !group.some((name) => names.has(name))).map((group) => group.join(" or "));
}

/** What runc needs between loading the filter and starting the program, since it does that under the filter (runc 1.1 to 1.4). */
export const RUNC_CALLS: readonly SyscallName[] = [
  "capget",
  "capset",
  "chdir",
  "clone",
  "close_range",
  "dup3",
  "epoll_create1",
  "epoll_ctl",
  "epoll_pwait",
  "eventfd2",
  "faccessat2",
  "fchdir",
  "fchown",
  "fstatfs",
  "getdents64",
  "getppid",
  "keyctl",
  "mkdirat",
  "mount",
  "openat2",
  "prctl",
  "setgid",
  "setgroups",
  "setuid",
  "tkill",
  "umask",
  "unlinkat",
  "statfs",
];

const equivalents = new Map<SyscallName, ReadonlySet<SyscallName>>();
for (const family of FAMILIES) {
  for (const name of family) equivalents.set(name, new Set([...(equivalents.get(name) ?? []), ...family.filter((each) => each !== name)]));
}

/** The calls that another libc, kernel or architecture makes in place of this one. */
export const equivalentCalls = (name: SyscallName): readonly SyscallName[] => [...(equivalents.get(name) ?? [])];

/** The profile with calls added for a reason, with any arguments; calls that it has already only get the reason. */
export function withCalls(profile: Profile, names: Iterable<SyscallName>, reason: Reason): Profile {
  const byName = new Map(profile.calls.map((call) => [call.name, call]));
  for (const name of names) {
    const before = byName.get(name);
    const reasons = sortReasons([...(before?.reasons ?? []), reason]);
    byName.set(name, { name, reasons, alternatives: before?.alternatives ?? [] });
  }
  return { ...profile, calls: sortCalls(byName.values()) };
}

/**
 * A profile that also works on another libc or kernel, or on the other architecture: base set and equivalents added, and `clone3`, which
 * no filter can look into, replaced by `clone` without new namespaces (libcs fall back to it).
 */
export function withCompatibility(recorded: Profile): Profile {
  const profile = withoutNewClone(recorded);
  const based = withCalls(profile, BASE_CALLS, "base");
  const own = new Set(profile.calls.map(({ name }) => name));
  // A call whose arguments are restricted has no equivalent: the other one would be a way around.
  const free = profile.calls.filter(({ alternatives }) => alternatives.length === 0).map(({ name }) => name);
  const further = free.flatMap(equivalentCalls).filter((name) => !own.has(name));
  return guardNewClone(profile, withCalls(based, further, "compatible"));
}

function withoutNewClone(profile: Profile): Profile {
  const modern = profile.calls.find(({ name }) => name === "clone3");
  if (modern === undefined) return profile;
  const classic = profile.calls.find(({ name }) => name === "clone");
  const call: ProfileCall = {
    name: "clone",
    reasons: sortReasons([...modern.reasons, ...(classic?.reasons ?? [])]),
    alternatives: unionAlternatives(classic?.alternatives ?? [WITHOUT_NAMESPACES], [WITHOUT_NAMESPACES]),
  };
  return { ...profile, calls: sortCalls([...profile.calls.filter(({ name }) => name !== "clone3" && name !== "clone"), call]) };
}

/** `clone` that was not seen is let in for `fork` with no flag that makes a namespace. */
function guardNewClone(before: Profile, after: Profile): Profile {
  if (before.calls.some(({ name }) => name === "clone")) return after;
  return { ...after, calls: after.calls.map((call) => (call.name === "clone" ? { ...call, alternatives: [WITHOUT_NAMESPACES] } : call)) };
}

/** CLONE_NEWTIME (in `unshare` only), NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET (include/uapi/linux/sched.h). */
export const NAMESPACE_FLAGS: bigint = 0x7e02_0000n;
const WITHOUT_NAMESPACES: Alternative = [{ argument: 0, mask: NAMESPACE_FLAGS, value: 0n }];

const sortCalls = (calls: Iterable<ProfileCall>): readonly ProfileCall[] =>
  [...calls].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
