/**
 * What the sensor delivers and every rule judges: one thing that a process did, as plain data. Reading a field is reading a property;
 * nothing is looked up while rules run.
 *
 * What is derived from these values (`evt.is_open_write`, `fd.directory`, names of flags) is derived by the rule language, so that
 * the sensor stays a decoder.
 */

/** An event: a system call that has returned, or a scheduler event under the name of its call (`execve`, `clone`, `procexit`). */
export interface SyscallEvent {
  /** The system call's name on this architecture (`openat`, `connect`); `execve` for each program that was started, `procexit` for each end. */
  readonly type: string;
  /** From 1, per sensor. */
  readonly number: number;
  /** Nanoseconds since the epoch. */
  readonly timeNs: bigint;
  readonly cpu: number;
  /** What the call returned: a descriptor, a count, 0, or the negative errno. */
  readonly result: number;
  /** Who called. For `execve` and `clone` as it is afterwards. */
  readonly caller: ProcessView;
  /** The file or socket that it was about; null when there is none, or when it is not known. */
  readonly fd: DescriptorView | null;
  readonly args: SyscallArguments;
}

/**
 * Arguments by the names that Falco gives them: `flags`, `mode`, `name`, `path`, `oldpath`, `newpath`, `target`, `linkpath`, `filename`,
 * `request`, `domain`, `type`, `proto`, `cmd`, `uid`, `gid`, `pid`, `sig`, `size`. Flags and modes are the kernel's numbers; users and
 * groups are names where they have one. Paths are absolute where the sensor could resolve them.
 */
export type SyscallArguments = Readonly<Record<string, string | number>>;

/** A process as it is now. INVARIANT: `parent` never leads back to itself. */
export interface ProcessView {
  /** Names one execution of one program on one boot. */
  readonly execId: string;
  readonly pid: number;
  /** Of the thread that acted; the sensor may leave it equal to `pid`. */
  readonly tid: number;
  /** The process that started it, also after that has ended; null when unknown. */
  readonly parent: ProcessView | null;
  /** Names it, also where `parent` is null; 0 when unknown. */
  readonly parentPid: number;
  /** `comm`: at most 15 bytes. */
  readonly name: string;
  /** `argv[0]`. */
  readonly exe: string;
  /** Resolved path of the executable. */
  readonly exePath: string;
  /** Arguments after `argv[0]`. */
  readonly args: readonly string[];
  /** `args` with blanks between them. */
  readonly argsText: string;
  /** `name` and `argsText`. */
  readonly commandLine: string;
  readonly cwd: string;
  /** `A=1 B=2`; null when the environment is not read. */
  readonly env: string | null;
  /** When it was started (fork), nanoseconds since the epoch. */
  readonly startNs: bigint;
  /** When its program was started; equal to `startNs` before the first `execve`. */
  readonly execNs: bigint;
  readonly uid: number;
  readonly euid: number;
  readonly gid: number;
  readonly egid: number;
  /** 4294967295 when nobody logged in. */
  readonly loginUid: number;
  /** Of `euid`; null when the user has no name here. */
  readonly userName: string | null;
  readonly loginName: string | null;
  readonly groupName: string | null;
  /** The device number of the controlling terminal, 0 without one. */
  readonly tty: number;
  readonly sid: number;
  /** `comm` of the session's leader, when known. */
  readonly sessionName: string | null;
  readonly pgid: number;
  /** PID and group in the innermost PID namespace. */
  readonly vpid: number;
  readonly vpgid: number;
  /** Bit sets. */
  readonly capEffective: bigint;
  readonly capPermitted: bigint;
  readonly capInheritable: bigint;
  readonly executable: ExecutableView;
  /** Decimal text. */
  readonly cgroupId: string;
  readonly mountNamespace: number;
  readonly container: ContainerView;
}

/** The file behind a process. Null where it could not be read. */
export interface ExecutableView {
  /** It lies in the upper layer of an overlay: it is not part of the image. */
  readonly isUpperLayer: boolean | null;
  readonly isFromMemfd: boolean;
  readonly isWritable: boolean | null;
  readonly inode: number | null;
  /** Nanoseconds since the epoch. */
  readonly ctimeNs: bigint | null;
  readonly mtimeNs: bigint | null;
}

/** What a process runs in. `HOST` when it runs in no container. */
export interface ContainerView {
  /** 12 hexadecimal digits as container runtimes show it, or `host`. */
  readonly id: string;
  readonly fullId: string;
  readonly name: string | null;
  /** The image without its tag: `docker.io/library/nginx`. */
  readonly imageRepository: string | null;
  readonly imageTag: string | null;
  readonly imageDigest: string | null;
  readonly isPrivileged: boolean | null;
  readonly mounts: readonly ContainerMount[] | null;
  /** Nanoseconds since the epoch. */
  readonly startNs: bigint | null;
  readonly podName: string | null;
  readonly podNamespace: string | null;
  readonly labels: Readonly<Record<string, string>>;
}

export interface ContainerMount {
  readonly source: string;
  readonly destination: string;
  readonly mode: string;
  readonly isWritable: boolean;
  readonly propagation: string;
}

export const HOST: ContainerView = {
  id: "host",
  fullId: "host",
  name: "host",
  imageRepository: null,
  imageTag: null,
  imageDigest: null,
  isPrivileged: null,
  mounts: null,
  startNs: null,
  podName: null,
  podNamespace: null,
  labels: {},
};

export const NO_EXECUTABLE: ExecutableView = {
  isUpperLayer: null,
  isFromMemfd: false,
  isWritable: null,
  inode: null,
  ctimeNs: null,
  mtimeNs: null,
};

export type DescriptorKind =
  | "file"
  | "directory"
  | "ipv4"
  | "ipv6"
  | "unix"
  | "pipe"
  | "event"
  | "signalfd"
  | "eventpoll"
  | "inotify"
  | "timerfd"
  | "netlink"
  | "bpf"
  | "userfaultfd"
  | "io_uring"
  | "memfd"
  | "packet"
  | "other";

/** A file or socket. */
export interface DescriptorView {
  readonly kind: DescriptorKind;
  /** The descriptor, or -1 when the call that should have made it failed. */
  readonly number: number;
  /** Absolute and resolved path; for sockets `10.0.0.3:40000->10.0.0.7:443`. */
  readonly name: string;
  /** The path as the process gave it. */
  readonly rawName: string;
  /** Null for what is no IP socket. */
  readonly socket: SocketView | null;
}

/** An IP socket. Addresses are canonical text, empty when not bound or not connected; ports are 0 then. */
export interface SocketView {
  readonly protocol: "tcp" | "udp" | "icmp" | "raw" | "other";
  readonly localIp: string;
  readonly localPort: number;
  readonly remoteIp: string;
  readonly remotePort: number;
  /** Who opened the connection: the local side (`client`), the remote side (`server`), or not known. */
  readonly role: "client" | "server" | "unknown";
  readonly isConnected: boolean;
  /** The call gave the socket another peer. */
  readonly isNameChanged: boolean;
  /** Names that resolved to the remote address, when the sensor knows one. */
  readonly remoteName: string | null;
}
