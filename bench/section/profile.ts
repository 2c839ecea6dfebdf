/**
 * What recording costs the recorded: processor time per system call and per request, with recorders of several kinds attached, taking
 * turns. Needs root, python3, strace, nginx-light, wrk, redis-server and redis-tools.
 */
import { execFileSync } from "node:child_process";
import { readKernelTypes, TracepointRecorder } from "../../src/confine/tracepoint-recorder.ts";
import type { Btf } from "../../src/ebpf/btf/btf.ts";
import { tracepointProgram } from "../../src/ebpf/builder/program.ts";
import { attachRawTracepoint } from "../../src/ebpf/kernel/attach.ts";
import { type Collection, loadCollection } from "../../src/ebpf/kernel/collection.ts";
import { listPrograms } from "../../src/ebpf/kernel/object-info.ts";
import { enableStatistics } from "../../src/ebpf/kernel/statistics.ts";
import { array, struct, u8, u64 } from "../../src/ebpf/layout.ts";
import { hashMap, ringBuffer } from "../../src/ebpf/map-spec.ts";
import type { ProgramSpec } from "../../src/ebpf/program-spec.ts";
import { Cgroup } from "../../src/linux/cgroup.ts";
import { LoadedServer } from "../load/servers.ts";
import { median } from "../measure.ts";
import type { Section } from "../report.ts";

const CALLS = 100_000;
const ROUNDS = 9;
const COUNTED_CALLS = 40_000;
const SERVER_ROUNDS = 7;
const NGINX_SECONDS = 1;
const REDIS_REQUESTS = 20_000;

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

/** The program of a recorder that runs at each call. */
const CALL_PROGRAMS = new Set(["bench_empty", "record_calls", "bench_hash", "bench_ring"]);

/** Nanoseconds that the attached program runs for a call, by the kernel's own statistics; they have the time of reading clocks in them. */
function nsPerRun(cgroup: Cgroup): number {
  using _statistics = enableStatistics();
  const own = () =>
    listPrograms()
      .filter(({ name }) => CALL_PROGRAMS.has(name))
      .at(-1);
  const before = own();
  nsPerCall(cgroup, [], COUNTED_CALLS);
  const after = own();
  if (before === undefined || after === undefined) throw new Error("no program is attached");
  return Number(after.runTimeNs - before.runTimeNs) / Number(after.runCount - before.runCount);
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

interface Samples {
  readonly nsPerCall: number[];
  readonly nsPerRun: number[];
  readonly nginx: number[];
  readonly redis: number[];
}

/** All recorders in turns: on a program that does nothing but calls, and on two servers. */
async function measure(cgroup: Cgroup, id: bigint, btf: Btf): Promise<ReadonlyMap<string, Samples>> {
  const samples = new Map(
    Object.keys(RECORDERS).map((name): [string, Samples] => [name, { nsPerCall: [], nsPerRun: [], nginx: [], redis: [] }]),
  );
  nsPerCall(cgroup);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, attach] of Object.entries(RECORDERS)) {
      using _ = attach?.(btf, id);
      samples.get(name)?.nsPerCall.push(nsPerCall(cgroup));
      if (attach !== undefined) samples.get(name)?.nsPerRun.push(nsPerRun(cgroup));
    }
  }
  for (const server of ["nginx", "redis"] as const) {
    await using loaded = await LoadedServer[server](cgroup);
    const size = server === "nginx" ? NGINX_SECONDS : REDIS_REQUESTS;
    await loaded.serve(size);
    for (let round = 0; round < SERVER_ROUNDS; round++) {
      for (const [name, attach] of Object.entries(RECORDERS)) {
        using _ = attach?.(btf, id);
        const { cpuNs, requests } = await loaded.serve(size);
        samples.get(name)?.[server].push(cpuNs / requests / 1000);
      }
    }
  }
  return samples;
}

/** Microseconds of processor time per request under `strace -c -f`, which itself is not counted. */
async function straced(server: "nginx" | "redis"): Promise<number> {
  const { cgroup } = Cgroup.create(`bench-strace-${process.pid}`, {});
  try {
    await using loaded = await LoadedServer[server](cgroup, ["strace", "-c", "-f", "-o", "/dev/null"]);
    const { cpuNs, requests } = await loaded.serve(server === "nginx" ? NGINX_SECONDS : REDIS_REQUESTS / 20);
    return cpuNs / requests / 1000;
  } finally {
    await cgroup.remove();
  }
}

export async function profile(): Promise<Section> {
  const { cgroup } = Cgroup.create(`bench-${process.pid}`, {});
  const { id } = cgroup;
  if (id === undefined) throw new Error("a cgroup of its own is needed, as root");
  const samples = await measure(cgroup, id, readKernelTypes());
  const traced = nsPerCall(cgroup, ["strace", "-c", "-f"], CALLS / 20);
  await cgroup.remove();
  const serversTraced = { nginx: await straced("nginx"), redis: await straced("redis") };
  const of = (name: string): Samples => samples.get(name) ?? { nsPerCall: [], nsPerRun: [], nginx: [], redis: [] };
  const base = median(of(NOTHING).nsPerCall);
  const empty = median(of(EMPTY).nsPerCall) - base;
  /** What a program takes beyond the empty one, which ran just before or after it. */
  const beyondEmpty = (name: string): number =>
    median(of(name).nsPerRun.map((value, round) => value - (of(EMPTY).nsPerRun[round] ?? value)));
  const toEmpty = (empty + beyondEmpty(VIGIL)) / empty;
  const toHash = beyondEmpty(VIGIL) / beyondEmpty(HASH);
  /** Of pairs of the same round: median, and its 95 % interval by the spread of the rounds. */
  const perRequest = (name: string, server: "nginx" | "redis"): string => {
    const ratios = of(name)[server].map((value, round) => value / (of(NOTHING)[server][round] ?? value) - 1);
    const mean = ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length;
    const deviation = Math.sqrt(ratios.reduce((sum, ratio) => sum + (ratio - mean) ** 2, 0) / (ratios.length - 1));
    const half = (T_95 * deviation) / Math.sqrt(ratios.length);
    const cpu = `${median(of(name)[server]).toFixed(1)} µs`;
    return name === NOTHING ? cpu : `${cpu} (${signed(mean)} ± ${(half * 100).toFixed(1)} %)`;
  };
  return {
    title: "Recording profiles",
    notes: [
      `\`dd bs=1\`: ${CALLS.toLocaleString("en")} reads and writes of a byte; user and system time of the process per call, median of ${ROUNDS} rounds in turns. *Program*: run time by the kernel's statistics beyond that of the empty program of the same round, median.`,
      "nginx by wrk, redis (GET) by redis-benchmark: processor time of the server per request, and how much more than with nothing attached in the same round: mean of the rounds and its 95 % interval.",
      "Whatever is attached to the entry of system calls taxes all processes by the empty program's cost; Vigil attaches only while something is recorded. The cost of recording is the empty program's, by `dd`, and what Vigil's program takes beyond it, by the statistics: the difference of two times of `dd` drowns in the noise of shared cores.",
      `\`strace -c -f\`, once, without the time that strace itself takes: ${traced.toFixed(0)} ns per call of dd, ${serversTraced.nginx.toFixed(0)} µs per request of nginx, ${serversTraced.redis.toFixed(0)} µs of redis.`,
    ],
    columns: ["attached", "ns per call", "program", "nginx, per request", "redis, per request"],
    rows: [...samples.keys()].map((name) => [
      name,
      `${median(of(name).nsPerCall).toFixed(0)} (${Math.min(...of(name).nsPerCall).toFixed(0)} to ${Math.max(...of(name).nsPerCall).toFixed(0)})`,
      name === NOTHING ? "" : `+${beyondEmpty(name).toFixed(1)} ns`,
      perRequest(name, "nginx"),
      perRequest(name, "redis"),
    ]),
    targets: [
      { what: "cost of recording, in empty programs", goal: "≤ 1.35", value: toEmpty, met: toEmpty <= 1.35 },
      { what: "what recording adds to an empty program, in what a hash map adds to it", goal: "≤ 0.5", value: toHash, met: toHash <= 0.5 },
    ],
  };
}

const [NOTHING, EMPTY, VIGIL, HASH] = ["nothing attached", "an empty program", "Vigil's recorder", "a hash map of byte lists"] as const;
/** Student's t for six degrees of freedom. */
const T_95 = 2.447;
const signed = (part: number): string => `${part < 0 ? "−" : "+"}${Math.abs(part * 100).toFixed(1)}`;
