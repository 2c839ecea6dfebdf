/**
 * What a confined program may call when nobody has recorded what it needs: everything but what reaches beyond the process into the kernel,
 * other processes or namespaces. About what container runtimes refuse by default, and some that have been the way into kernels since.
 */
import { SYSCALL_NAMES, type SyscallName } from "../../linux/syscall-numbers.ts";
import { NAMESPACE_FLAGS } from "./call-families.ts";
import type { Refusals } from "./filter-compiler.ts";
import { type Alternative, EMPTY_PROFILE, type Profile } from "./profile.ts";

export const REFUSED_CALLS: readonly SyscallName[] = [
  "_sysctl",
  "acct",
  "add_key",
  "bpf",
  "chroot",
  "clock_adjtime",
  "clock_settime",
  "clone3",
  "create_module",
  "delete_module",
  "finit_module",
  "fsconfig",
  "fsmount",
  "fsopen",
  "fspick",
  "get_kernel_syms",
  "init_module",
  "io_uring_enter",
  "io_uring_register",
  "io_uring_setup",
  "ioperm",
  "iopl",
  "kcmp",
  "kexec_file_load",
  "kexec_load",
  "keyctl",
  "lookup_dcookie",
  "lsm_set_self_attr",
  "mount",
  "mount_setattr",
  "move_mount",
  "move_pages",
  "name_to_handle_at",
  "nfsservctl",
  "open_by_handle_at",
  "open_tree",
  "open_tree_attr",
  "perf_event_open",
  "pidfd_getfd",
  "pivot_root",
  "process_madvise",
  "process_vm_readv",
  "process_vm_writev",
  "ptrace",
  "query_module",
  "quotactl",
  "quotactl_fd",
  "reboot",
  "request_key",
  "setdomainname",
  "sethostname",
  "setns",
  "settimeofday",
  "statmount",
  "swapoff",
  "swapon",
  "sysfs",
  "syslog",
  "umount2",
  "unshare",
  "uselib",
  "userfaultfd",
  "ustat",
  "vhangup",
];

const refused = new Set<SyscallName>(REFUSED_CALLS);
const WITHOUT_NAMESPACES: readonly Alternative[] = [[{ argument: 0, mask: NAMESPACE_FLAGS, value: 0n }]];

export const DEFAULT_PROFILE: Profile = {
  ...EMPTY_PROFILE,
  name: "default",
  architectures: ["arm64", "x64"],
  calls: SYSCALL_NAMES.filter((name) => !refused.has(name))
    .toSorted()
    .map((name) => ({ name, reasons: ["base"], alternatives: name === "clone" ? WITHOUT_NAMESPACES : [] })),
};

const INT = 0xffff_ffffn;
const request = (value: bigint): Alternative => [{ argument: 1, mask: INT, value }];
const family = (value: bigint): Alternative => [{ argument: 0, mask: INT, value }];

/**
 * Arguments that a confined program is never allowed: typing into the terminal that started it (TIOCSTI, TIOCLINUX), and sockets that
 * take packets past the policy (AF_PACKET), reach other machines past it (AF_VSOCK), or have often been a way into the kernel (AF_ALG).
 */
export const CONFINED_REFUSALS: Refusals = {
  ioctl: [request(0x5412n), request(0x541cn)],
  socket: [family(17n), family(40n), family(38n)],
};
