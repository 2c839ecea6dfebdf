/** Programs from the generator, in the running kernel, through to typed records in JavaScript. */
import { spawnSync } from "node:child_process";
import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { iteratorProgram, tracepointProgram } from "../../src/ebpf/builder/program.ts";
import { attachIterator, attachRawTracepoint, readIterator } from "../../src/ebpf/kernel/attach.ts";
import { loadCollection } from "../../src/ebpf/kernel/collection.ts";
import { readKernelBtf } from "../../src/ebpf/kernel/kernel-btf.ts";
import { VerifierError } from "../../src/ebpf/kernel/kernel-error.ts";
import { readLinkInfo, readProgramInfo } from "../../src/ebpf/kernel/object-info.ts";
import { lossCounter, RingReader } from "../../src/ebpf/kernel/ring-reader.ts";
import { enableStatistics } from "../../src/ebpf/kernel/statistics.ts";
import { struct, text, u32, u64AsNumber } from "../../src/ebpf/layout.ts";
import { codecOf } from "../../src/ebpf/layout-codec.ts";
import { localStorage, ringBuffer } from "../../src/ebpf/map-spec.ts";
import { closeDescriptor, mustSyscall, syscall } from "../../src/linux/native.ts";

const Exec = struct("Exec", { time: u64AsNumber, pid: u32, parent: u32, name: text(16) });

test("watches programs start: typed tracepoint, fields of the kernel's structs, ring buffer, typed record", async () => {
  const execs = ringBuffer("execs", { record: Exec, sizeBytes: 1 << 16 });
  const losses = lossCounter("execs_lost");
  const spec = tracepointProgram("watch_exec", { btf: readKernelBtf(), tracepoint: "sched_process_exec" }, (code, args) => {
    const task = args.pointer<"task_struct">("p");
    code.reserve(
      execs,
      (record) => {
        record.set("time", code.call("ktime_get_ns"));
        record.set("pid", task.field("tgid"));
        record.set("parent", task.field("real_parent.tgid"));
        code.run("get_current_comm", record.at("name"));
        record.submit();
      },
      () => code.ifNonNull(code.lookup(losses, 0), (lost) => lost.incrementValue()),
    );
  });
  using collection = loadCollection({ programs: [spec] });
  using link = attachRawTracepoint(collection.program(spec));
  const codec = codecOf(Exec);
  const seen: { readonly pid: number; readonly parent: number; readonly name: string }[] = [];
  using reader = new RingReader([
    { map: collection.map(execs), losses: collection.perCpu(losses), onRecord: (data, offset) => seen.push(codec.decode(data, offset)) },
  ]);
  reader.resume();
  using _statistics = enableStatistics();
  const children = Array.from({ length: 20 }, () => spawnSync("true").pid);
  const isSeen = (): boolean => children.every((child) => seen.some(({ pid }) => pid === child));
  while (!isSeen()) await turn();
  for (const child of children) expect(seen.find(({ pid }) => pid === child)).toMatchObject({ parent: process.pid, name: "true" });
  expect(reader.lossesOf(collection.map(execs))).toBe(0);
  const info = readProgramInfo(collection.program(spec).fd);
  expect(info).toMatchObject({ name: "watch_exec", type: "tracing", ownerUid: 0 });
  expect(Number(info.runCount)).toBeGreaterThanOrEqual(20);
  expect(info.memoryBytes).toBeGreaterThan(0);
  expect(info.mapIds).toHaveLength(2);
  expect(readLinkInfo(link.fd)).toMatchObject({ type: "raw_tracepoint", target: "sched_process_exec", programId: info.id });
});

const Task = struct("Task", { pid: u32, parent: u32 });

test("walks through all tasks by an iterator, or those of one process", () => {
  const spec = iteratorProgram("tasks", { btf: readKernelBtf(), iterator: "task" }, (code, args) => {
    code.ifNonNull(args.nullable<"task_struct">("task"), (task) => {
      const line = code.stack(Task, { pid: task.field("tgid"), parent: task.field("real_parent.tgid") });
      code.run("seq_write", args.pointer("meta").pointer("seq"), line);
    });
  });
  using collection = loadCollection({ programs: [spec] });
  const codec = codecOf(Task);
  const pidsOf = (link: ReturnType<typeof attachIterator>): number[] => {
    const output = Buffer.concat([...readIterator(link)].map((piece) => Buffer.from(piece)));
    const view = new DataView(output.buffer, output.byteOffset, output.length);
    return Array.from({ length: output.length / Task.size }, (_, index) => codec.decode(view, index * Task.size).pid);
  };
  using all = attachIterator(collection.program(spec));
  expect(pidsOf(all)).toContain(process.pid);
  expect(new Set(pidsOf(all)).size).toBeGreaterThan(1);
  using own = attachIterator(collection.program(spec), { kind: "process", pid: process.pid });
  expect(new Set(pidsOf(own))).toEqual(new Set([process.pid]));
});

const Visits = struct("Visits", { count: u64AsNumber });

test("keeps a value for each task, which is freed with it", () => {
  const visits = localStorage("visits", { of: "task", value: Visits });
  const spec = tracepointProgram("count_exec", { btf: readKernelBtf(), tracepoint: "sys_enter" }, (code) => {
    code.ifNonNull(code.storage(visits, code.currentTask(), { create: true }), (value) => value.increment("count"));
  });
  using collection = loadCollection({ programs: [spec] });
  using _link = attachRawTracepoint(collection.program(spec));
  const self = mustSyscall("open this process", "pidfd_open", process.pid, 0);
  for (let call = 0; call < 10; call++) syscall("getppid");
  const first = collection.keyed(visits).get(self);
  expect(first?.count).toBeGreaterThanOrEqual(10);
  expect(collection.keyed(visits).delete(self)).toBe(true);
  closeDescriptor(self);
});

test("is refused with the line of our source that the verifier means, and with what to do", () => {
  const spec = tracepointProgram("wrong", { btf: readKernelBtf(), tracepoint: "sched_process_exec" }, (code, args) => {
    const number = code.call("get_prandom_u32");
    const limits = code.stack(Visits, { count: 1 });
    code.run("probe_read_kernel", { memory: limits, size: number }, args.pointer("p"));
  });
  const attempt = (): unknown => loadCollection({ programs: [spec] });
  expect(attempt).toThrow(VerifierError);
  expect(attempt).toThrow(/the kernel refuses the program `wrong`: .*generated-program\.test\.ts:\d+/);
  try {
    attempt();
  } catch (thrown) {
    expect(thrown).toMatchObject({ code: "EBPF_VERIFIER", program: "wrong", hint: expect.stringContaining("bound") });
    expect((thrown as VerifierError).source?.file).toMatch(/generated-program\.test\.ts$/);
    expect((thrown as VerifierError).log).toContain("processed");
  }
});
