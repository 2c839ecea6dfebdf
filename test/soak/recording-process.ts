/**
 * What the soak test of recordings watches, in a process of its own, so that its heap is nobody else's: a recording of a workload's
 * system calls, and the sensor with the rules that ship, both of one cgroup. Speaks with its parent over IPC.
 */
import { existsSync, readdirSync, rmSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import type { RecorderTarget } from "../../src/confine/recorder-program.ts";
import { recordWorkloads } from "../../src/confine/recording.ts";
import { readDescriptorFacts } from "../../src/ebpf/kernel/descriptor-facts.ts";
import { readKernelBtf } from "../../src/ebpf/kernel/kernel-btf.ts";
import { HOST } from "../../src/falco/syscall-event.ts";
import { Detector } from "../../src/sensor/detector.ts";
import { Sensor } from "../../src/sensor/sensor.ts";
import { readRuntimePack } from "../sensor/runtime-pack.ts";
import { HappeningCounter } from "./happening-counter.ts";

/** What the parent asks for. `block`: reads nothing until the file is there, which is then removed. */
export type Ask = { readonly kind: "sample" } | { readonly kind: "block"; readonly file: string } | { readonly kind: "stop" };

export interface RecordingSample {
  /** After a full collection. */
  readonly heapBytes: number;
  readonly rssBytes: number;
  readonly cpuUs: number;
  readonly descriptors: number;
  /** Ids of programs, maps and links that this process holds, with their kinds. */
  readonly objects: readonly string[];
  /** Bytes of the kernel that these have. */
  readonly kernelBytes: number;
  /** Programs started in the cgroup, by their records. */
  readonly programs: number;
  /** Files opened in the cgroup, by their records, lost ones, and by a counter in the kernel. */
  readonly opened: number;
  readonly openedLost: number;
  readonly openedCounted: number;
  /** All records since the first sample, those lost, and what a counter in the kernel says that there was to tell. */
  readonly records: number;
  readonly lost: number;
  readonly counted: number;
  readonly findings: number;
  /** Of the profile so far. */
  readonly calls: readonly string[];
}

/** Small, so that a burst while nobody reads is too much. */
const RING_BYTES = 1 << 18;
const SETTLE_MS = 300;
const STABLE_MS = 5;
const ATTEMPTS = 2_000;

const cgroupId = BigInt(process.argv[2] ?? "0");
const cgroup = String(cgroupId);
let programs = 0;
let opened = 0;
let findings = 0;
const happenings = new HappeningCounter(readKernelBtf(), cgroupId);
const rules = readRuntimePack();
const sensor = new Sensor({
  btf: readKernelBtf(),
  lookups: { userName: () => null, groupName: () => null, container: () => HOST },
  detector: new Detector({ policies: rules }),
  ringBytes: RING_BYTES,
  onDetection: () => {
    findings += 1;
  },
  onEvent: ({ type, caller }) => {
    if (caller.cgroupId !== cgroup) return;
    if (type === "execve") programs += 1;
    else if (type === "openat") opened += 1;
  },
});
sensor.watchCalls(["openat"]);
sensor.limitCalls([cgroupId]);
const stopping = new AbortController();
const started = performance.now();
let calls: readonly string[] = [];
const target: RecorderTarget = { kind: "cgroup", id: cgroupId, slot: 0 };
const recording = recordWorkloads([{ name: "soak", targets: [target] }], {
  signal: stopping.signal,
  startUpMs: 0,
  onProgress: ([profile]) => {
    calls = profile?.calls.map(({ name }) => name) ?? [];
  },
});
/** What was told and counted before the measuring began: programs were attached one after the other. */
let first: { readonly told: number; readonly counted: number; readonly opened: number; readonly openedCounted: number } | undefined;

/** All that the sensor was told, or lost, and what the counter says, at a moment at which nothing was happening. */
function reckon(): { readonly records: number; readonly lost: number; readonly counted: number } {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const before = happenings.all();
    sleep(STABLE_MS);
    sensor.drain();
    const { records, losses } = sensor.counts;
    if (happenings.all() === before) return { records, lost: losses.process + losses.file + losses.network, counted: before };
  }
  throw new Error("something always happens: there is no moment to compare counters");
}

function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

async function sample(): Promise<RecordingSample> {
  await pause(SETTLE_MS);
  const { records, lost, counted } = reckon();
  const { file } = sensor.counts.losses;
  const openedCounted = happenings.opened();
  first ??= { told: records + lost, counted, opened: opened + file, openedCounted };
  globalThis.gc?.();
  const { heapUsed, rss } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  const held = readdirSync("/proc/self/fd").flatMap((fd) => factsOf(Number(fd)));
  return {
    heapBytes: heapUsed,
    rssBytes: rss,
    cpuUs: user + system,
    descriptors: held.length,
    objects: held.filter(({ kind }) => kind !== undefined).map(({ kind, id }) => `${kind} ${id}`),
    kernelBytes: held.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0),
    programs,
    opened,
    openedLost: file,
    openedCounted: openedCounted - first.openedCounted + first.opened,
    records: records,
    lost,
    counted: counted - first.counted + first.told,
    findings,
    calls,
  };
}

/** Nothing for the descriptor of the directory that was listed, which is closed. */
function factsOf(fd: number): readonly ReturnType<typeof readDescriptorFacts>[] {
  try {
    return [readDescriptorFacts(fd)];
  } catch {
    return [];
  }
}

function block(file: string): void {
  process.send?.("blocked");
  // The message goes out in a moment of the loop; then nothing does.
  setTimeout(() => {
    while (!existsSync(file)) sleep(20);
    rmSync(file);
    process.send?.("awake");
  }, SETTLE_MS);
}

process.on("message", (ask: Ask) => {
  if (ask.kind === "block") block(ask.file);
  else if (ask.kind === "sample") void sample().then((taken) => process.send?.(taken));
  else void stop();
});
process.send?.({ startedMs: performance.now() - started });

async function stop(): Promise<void> {
  stopping.abort();
  const [profile] = await recording;
  sensor[Symbol.dispose]();
  happenings[Symbol.dispose]();
  process.send?.(profile?.calls.map(({ name }) => name) ?? []);
  process.disconnect();
}
