/** Where programs are attached: one function per kind of hook, each returning the link that holds it there. */
import { closeSync, openSync, readFileSync } from "node:fs";
import { VigilError } from "../../lib/error.ts";
import { traceFileSystemPath } from "../../linux/mounts.ts";
import { mustSyscall } from "../../linux/native.ts";
import type { AttachType } from "../program-spec.ts";
import { Attributes, cString, mustBpf } from "./bpf-command.ts";
import { Descriptor } from "./descriptor.ts";
import { createLink, Link } from "./link.ts";
import type { KernelProgram } from "./program.ts";

/** Offsets of BPF_RAW_TRACEPOINT_OPEN. */
const RAW_TRACEPOINT = { name: 0, program: 8 } as const;

/**
 * Attaches a program of type `tracing` to the raw tracepoint that it was generated for (`attachTo`), or one of type `raw_tracepoint` to the one
 * that is named.
 */
export function attachRawTracepoint(program: KernelProgram, name?: string): Link {
  const where = `raw tracepoint ${name ?? program.spec.attachTo?.name ?? "?"}`;
  const attributes = new Attributes().u32(RAW_TRACEPOINT.program, program.fd);
  if (name !== undefined) attributes.pointer(RAW_TRACEPOINT.name, cString(name));
  return new Link(mustBpf(`attach the program \`${program.spec.name}\` to ${where}`, "rawTracepointOpen", attributes), where);
}

/** Attaches a program of type `tracepoint` to one such as `syscalls`, `sys_enter_openat`, on all CPUs. */
export function attachTracepoint(program: KernelProgram, group: string, name: string): Link {
  const where = `tracepoint ${group}:${name}`;
  const event = new Descriptor(openTracepoint(tracepointId(group, name), where), where);
  try {
    return createLink(program, where, { attachType: "perf_event", target: event.fd }, event);
  } catch (thrown) {
    event[Symbol.dispose]();
    throw thrown;
  }
}

function tracepointId(group: string, name: string): number {
  if (!/^\w+$/.test(group) || !/^\w+$/.test(name)) throw new RangeError(`expected names of a tracepoint, got \`${group}:${name}\``);
  const root = traceFileSystemPath();
  if (root === undefined)
    throw new VigilError("EBPF_TRACEPOINT", "no tracefs is mounted, which numbers the tracepoints", {
      hint: "as root: mount -t tracefs tracefs /sys/kernel/tracing; raw tracepoints do not need it",
    });
  try {
    return Number(readFileSync(`${root}/events/${group}/${name}/id`, "utf8"));
  } catch (cause) {
    throw new VigilError("EBPF_TRACEPOINT", `this kernel has no tracepoint \`${group}:${name}\`, or this process may not see it`, {
      hint: `see ${root}/available_events, as root`,
      cause,
    });
  }
}

/** `struct perf_event_attr`, version 0. */
const EVENT_SIZE = 64;
const PERF_TYPE_TRACEPOINT = 2;
const PERF_FLAG_CLOEXEC = 8;

function openTracepoint(id: number, where: string): number {
  const event = new Uint8Array(EVENT_SIZE);
  const view = new DataView(event.buffer);
  view.setUint32(0, PERF_TYPE_TRACEPOINT, true);
  view.setUint32(4, EVENT_SIZE, true);
  view.setBigUint64(8, BigInt(id), true);
  // sample_period 1: the program runs at each hit. pid -1 with one CPU: every process; the program runs on all CPUs.
  view.setBigUint64(16, 1n, true);
  return mustSyscall(`open the ${where}`, "perf_event_open", event, -1, 0, -1, PERF_FLAG_CLOEXEC);
}

/** Attaches a program to a cgroup v2, for its processes and those of the cgroups below; other programs there stay. */
export function attachCgroup(
  program: KernelProgram,
  cgroupPath: string,
  attachType: AttachType | undefined = program.spec.expectedAttachType,
): Link {
  if (attachType === undefined) throw new TypeError(`expected the program \`${program.spec.name}\` to say where it is attached`);
  const directory = openSync(cgroupPath, "r");
  try {
    return createLink(program, `${attachType} of ${cgroupPath}`, { attachType, target: directory });
  } finally {
    // The link holds the cgroup by itself.
    closeSync(directory);
  }
}

/** Where XDP runs: in the driver, in the generic path of the kernel (every interface has it), or on the card. */
export const XDP_MODES = { any: 0, generic: 2, native: 4, hardware: 8 } as const;

/** Attaches an XDP program to a network interface; there is one at a time. */
export function attachXdp(program: KernelProgram, interfaceIndex: number, mode: keyof typeof XDP_MODES = "any"): Link {
  return createLink(program, `xdp of interface ${interfaceIndex}`, {
    attachType: "xdp",
    target: interfaceIndex,
    flags: XDP_MODES[mode],
  });
}

/** Attaches a `sched_cls` program to the traffic of an interface (TCX), after the programs that are there. */
export function attachTcx(program: KernelProgram, interfaceIndex: number, direction: "ingress" | "egress"): Link {
  const attachType: AttachType = direction === "ingress" ? "tcx_ingress" : "tcx_egress";
  return createLink(program, `tcx ${direction} of interface ${interfaceIndex}`, { attachType, target: interfaceIndex });
}

/** `enum nf_inet_hooks` */
export const NETFILTER_HOOKS = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const;

/** Attaches a `netfilter` program in the network namespace of this process. A lower priority runs earlier. */
export function attachNetfilter(
  program: KernelProgram,
  at: { readonly family: "ipv4" | "ipv6"; readonly hook: keyof typeof NETFILTER_HOOKS; readonly priority: number },
): Link {
  return createLink(program, `netfilter ${at.family} ${at.hook}`, {
    attachType: "netfilter",
    details: (attributes, offset) => {
      attributes
        .u32(offset, at.family === "ipv4" ? 2 : 10)
        .u32(offset + 4, NETFILTER_HOOKS[at.hook])
        .i32(offset + 8, at.priority);
    },
  });
}

/** What an iterator goes over, where its target lets one choose. */
export type IteratorScope =
  | { readonly kind: "map"; readonly mapFd: number }
  | { readonly kind: "cgroup"; readonly path: string; readonly order: "self" | "descendants" | "ancestors" }
  | { readonly kind: "process"; readonly pid: number };

const CGROUP_ORDERS = { self: 1, descendants: 2, ancestors: 4 } as const;
/** `union bpf_iter_link_info` */
const ITERATOR_INFO_SIZE = 16;

/** Attaches an iterator; each `readIterator` of the link is one walk. */
export function attachIterator(program: KernelProgram, scope?: IteratorScope): Link {
  const info = new Uint8Array(ITERATOR_INFO_SIZE);
  const view = new DataView(info.buffer);
  const directory = scope?.kind === "cgroup" ? openSync(scope.path, "r") : undefined;
  try {
    if (scope?.kind === "map") view.setUint32(0, scope.mapFd, true);
    else if (scope?.kind === "process") view.setUint32(4, scope.pid, true);
    else if (scope?.kind === "cgroup") {
      view.setUint32(0, CGROUP_ORDERS[scope.order], true);
      view.setUint32(4, directory ?? 0, true);
    }
    return createLink(program, `iterator ${program.spec.attachTo?.name ?? "?"}`, {
      attachType: "trace_iter",
      details: (attributes, offset) => {
        if (scope !== undefined) attributes.pointer(offset, info).u32(offset + 8, ITERATOR_INFO_SIZE);
      },
    });
  } finally {
    if (directory !== undefined) closeSync(directory);
  }
}

const READ_SIZE = 1 << 16;

/** One walk of an iterator: what its program wrote, in pieces that each are valid until the next. Throws `LINUX_CALL`. */
export function* readIterator(link: Link): Generator<Uint8Array, void> {
  using walk = new Descriptor(mustBpf(`start the ${link.where}`, "iteratorCreate", new Attributes().u32(0, link.fd)), link.where);
  const buffer = new Uint8Array(READ_SIZE);
  for (;;) {
    const length = mustSyscall(`read the ${link.where}`, "read", walk.fd, buffer, buffer.length);
    if (length === 0) return;
    yield buffer.subarray(0, length);
  }
}
