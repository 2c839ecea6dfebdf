/** Programs at every kind of hook, in the running kernel: they run there while their link exists, and not after. */
import { execFileSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { mkdirSync, readdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  attachCgroup,
  attachNetfilter,
  attachRawTracepoint,
  attachTcx,
  attachTracepoint,
  attachXdp,
} from "../../src/ebpf/kernel/attach.ts";
import { loadCollection } from "../../src/ebpf/kernel/collection.ts";
import type { Link } from "../../src/ebpf/kernel/link.ts";
import { readLinkInfo } from "../../src/ebpf/kernel/object-info.ts";
import type { KernelProgram } from "../../src/ebpf/kernel/program.ts";
import type { ProgramSpec } from "../../src/ebpf/program-spec.ts";
import { cgroup2Path, traceFileSystemPath } from "../../src/linux/mounts.ts";
import { syscall } from "../../src/linux/native.ts";
import { countingProgram, hits } from "./counting-program.ts";

const LOOPBACK = 1;

async function sendPackets(count: number): Promise<void> {
  const socket = createSocket("udp4");
  for (let index = 0; index < count; index++) await new Promise((done) => socket.send("x", 9, "127.0.0.1", done));
  socket.close();
}

function callGetppid(count: number): Promise<void> {
  for (let index = 0; index < count; index++) syscall("getppid");
  return Promise.resolve();
}

let mounted: string | undefined;
beforeAll(() => {
  if (traceFileSystemPath() !== undefined) return;
  mounted = "/sys/kernel/tracing";
  execFileSync("mount", ["-t", "tracefs", "tracefs", mounted]);
});
afterAll(() => {
  if (mounted !== undefined) execFileSync("umount", [mounted]);
});

interface Hook {
  readonly name: string;
  readonly program: Pick<ProgramSpec, "type"> & Partial<ProgramSpec>;
  readonly verdict: number;
  readonly attach: (program: KernelProgram) => Link;
  readonly provoke: (count: number) => Promise<void>;
  readonly info: { readonly type: string; readonly target?: string };
}

const HOOKS: readonly Hook[] = [
  {
    name: "a raw tracepoint",
    program: { type: "raw_tracepoint" },
    verdict: 0,
    attach: (program) => attachRawTracepoint(program, "sys_enter"),
    provoke: callGetppid,
    info: { type: "raw_tracepoint", target: "sys_enter" },
  },
  {
    name: "a tracepoint",
    program: { type: "tracepoint" },
    verdict: 0,
    attach: (program) => attachTracepoint(program, "syscalls", "sys_enter_getppid"),
    provoke: callGetppid,
    info: { type: "perf_event" },
  },
  {
    name: "the packets that an interface receives, by XDP",
    program: { type: "xdp", expectedAttachType: "xdp" },
    verdict: 2,
    attach: (program) => attachXdp(program, LOOPBACK, "generic"),
    provoke: sendPackets,
    info: { type: "xdp", target: "interface 1" },
  },
  {
    name: "the packets that an interface sends, by TCX",
    program: { type: "sched_cls", expectedAttachType: "tcx_egress" },
    verdict: 0,
    attach: (program) => attachTcx(program, LOOPBACK, "egress"),
    provoke: sendPackets,
    info: { type: "tcx", target: "tcx_egress of interface 1" },
  },
  {
    name: "netfilter",
    program: { type: "netfilter", expectedAttachType: "netfilter" },
    verdict: 1,
    attach: (program) => attachNetfilter(program, { family: "ipv4", hook: "output", priority: -77 }),
    provoke: sendPackets,
    info: { type: "netfilter", target: "ipv4 hook 3 priority -77" },
  },
];

describe.each(HOOKS)("at $name, a program", ({ program, verdict, attach, provoke, info }) => {
  test("runs while its link exists, and not after", async () => {
    const counter = hits();
    const spec = countingProgram(counter, verdict, program);
    using collection = loadCollection({ programs: [spec] });
    const counts = collection.keyed(counter);
    const link = attach(collection.program(spec));
    await provoke(10);
    expect(counts.get(0)).toBeGreaterThanOrEqual(10);
    expect(readLinkInfo(link.fd)).toMatchObject(info);
    link[Symbol.dispose]();
    // Runs on other CPUs that had begun end meanwhile.
    await provoke(10);
    const after = counts.get(0);
    await provoke(10);
    expect(counts.get(0)).toBe(after);
  });
});

test("a tracepoint that does not exist is named", () => {
  const spec = countingProgram(hits(), 0, { type: "tracepoint" });
  using collection = loadCollection({ programs: [spec] });
  expect(() => attachTracepoint(collection.program(spec), "syscalls", "sys_enter_nothing")).toThrow(
    "no tracepoint `syscalls:sys_enter_nothing`",
  );
  expect(() => attachTracepoint(collection.program(spec), "..", "x")).toThrow(RangeError);
});

describe("at a cgroup, a program", () => {
  const path = join(cgroup2Path() ?? "", `vigil-test-${process.pid}`);
  beforeAll(() => void mkdirSync(path));
  afterAll(() => rmdirSync(path));

  const ALLOW = 1;
  const DENY = 0;
  const connect4 = { type: "cgroup_sock_addr", expectedAttachType: "cgroup_inet4_connect" } as const;

  /** What bash says when it connects to a port that nobody listens on, from within the cgroup. */
  function connectionError(): string {
    const script = `echo $$ > ${path}/cgroup.procs; (: < /dev/tcp/127.0.0.1/1) 2>&1 || true`;
    return execFileSync("bash", ["-c", script], { encoding: "utf8" });
  }

  test("decides what its processes may do, and is replaced in one step", () => {
    const counter = hits();
    const deny = countingProgram(counter, DENY, { ...connect4, name: "deny" });
    const allow = countingProgram(counter, ALLOW, { ...connect4, name: "allow" });
    using collection = loadCollection({ programs: [deny, allow] });
    expect(connectionError()).toContain("Connection refused");
    {
      using link = attachCgroup(collection.program(deny), path);
      expect(connectionError()).toContain("Operation not permitted");
      expect(link.update(collection.program(deny), collection.program(allow))).toBe(false);
      expect(link.update(collection.program(allow), collection.program(deny))).toBe(true);
      expect(connectionError()).toContain("Connection refused");
      expect(link.update(collection.program(deny))).toBe(true);
      expect(connectionError()).toContain("Operation not permitted");
      expect(collection.keyed(counter).get(0)).toBe(3);
      link.detach();
      expect(connectionError()).toContain("Connection refused");
    }
  });

  test("is refused for a hook that is not its own, and leaves nothing open", () => {
    const spec = countingProgram(hits(), ALLOW, connect4);
    using collection = loadCollection({ programs: [spec] });
    const before = readdirSync("/proc/self/fd").length;
    expect(() => attachCgroup(collection.program(spec), path, "cgroup_inet6_connect")).toThrow("cannot attach the program `counting`");
    expect(() => attachCgroup(collection.program(spec), "/nowhere")).toThrow("ENOENT");
    expect(readdirSync("/proc/self/fd")).toHaveLength(before);
  });
});
