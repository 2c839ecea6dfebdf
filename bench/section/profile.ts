/** What recording costs the recorded: processor time per system call, with recorders of several kinds attached, taking turns. */
import { execFileSync } from "node:child_process";
import { readKernelTypes, TracepointRecorder } from "../../src/confine/tracepoint-recorder.ts";
import type { Btf } from "../../src/ebpf/btf/btf.ts";
import { tracepointProgram } from "../../src/ebpf/builder/program.ts";
import { attachRawTracepoint } from "../../src/ebpf/kernel/attach.ts";
import { type Collection, loadCollection } from "../../src/ebpf/kernel/collection.ts";
import { array, struct, u8, u64 } from "../../src/ebpf/layout.ts";
import { hashMap, ringBuffer } from "../../src/ebpf/map-spec.ts";
import type { ProgramSpec } from "../../src/ebpf/program-spec.ts";
import { Cgroup } from "../../src/linux/cgroup.ts";
import { median } from "../measure.ts";
import type { Section } from "../report.ts";

const CALLS = 1_000_000;
const ROUNDS = 7;

/** User and system time of a program that reads and writes one byte again and again, per call, in nanoseconds. */
function nsPerCall(cgroup: Cgroup, before: readonly string[] = [], calls: number = CALLS): number {
  const copy = [...before, "dd", "if=/dev/zero", "of=/dev/null", "bs=1", `count=${calls / 2}`, "status=none"];
  const script = `import json, resource, subprocess, sys
subprocess.run(json.loads(sys.argv[1]), check=True, stderr=subprocess.DEVNULL)
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(usage.ru_utime + usage.ru_stime)`;
  const line = `echo $$ > ${cgroup.path}/cgroup.procs && exec python3 -c "$0" "$1"`;
  const seconds = Number(execFileSync("sh", ["-c", line, script, JSON.stringify(copy)], { encoding: "utf8" }));
  return (seconds * 1e9) / calls;
}

type Attach = (btf: Btf, cgroup: bigint) => Disposable;

/** Attached only while it is held. */
function attached(program: ProgramSpec, prepare: (collection: Collection) => void = () => undefined): Disposable {
  const stack = new DisposableStack();
  const collection = stack.use(loadCollection({ programs: [program] }));
  prepare(collection);
  stack.use(attachRawTracepoint(collection.program(program)));
  return stack;
}

const ENTRY = struct("Entry", { seen: array(u8, 512) });
const EVENT = struct("Event", { cgroup: u64, number: u64 });

const RECORDERS: { readonly [name: string]: Attach | undefined } = {
  "nothing attached": undefined,
  "an empty program": (btf) => attached(tracepointProgram("bench_empty", { btf, tracepoint: "sys_enter" }, (code) => code.return(0))),
  "Vigil's recorder": (_btf, id) => new TracepointRecorder([{ kind: "cgroup", id, slot: 0 }]),
  "a hash map of byte lists": (btf, id) => {
    const seen = hashMap("bench_seen", { key: u64, value: ENTRY, maxEntries: 64 });
    const program = tracepointProgram("bench_hash", { btf, tracepoint: "sys_enter" }, (code, args) => {
      const number = code.let(args.scalar("id").and(511));
      const cgroup = code.let(code.call("get_current_cgroup_id"));
      code.ifNonNull(code.lookup(seen, cgroup), (entry) => entry.at("seen").element(number).setValue(1));
    });
    return attached(program, (collection) => collection.keyed(seen).set(id, { seen: new Array<number>(512).fill(0) }));
  },
  "an event per call": (btf, id) => {
    const ring = ringBuffer("bench_events", { record: EVENT, sizeBytes: 1 << 24 });
    const program = tracepointProgram("bench_ring", { btf, tracepoint: "sys_enter" }, (code, args) => {
      const cgroup = code.let(code.currentTask().field("cgroups.dfl_cgrp.kn.id"));
      code.if(cgroup.ne(id), () => code.return(0));
      code.reserve(ring, (record) => {
        record.set("cgroup", cgroup);
        record.set("number", args.scalar("id"));
        record.submit();
      });
    });
    return attached(program);
  },
};

export async function profile(): Promise<Section> {
  const { cgroup } = Cgroup.create(`bench-${process.pid}`, {});
  const { id } = cgroup;
  if (id === undefined) throw new Error("a cgroup of its own is needed, as root");
  const btf = readKernelTypes();
  const samples = new Map(Object.keys(RECORDERS).map((name) => [name, [] as number[]]));
  nsPerCall(cgroup);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, attach] of Object.entries(RECORDERS)) {
      using _ = attach?.(btf, id);
      samples.get(name)?.push(nsPerCall(cgroup));
    }
  }
  const traced = nsPerCall(cgroup, ["strace", "-c", "-f"], CALLS / 20);
  await cgroup.remove();
  const costs = new Map([...samples].map(([name, values]) => [name, median(values)]));
  const base = costs.get("nothing attached") ?? Number.NaN;
  const added = (name: string): number => (costs.get(name) ?? Number.NaN) - base;
  const toEmpty = added("Vigil's recorder") / added("an empty program");
  const toHash = (added("Vigil's recorder") - added("an empty program")) / (added("a hash map of byte lists") - added("an empty program"));
  const spread = (name: string): string => {
    const values = samples.get(name) ?? [];
    return `${Math.min(...values).toFixed(0)} to ${Math.max(...values).toFixed(0)}`;
  };
  return {
    title: "Recording profiles",
    notes: [
      `\`dd bs=1\`: ${CALLS.toLocaleString("en")} reads and writes of a byte; user and system time of the process per call, median of ${ROUNDS} rounds in turns.`,
      "Whatever is attached to the entry of system calls taxes all processes by the empty program's cost; Vigil attaches only while something is recorded.",
      `\`strace -c -f\`: ${traced.toFixed(0)} ns per call, once, without the time that strace itself takes.`,
    ],
    columns: ["attached", "ns per call", "added", "least to most"],
    rows: [...costs].map(([name, cost]) => [
      name,
      cost.toFixed(0),
      name === "nothing attached" ? "" : `+${added(name).toFixed(0)}`,
      spread(name),
    ]),
    targets: [
      { what: "cost of recording, in empty programs", goal: "≤ 1.35", value: toEmpty, met: toEmpty <= 1.35 },
      { what: "what recording adds to an empty program, in what a hash map adds to it", goal: "≤ 0.5", value: toHash, met: toHash <= 0.5 },
    ],
  };
}
