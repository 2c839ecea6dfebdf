/** How a program is started confined: everything that the launcher does before the program's first instruction, as plain data. */
import type { LandlockHandled, LandlockRules } from "../target/seccomp/landlock-rules.ts";

export interface LaunchPlan {
  readonly program: LaunchedProgram;
  /** Namespaces and a view of the file system of its own; without it only what is below is done, in the caller's namespaces. */
  readonly isolation: Isolation | undefined;
  /** Real, effective and saved ids from then on, without supplementary groups. */
  readonly identity: { readonly uid: number; readonly gid: number } | undefined;
  /** Numbers of the capabilities that are kept; all others go, for good. Undefined leaves them as they are. */
  readonly capabilities: readonly number[] | undefined;
  readonly noNewPrivileges: boolean;
  readonly limits: readonly ResourceLimit[];
  readonly landlock: LandlockPlan | undefined;
  readonly filter: FilterPlan | undefined;
}

export interface LaunchedProgram {
  /** Absolute. */
  readonly path: string;
  /** Its name first. */
  readonly argv: readonly string[];
  /** `NAME=value` */
  readonly environment: readonly string[];
  /** Absolute. */
  readonly directory: string;
}

export interface Isolation {
  readonly hasUserNamespace: boolean;
  /** `none` is a network of its own, with a loopback interface and nothing else. */
  readonly network: "none" | "host";
  readonly hostname: string;
  /** What can be written; all else is read-only. */
  readonly writable: readonly BoundPath[];
  /** What is brought back, read-only, into directories that are replaced by empty ones. */
  readonly readable: readonly BoundPath[];
  /** Of /tmp and of the other private directories, each. */
  readonly temporaryBytes: number;
  /** The terminal sends its signals to all processes of the group, so the init of the namespace does not pass them on a second time. */
  readonly isOnTerminal: boolean;
  /** Of the init of the namespace, which outlives its preparation with nothing but its waiting to do. */
  readonly initFilter: Uint8Array;
}

export interface BoundPath {
  /** Absolute and without symbolic links. */
  readonly path: string;
  readonly isDirectory: boolean;
}

export interface ResourceLimit {
  /** RLIMIT_*. */
  readonly resource: number;
  readonly value: bigint;
}

export interface LandlockPlan {
  readonly rules: LandlockRules;
  readonly handled: LandlockHandled;
}

export interface FilterPlan {
  /** `struct sock_filter[]` */
  readonly program: Uint8Array;
  /** A supervisor takes the listener before the program starts. */
  readonly isListening: boolean;
}

/** Directories that every isolated program has for itself, empty at first and gone with it. */
export const PRIVATE_DIRECTORIES: readonly string[] = ["/dev/shm", "/run", "/tmp", "/var/tmp"];

/** Whether a path lies in a directory (or is it). Both are absolute and normal. */
export const isWithin = (path: string, directory: string): boolean => path === directory || path.startsWith(`${directory}/`);

/** RLIMIT_* of include/uapi/asm-generic/resource.h. */
export const RESOURCE = { core: 4, processes: 6, descriptors: 7, addressSpace: 9 } as const;
