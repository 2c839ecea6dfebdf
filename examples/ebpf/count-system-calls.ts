// Counts the system calls of all processes for a second. Needs root (CAP_BPF, CAP_PERFMON).
import { setTimeout as sleep } from "node:timers/promises";
import { attachRawTracepoint, hashMap, loadCollection, readKernelBtf, tracepointProgram, u32, u64AsNumber } from "@vigil-dev/vigil/ebpf";

const counts = hashMap("counts", { key: u32, value: u64AsNumber, maxEntries: 1024 });

const count = tracepointProgram("count", { btf: readKernelBtf(), tracepoint: "sys_enter" }, (code, args) => {
  const number = code.let(args.scalar("id"));
  code.ifNonNull(
    code.lookup(counts, number),
    (calls) => calls.incrementValue(),
    () => code.update(counts, number, 1),
  );
});

using loaded = loadCollection({ programs: [count] });
using _link = attachRawTracepoint(loaded.program(count));
await sleep(1000);
const rows = [...loaded.keyed(counts).entries()].sort(([, a], [, b]) => b - a);
for (const [number, calls] of rows.slice(0, 10)) console.log(`system call ${number}: ${calls}`);
