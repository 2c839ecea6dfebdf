/** What a process may do, as capabilities(7) names it. */
import { readFileSync } from "node:fs";

/** By number, as include/uapi/linux/capability.h. */
export const CAPABILITY_NAMES = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_DAC_READ_SEARCH",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETPCAP",
  "CAP_LINUX_IMMUTABLE",
  "CAP_NET_BIND_SERVICE",
  "CAP_NET_BROADCAST",
  "CAP_NET_ADMIN",
  "CAP_NET_RAW",
  "CAP_IPC_LOCK",
  "CAP_IPC_OWNER",
  "CAP_SYS_MODULE",
  "CAP_SYS_RAWIO",
  "CAP_SYS_CHROOT",
  "CAP_SYS_PTRACE",
  "CAP_SYS_PACCT",
  "CAP_SYS_ADMIN",
  "CAP_SYS_BOOT",
  "CAP_SYS_NICE",
  "CAP_SYS_RESOURCE",
  "CAP_SYS_TIME",
  "CAP_SYS_TTY_CONFIG",
  "CAP_MKNOD",
  "CAP_LEASE",
  "CAP_AUDIT_WRITE",
  "CAP_AUDIT_CONTROL",
  "CAP_SETFCAP",
  "CAP_MAC_OVERRIDE",
  "CAP_MAC_ADMIN",
  "CAP_SYSLOG",
  "CAP_WAKE_ALARM",
  "CAP_BLOCK_SUSPEND",
  "CAP_AUDIT_READ",
  "CAP_PERFMON",
  "CAP_BPF",
  "CAP_CHECKPOINT_RESTORE",
] as const;

export type CapabilityName = (typeof CAPABILITY_NAMES)[number];

/** The names in a set as /proc/PID/status writes it (hexadecimal); numbers without a name are left out. */
export function parseCapabilitySet(hexadecimal: string): ReadonlySet<CapabilityName> {
  const bits = BigInt(`0x${hexadecimal}`);
  return new Set(CAPABILITY_NAMES.filter((_, number) => (bits >> BigInt(number)) & 1n));
}

/** What this process may do now. */
export function effectiveCapabilities(status: string = readFileSync("/proc/self/status", "utf8")): ReadonlySet<CapabilityName> {
  const [, hexadecimal = "0"] = /^CapEff:\s*([0-9a-f]{1,16})$/m.exec(status) ?? [];
  return parseCapabilitySet(hexadecimal);
}
