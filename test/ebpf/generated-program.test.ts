/** Programs from the generator, in the running kernel, through to typed records in JavaScript. */
import { spawnSync } from "node:child_process";
import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { iteratorProgram, tracepointProgram } from "../../src/ebpf/builder/program.ts";
import { attachIterator, attachRawTracepoint, readIterator } from "../../src/ebpf/kernel/attach.ts";
import { loadCollection } from "../../src/ebpf/kernel/collection.ts";
import { readKernelBtf } from "../../src/ebpf/kernel/kernel-btf.ts";
import { codecOf } from "../../src/ebpf/kernel/map-codec.ts";
import { readLinkInfo, readProgramInfo } from "../../src/ebpf/kernel/object-info.ts";
import { lossCounter, RingReader } from "../../src/ebpf/kernel/ring-reader.ts";
import { enableStatistics } from "../../src/ebpf/kernel/statistics.ts";
import { struct, text, u32, u64AsNumber } from "../../src/ebpf/layout.ts";
import { ringBuffer } from "../../src/ebpf/map-spec.ts";

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
