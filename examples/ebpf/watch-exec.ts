// Prints each program that starts, with its parent, until it is interrupted or for as many seconds as it is told. Needs root.
import { setTimeout as sleep } from "node:timers/promises";
import {
  attachRawTracepoint,
  codecOf,
  loadCollection,
  lossCounter,
  RingReader,
  readKernelBtf,
  ringBuffer,
  struct,
  text,
  tracepointProgram,
  u32,
} from "@vigil-dev/vigil/ebpf";

const Exec = struct("exec", { pid: u32, parent: u32, name: text(16), file: text(200) });
const execs = ringBuffer("execs", { record: Exec, sizeBytes: 1 << 20 });
const losses = lossCounter("execs_lost");

const watch = tracepointProgram("watch_exec", { btf: readKernelBtf(), tracepoint: "sched_process_exec" }, (code, args) => {
  const task = args.pointer("p");
  code.reserve(
    execs,
    (record) => {
      record.set("pid", task.field("tgid"));
      record.set("parent", task.field("real_parent.tgid"));
      code.run("get_current_comm", record.at("name"));
      code.run("probe_read_kernel_str", record.at("file"), args.pointer("bprm").field("filename"));
      record.submit();
    },
    () => code.ifNonNull(code.lookup(losses, 0), (lost) => lost.incrementValue()),
  );
});

using loaded = loadCollection({ programs: [watch] });
const codec = codecOf(Exec);
const exec = codec.create();
const onRecord = (data: DataView, offset: number): void => {
  codec.decodeInto(data, offset, exec);
  console.log(`${exec.parent} started ${exec.pid} ${JSON.stringify(exec.name)} ${JSON.stringify(exec.file)}`);
};
using reader = new RingReader([{ map: loaded.map(execs), losses: loaded.perCpu(losses), onRecord }]);
using _link = attachRawTracepoint(loaded.program(watch));
reader.resume();
console.log("watching");
await sleep(Number(process.argv[2] ?? 1e6) * 1000);
