/**
 * The calls that are dangerous by what their arguments ask, and which arguments those are. Only integers can be filtered: what a pointer
 * leads to can change after the filter has looked (`clone3`, `openat2`).
 */
import type { SyscallName } from "../../linux/syscall-numbers.ts";
import { type Alternative, alternativeKey, type Condition, MAX_ALTERNATIVES } from "./profile.ts";

/** Arguments that are `int` in the kernel: it does not look at the upper half, which a libc may leave filled by a sign. */
const INT = 0xffff_ffffn;

export interface GuardedArgument {
  /** 0 to 5. */
  readonly argument: number;
  readonly mask: bigint;
  readonly name: string;
}

const PROT_EXEC = 4n;
/** SOCK_NONBLOCK and SOCK_CLOEXEC are no kind of socket. */
const SOCKET_TYPE = 0xfn;
/** The signal at exit is in the lowest byte; which one is no matter. */
const CLONE_FLAGS = 0xffff_ff00n;
const ACCESS_MODE_AND_CREATION = 0o3n | 0o100n | 0o1000n | 0o2000n;

const TABLE: Partial<Record<SyscallName, readonly GuardedArgument[]>> = {
  bpf: [{ argument: 0, mask: INT, name: "command" }],
  clone: [{ argument: 0, mask: CLONE_FLAGS, name: "flags" }],
  ioctl: [{ argument: 1, mask: INT, name: "request" }],
  keyctl: [{ argument: 0, mask: INT, name: "operation" }],
  mmap: [{ argument: 2, mask: PROT_EXEC, name: "protection" }],
  mprotect: [{ argument: 2, mask: PROT_EXEC, name: "protection" }],
  personality: [{ argument: 0, mask: INT, name: "persona" }],
  prctl: [{ argument: 0, mask: INT, name: "option" }],
  ptrace: [{ argument: 0, mask: INT, name: "request" }],
  setns: [{ argument: 1, mask: INT, name: "namespaces" }],
  socket: [
    { argument: 0, mask: INT, name: "family" },
    { argument: 1, mask: SOCKET_TYPE, name: "type" },
    { argument: 2, mask: INT, name: "protocol" },
  ],
  socketpair: [{ argument: 0, mask: INT, name: "family" }],
  unshare: [{ argument: 0, mask: INT, name: "namespaces" }],
};

/** Guarded only when asked: which files a program creates is better said by paths. */
const OPENAT: readonly GuardedArgument[] = [{ argument: 2, mask: ACCESS_MODE_AND_CREATION, name: "flags" }];

const GUARDED_CALLS = Object.keys(TABLE) as SyscallName[]; // the keys of a record over these names

export interface GuardOptions {
  /** Also how files are opened. */
  readonly openFlags?: boolean;
}

/** The calls that have arguments worth filtering. */
export const guardedCalls = ({ openFlags = false }: GuardOptions = {}): readonly SyscallName[] =>
  openFlags ? [...GUARDED_CALLS, "openat"] : GUARDED_CALLS;

/** The arguments of a call that are worth filtering; none for most calls. */
export function guardedArguments(name: SyscallName, options: GuardOptions = {}): readonly GuardedArgument[] {
  if (name === "openat" && options.openFlags === true) return OPENAT;
  return TABLE[name] ?? [];
}

/** What the guarded arguments of a call had as values, or undefined for a call that has none. `args` are unsigned 64-bit. */
export function observedAlternative(name: SyscallName, args: readonly bigint[], options: GuardOptions = {}): Alternative | undefined {
  const guarded = guardedArguments(name, options);
  if (guarded.length === 0) return undefined;
  return guarded.map(({ argument, mask }): Condition => ({ argument, mask, value: (args[argument] ?? 0n) & mask }));
}

/** The alternatives of two entries for one call together: any arguments where one of the two has none, or where they are too many. */
export function unionAlternatives(
  a: readonly Alternative[],
  b: readonly Alternative[],
  limit: number = MAX_ALTERNATIVES,
): readonly Alternative[] {
  if (a.length === 0 || b.length === 0) return [];
  const byKey = new Map([...a, ...b].map((alternative) => [alternativeKey(alternative), alternative]));
  if (byKey.size > limit) return [];
  return [...byKey].sort(([x], [y]) => (x < y ? -1 : 1)).map(([, alternative]) => alternative);
}
