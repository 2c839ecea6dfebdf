/** Counts in the kernel what the sensor should be told: an account of its own, from programs of its own. */
import type { Btf } from "../../src/ebpf/btf/btf.ts";
import type { Code } from "../../src/ebpf/builder/code.ts";
import { tracepointProgram } from "../../src/ebpf/builder/program.ts";
import { attachRawTracepoint } from "../../src/ebpf/kernel/attach.ts";
import { loadCollection } from "../../src/ebpf/kernel/collection.ts";
import type { PerCpuMap } from "../../src/ebpf/kernel/per-cpu-map.ts";
import { u64AsNumber } from "../../src/ebpf/layout.ts";
import { arrayMap } from "../../src/ebpf/map-spec.ts";
import { architecture } from "../../src/linux/native.ts";
import { syscallNumber } from "../../src/linux/syscall-numbers.ts";

const PROCESSES = 0;
const OPENED = 1;

export class HappeningCounter implements Disposable {
  readonly #owned: DisposableStack = new DisposableStack();
  readonly #counts: PerCpuMap<number, number>;

  /** Attaches: processes and cgroups are counted everywhere, opened files in this cgroup. */
  constructor(btf: Btf, cgroupId: bigint) {
    const counts = arrayMap("happenings", { value: u64AsNumber, maxEntries: 2, perCpu: true });
    const machine = architecture();
    const count = (code: Code, at: number): void => code.ifNonNull(code.lookup(counts, at), (value) => value.incrementValue());
    const programs = [
      tracepointProgram("count_exec", { btf, tracepoint: "sched_process_exec" }, (code) => count(code, PROCESSES)),
      tracepointProgram("count_fork", { btf, tracepoint: "sched_process_fork" }, (code, args) => {
        const child = args.pointer<"task_struct">("child");
        code.if(child.field("pid").eq(child.field("tgid")), () => count(code, PROCESSES));
      }),
      tracepointProgram("count_exit", { btf, tracepoint: "sched_process_exit" }, (code, args) => {
        const isLast = args.names.includes("group_dead")
          ? args.scalar("group_dead").and(0xff).ne(0)
          : args.pointer<"task_struct">("p").field("signal.live.counter").eq(0);
        code.if(isLast, () => count(code, PROCESSES));
      }),
      tracepointProgram("count_moved", { btf, tracepoint: "cgroup_attach_task" }, (code) => count(code, PROCESSES)),
      tracepointProgram("count_cgroup", { btf, tracepoint: "cgroup_mkdir" }, (code, args) => {
        code.if(args.pointer(0).field("root.hierarchy_id").eq(0), () => count(code, PROCESSES));
      }),
      tracepointProgram("count_opened", { btf, tracepoint: "sys_exit" }, (code, args) => {
        const number = args
          .pointer("regs")
          .field(machine === "x64" ? "orig_ax" : "syscallno")
          .low32();
        code.if(number.eq(syscallNumber("openat", machine) ?? 0), () =>
          code.if(code.currentTask().field("cgroups.dfl_cgrp.kn.id").eq(cgroupId), () => count(code, OPENED)),
        );
      }),
    ];
    const collection = this.#owned.use(loadCollection({ programs }));
    this.#counts = collection.perCpu(counts);
    for (const program of programs) this.#owned.use(attachRawTracepoint(collection.program(program)));
  }

  /** Everything that happened. */
  all(): number {
    return this.#sum(PROCESSES) + this.#sum(OPENED);
  }

  opened(): number {
    return this.#sum(OPENED);
  }

  [Symbol.dispose](): void {
    this.#owned.dispose();
  }

  #sum(at: number): number {
    return (this.#counts.get(at) ?? []).reduce((sum, count) => sum + count, 0);
  }
}
