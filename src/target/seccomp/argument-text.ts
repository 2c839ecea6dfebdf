/** Values of guarded arguments in the words of the kernel's headers, for people. */
import type { SyscallName } from "../../linux/syscall-numbers.ts";
import { guardedArguments } from "./guarded-arguments.ts";
import type { Alternative, Condition } from "./profile.ts";

/** What a value is called, by call and argument. */
const WORDS: { readonly [callAndArgument: string]: { readonly [value: string]: string } } = {
  "socket 0": { 1: "unix", 2: "inet", 10: "inet6", 16: "netlink", 17: "packet", 38: "alg", 40: "vsock" },
  "socket 1": { 1: "stream", 2: "dgram", 3: "raw", 5: "seqpacket" },
  "socketpair 0": { 1: "unix" },
  "personality 0": { 0: "linux", 8: "linux32", 262144: "no-randomize", 4294967295: "ask" },
  "mmap 2": { 0: "data", 4: "code" },
  "mprotect 2": { 0: "data", 4: "code" },
  "prctl 0": {
    1: "SET_PDEATHSIG",
    4: "SET_DUMPABLE",
    8: "SET_KEEPCAPS",
    15: "SET_NAME",
    16: "GET_NAME",
    22: "SET_SECCOMP",
    23: "CAPBSET_READ",
    24: "CAPBSET_DROP",
    36: "SET_CHILD_SUBREAPER",
    38: "SET_NO_NEW_PRIVS",
    47: "CAP_AMBIENT",
    1398164801: "SET_VMA",
  },
  "ioctl 1": {
    21505: "TCGETS",
    21506: "TCSETS",
    21507: "TCSETSW",
    21519: "TIOCGPGRP",
    21520: "TIOCSPGRP",
    21522: "TIOCSTI",
    21523: "TIOCGWINSZ",
    21531: "FIONREAD",
    21537: "FIONBIO",
    21585: "FIOCLEX",
    35111: "SIOCGIFHWADDR",
  },
  "ptrace 0": { 0: "TRACEME", 16: "ATTACH", 16902: "SEIZE" },
};

const textOf = (name: SyscallName, { argument, value }: Condition): string => {
  const known = WORDS[`${name} ${argument}`]?.[value.toString()];
  return known ?? `0x${value.toString(16)}`;
};

/** `family=inet type=stream protocol=0x6` */
export function alternativeText(name: SyscallName, alternative: Alternative): string {
  const names = new Map(guardedArguments(name, { openFlags: true }).map(({ argument, name: what }) => [argument, what]));
  return alternative
    .map((condition) => {
      const what = names.get(condition.argument) ?? `argument ${condition.argument}`;
      const isNone = condition.value === 0n && name === "clone";
      return `${what}=${isNone ? "none" : textOf(name, condition)}`;
    })
    .join(" ");
}
