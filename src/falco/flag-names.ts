/** Names of the kernel's flags as Falco writes them: `O_CREAT|O_WRONLY`. Numbers are those of x86-64 and arm64 alike unless said. */

export type FlagSet = "open" | "mode" | "clone" | "mount" | "ptrace" | "bpf" | "domain" | "socket" | "at" | "signal" | "prctl";

interface Bits {
  readonly kind: "bits";
  readonly names: readonly (readonly [bit: number, name: string])[];
  /** What stands when no bit is set. */
  readonly none: string;
}
interface Values {
  readonly kind: "values";
  readonly names: ReadonlyMap<number, string>;
}

const bits = (none: string, ...names: readonly (readonly [number, string])[]): Bits => ({ kind: "bits", names, none });
const values = (...names: readonly (readonly [number, string])[]): Values => ({ kind: "values", names: new Map(names) });
const numbered = (...names: readonly string[]): Values => values(...names.map((name, index) => [index, name] as const));

const OPEN = bits(
  "O_RDONLY",
  [0o100, "O_CREAT"],
  [0o200, "O_EXCL"],
  [0o1000, "O_TRUNC"],
  [0o2000, "O_APPEND"],
  [0o4000, "O_NONBLOCK"],
  [0o10000, "O_DSYNC"],
  [0o40000, "O_DIRECT"],
  [0o100000, "O_LARGEFILE"],
  [0o200000, "O_DIRECTORY"],
  [0o400000, "O_NOFOLLOW"],
  [0o2000000, "O_CLOEXEC"],
  [0o4000000, "O_SYNC"],
  [0o20000000, "O_TMPFILE"],
);

const MODE = bits(
  "0",
  [0o4000, "S_ISUID"],
  [0o2000, "S_ISGID"],
  [0o1000, "S_ISVTX"],
  [0o400, "S_IRUSR"],
  [0o200, "S_IWUSR"],
  [0o100, "S_IXUSR"],
  [0o40, "S_IRGRP"],
  [0o20, "S_IWGRP"],
  [0o10, "S_IXGRP"],
  [0o4, "S_IROTH"],
  [0o2, "S_IWOTH"],
  [0o1, "S_IXOTH"],
);

const SETS: Readonly<Record<FlagSet, Bits | Values>> = {
  open: OPEN,
  mode: MODE,
  clone: bits(
    "0",
    [0x100, "CLONE_VM"],
    [0x200, "CLONE_FS"],
    [0x400, "CLONE_FILES"],
    [0x800, "CLONE_SIGHAND"],
    [0x2000, "CLONE_PTRACE"],
    [0x4000, "CLONE_VFORK"],
    [0x8000, "CLONE_PARENT"],
    [0x10000, "CLONE_THREAD"],
    [0x20000, "CLONE_NEWNS"],
    [0x2000000, "CLONE_NEWCGROUP"],
    [0x4000000, "CLONE_NEWUTS"],
    [0x8000000, "CLONE_NEWIPC"],
    [0x10000000, "CLONE_NEWUSER"],
    [0x20000000, "CLONE_NEWPID"],
    [0x40000000, "CLONE_NEWNET"],
  ),
  mount: bits(
    "0",
    [1, "RDONLY"],
    [2, "NOSUID"],
    [4, "NODEV"],
    [8, "NOEXEC"],
    [16, "SYNCHRONOUS"],
    [32, "REMOUNT"],
    [1024, "NOATIME"],
    [4096, "BIND"],
    [8192, "MOVE"],
    [16384, "REC"],
  ),
  at: bits("0", [0x200, "AT_REMOVEDIR"], [0x400, "AT_SYMLINK_FOLLOW"], [0x1000, "AT_EMPTY_PATH"]),
  ptrace: values(
    [0, "PTRACE_TRACEME"],
    [1, "PTRACE_PEEKTEXT"],
    [2, "PTRACE_PEEKDATA"],
    [3, "PTRACE_PEEKUSR"],
    [4, "PTRACE_POKETEXT"],
    [5, "PTRACE_POKEDATA"],
    [6, "PTRACE_POKEUSR"],
    [7, "PTRACE_CONT"],
    [8, "PTRACE_KILL"],
    [9, "PTRACE_SINGLESTEP"],
    [12, "PTRACE_GETREGS"],
    [13, "PTRACE_SETREGS"],
    [14, "PTRACE_GETFPREGS"],
    [15, "PTRACE_SETFPREGS"],
    [16, "PTRACE_ATTACH"],
    [17, "PTRACE_DETACH"],
    [24, "PTRACE_SYSCALL"],
    [0x4200, "PTRACE_SETOPTIONS"],
    [0x4204, "PTRACE_GETREGSET"],
    [0x4205, "PTRACE_SETREGSET"],
    [0x4206, "PTRACE_SEIZE"],
    [0x4207, "PTRACE_INTERRUPT"],
  ),
  bpf: numbered(
    "BPF_MAP_CREATE",
    "BPF_MAP_LOOKUP_ELEM",
    "BPF_MAP_UPDATE_ELEM",
    "BPF_MAP_DELETE_ELEM",
    "BPF_MAP_GET_NEXT_KEY",
    "BPF_PROG_LOAD",
    "BPF_OBJ_PIN",
    "BPF_OBJ_GET",
    "BPF_PROG_ATTACH",
    "BPF_PROG_DETACH",
    "BPF_PROG_TEST_RUN",
    "BPF_PROG_GET_NEXT_ID",
    "BPF_MAP_GET_NEXT_ID",
    "BPF_PROG_GET_FD_BY_ID",
    "BPF_MAP_GET_FD_BY_ID",
    "BPF_OBJ_GET_INFO_BY_FD",
    "BPF_PROG_QUERY",
    "BPF_RAW_TRACEPOINT_OPEN",
    "BPF_BTF_LOAD",
  ),
  domain: values(
    [0, "AF_UNSPEC"],
    [1, "AF_UNIX"],
    [2, "AF_INET"],
    [10, "AF_INET6"],
    [16, "AF_NETLINK"],
    [17, "AF_PACKET"],
    [38, "AF_ALG"],
    [40, "AF_VSOCK"],
    [44, "AF_XDP"],
  ),
  socket: values([1, "SOCK_STREAM"], [2, "SOCK_DGRAM"], [3, "SOCK_RAW"], [5, "SOCK_SEQPACKET"], [10, "SOCK_PACKET"]),
  signal: values([1, "SIGHUP"], [2, "SIGINT"], [3, "SIGQUIT"], [6, "SIGABRT"], [9, "SIGKILL"], [11, "SIGSEGV"], [15, "SIGTERM"]),
  prctl: values(
    [4, "PR_SET_DUMPABLE"],
    [15, "PR_SET_NAME"],
    [22, "PR_SET_SECCOMP"],
    [36, "PR_SET_CHILD_SUBREAPER"],
    [38, "PR_SET_NO_NEW_PRIVS"],
  ),
};

const MAX_REMEMBERED = 4096;
const remembered = new Map<FlagSet, Map<number, string>>();

/** The names of what is set; numbers that have no name are given as they are. */
export function flagNames(set: FlagSet, value: number): string {
  let texts = remembered.get(set);
  if (texts === undefined) {
    texts = new Map();
    remembered.set(set, texts);
  }
  const known = texts.get(value);
  if (known !== undefined) return known;
  const text = writeFlags(set, value);
  if (texts.size >= MAX_REMEMBERED) texts.clear();
  texts.set(value, text);
  return text;
}

function writeFlags(set: FlagSet, value: number): string {
  const { names, ...rest } = SETS[set];
  if (rest.kind === "values") return (names as Values["names"]).get(value) ?? String(value);
  const found = (names as Bits["names"]).filter(([bit]) => (value & bit) === bit).map(([, name]) => name);
  if (set === "open") found.push(ACCESS_MODES[value & 3] ?? "O_RDONLY");
  return found.length === 0 ? (rest as Bits).none : found.join("|");
}

const ACCESS_MODES = ["O_RDONLY", "O_WRONLY", "O_RDWR", "O_RDWR"];

/** By number, capabilities(7). */
const CAPABILITIES = (
  "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE " +
  "NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT " +
  "SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE " +
  "AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ " +
  "PERFMON BPF CHECKPOINT_RESTORE"
).split(" ");

const capabilityTexts = new Map<bigint, string>();

/** `CAP_CHOWN CAP_SYS_ADMIN`, in the order of their numbers. */
export function capabilityNames(set: bigint): string {
  const known = capabilityTexts.get(set);
  if (known !== undefined) return known;
  const text = CAPABILITIES.filter((_, bit) => ((set >> BigInt(bit)) & 1n) === 1n)
    .map((name) => `CAP_${name}`)
    .join(" ");
  if (capabilityTexts.size >= MAX_REMEMBERED) capabilityTexts.clear();
  capabilityTexts.set(set, text);
  return text;
}

/** By number, errno(3), as on x86-64 and arm64. */
const ERRNO_NAMES: Readonly<Record<number, string>> = {
  1: "EPERM",
  2: "ENOENT",
  3: "ESRCH",
  4: "EINTR",
  5: "EIO",
  6: "ENXIO",
  7: "E2BIG",
  8: "ENOEXEC",
  9: "EBADF",
  10: "ECHILD",
  11: "EAGAIN",
  12: "ENOMEM",
  13: "EACCES",
  14: "EFAULT",
  16: "EBUSY",
  17: "EEXIST",
  18: "EXDEV",
  19: "ENODEV",
  20: "ENOTDIR",
  21: "EISDIR",
  22: "EINVAL",
  23: "ENFILE",
  24: "EMFILE",
  25: "ENOTTY",
  26: "ETXTBSY",
  27: "EFBIG",
  28: "ENOSPC",
  30: "EROFS",
  32: "EPIPE",
  36: "ENAMETOOLONG",
  38: "ENOSYS",
  39: "ENOTEMPTY",
  40: "ELOOP",
  88: "ENOTSOCK",
  95: "EOPNOTSUPP",
  97: "EAFNOSUPPORT",
  98: "EADDRINUSE",
  99: "EADDRNOTAVAIL",
  101: "ENETUNREACH",
  104: "ECONNRESET",
  106: "EISCONN",
  107: "ENOTCONN",
  110: "ETIMEDOUT",
  111: "ECONNREFUSED",
  113: "EHOSTUNREACH",
  114: "EALREADY",
  115: "EINPROGRESS",
};

/** `SUCCESS`, the errno's name, or `E` and its number. */
export const resultName = (result: number): string => (result >= 0 ? "SUCCESS" : (ERRNO_NAMES[-result] ?? `E${-result}`));
