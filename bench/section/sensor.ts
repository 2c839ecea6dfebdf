/** The sensor: how soon it tells, what it loses, what it costs. Needs root, `cc`, nginx-light, wrk and python3. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { constants, cpus, setPriority, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { readKernelBtf } from "../../src/ebpf/kernel/kernel-btf.ts";
import { listPrograms } from "../../src/ebpf/kernel/object-info.ts";
import { enableStatistics } from "../../src/ebpf/kernel/statistics.ts";
import { HOST } from "../../src/falco/syscall-event.ts";
import { Cgroup } from "../../src/linux/cgroup.ts";
import { mustSyscall } from "../../src/linux/native.ts";
import { compileRuntimePolicies, type RuntimeRules } from "../../src/policy/compile-runtime-policy.ts";
import { readDocuments } from "../../src/resource/document.ts";
import { parseRuntimePolicy } from "../../src/resource/runtime-policy.ts";
import { readBootClock } from "../../src/sensor/boot-clock.ts";
import { Detector } from "../../src/sensor/detector.ts";
import { Sensor } from "../../src/sensor/sensor.ts";
import { readRuntimePack } from "../../test/sensor/runtime-pack.ts";
import { HappeningCounter } from "../../test/soak/happening-counter.ts";
import { ExecStorm } from "../load/exec-storm.ts";
import type { SensorStart } from "../load/sensor-start.ts";
import { LoadedServer } from "../load/servers.ts";
import { median } from "../measure.ts";
import type { Section } from "../report.ts";

const ROOT = join(import.meta.dirname, "../..");
const NODE_OPTIONS = ["--max-semi-space-size=2"];
const LOOKUPS = { userName: () => null, groupName: () => null, container: () => HOST };
const SETTLE_MS = 1_000;

const quantile = (values: readonly number[], part: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * part))] ?? Number.NaN;

const RULES = 100;
const ALERTS = 1_000;
const ALERT_RATE = 50;

/** A hundred policies about started programs, of which one finds the program of the storm each time. */
function hundredRules(program: string): RuntimeRules {
  const policy = (name: string, condition: string): string => `apiVersion: vigil.dev/v1alpha1
kind: RuntimePolicy
metadata: {name: ${name}, annotations: {policies.vigil.dev/title: a program that is not to be started}}
spec:
  match: {events: [process.exec]}
  conditions:
    - {name: is-it, expression: '${condition}'}
  deduplicate: {key: string(process.pid)}
  severity: High
`;
  const others = Array.from({ length: RULES - 1 }, (_, number) =>
    policy(`other-${number}`, `process.name == "tool-${number}" || parent.name.startsWith("tool-${number}-")`),
  );
  const text = [...others, policy("storm", `process.executable == "${program}"`)].join("---\n");
  const resources = readDocuments(text, "bench.yaml").documents.flatMap((document) => {
    const parsed = parseRuntimePolicy(document);
    return parsed.kind === "runtime" ? [parsed.resource] : [];
  });
  const { rules, diagnostics } = compileRuntimePolicies(resources);
  if (diagnostics.length > 0 || rules.policies.length !== RULES) throw new Error("the policies of the benchmark do not compile");
  return rules;
}

const CLOCK_BOOTTIME = 7;

/** The clock of the records. */
function bootNs(): bigint {
  const time = new Uint8Array(16);
  mustSyscall("read the clock", "clock_gettime", CLOCK_BOOTTIME, time);
  const view = new DataView(time.buffer);
  return view.getBigInt64(0, true) * 1_000_000_000n + view.getBigInt64(8, true);
}

/** Milliseconds from the kernel's time of each exec to its alert. */
async function alertDelays(storm: ExecStorm): Promise<readonly number[]> {
  const clock = readBootClock();
  const delays: number[] = [];
  const execNs = new Map<number, bigint>();
  using _sensor = new Sensor({
    btf: readKernelBtf(),
    lookups: LOOKUPS,
    clock,
    detector: new Detector({ policies: hundredRules(storm.program), findingsPerMinute: Number.MAX_SAFE_INTEGER }),
    onEvent: ({ type, caller, timeNs }) => {
      if (type === "execve" && caller.exePath === storm.program) execNs.set(caller.pid, timeNs - clock.bootNs);
    },
    onDetection: ({ pid, finding }) => {
      const at = execNs.get(pid);
      if (finding.policy === "storm" && at !== undefined) delays.push(Number(bootNs() - at) / 1e6);
      execNs.delete(pid);
    },
  });
  await storm.run(ALERTS, ALERT_RATE);
  await pause(SETTLE_MS);
  if (delays.length < ALERTS) throw new Error(`expected ${ALERTS} alerts, got ${delays.length}`);
  return delays;
}

interface Account {
  readonly started: number;
  readonly perSecond: number;
  readonly told: number;
  readonly lost: number;
  /** How far what was told and lost is from what a counter in the kernel says. */
  readonly unaccounted: number;
}

const STORM = { count: 100_000, perSecond: 5_000 };
const OVERLOAD = { count: 20_000, perSecond: 10_000 };

/** The sensor with its rules on so many programs. While it is blocked it reads nothing at all. */
async function account(
  storm: ExecStorm,
  { count, perSecond }: typeof STORM,
  options: { readonly ringBytes?: number; readonly isBlocked?: true },
): Promise<Account> {
  let told = 0;
  const policies = readRuntimePack();
  using counter = new HappeningCounter(readKernelBtf(), 0n);
  using sensor = new Sensor({
    btf: readKernelBtf(),
    lookups: LOOKUPS,
    detector: new Detector({ policies }),
    ...(options.ringBytes === undefined ? {} : { ringBytes: options.ringBytes }),
    onEvent: ({ type, caller }) => {
      if (type === "execve" && caller.exePath === storm.program) told += 1;
    },
  });
  const before = reckon(sensor, counter);
  const running = storm.run(count, perSecond);
  if (options.isBlocked) {
    await pause(SETTLE_MS / 4);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, SETTLE_MS);
  }
  const { started, seconds } = await running;
  await pause(SETTLE_MS);
  const after = reckon(sensor, counter);
  const lost = after.lost - before.lost;
  return {
    started,
    perSecond: started / seconds,
    told,
    lost,
    unaccounted: Math.abs(after.records + lost - before.records - (after.counted - before.counted)),
  };
}

const STABLE_MS = 5;
const ATTEMPTS = 2_000;

/** What was told, lost and counted, at a moment at which nothing happens. */
function reckon(sensor: Sensor, counter: HappeningCounter): { readonly records: number; readonly lost: number; readonly counted: number } {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const counted = counter.all();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, STABLE_MS);
    sensor.drain();
    const { records, losses } = sensor.counts;
    if (counter.all() === counted) return { records, lost: losses.process + losses.file + losses.network, counted };
  }
  throw new Error("something always happens: there is no moment to compare counters");
}

const STARTS = 7;

function startTimes(): readonly SensorStart[] {
  const cache = mkdtempSync(join(tmpdir(), "vigil-cache-"));
  const start = (): SensorStart =>
    JSON.parse(
      execFileSync(process.execPath, [...NODE_OPTIONS, join(ROOT, "bench/load/sensor-start.ts")], {
        encoding: "utf8",
        env: { ...process.env, NODE_COMPILE_CACHE: cache },
      }),
    );
  try {
    // The first fills the cache of compiled code, as the first start of `vigil up` does.
    start();
    return Array.from({ length: STARTS }, start);
  } finally {
    rmSync(cache, { recursive: true });
  }
}

interface Footprint {
  readonly rssMib: number;
  /** Parts of one core while the host does what it does. */
  readonly idleCpu: number;
  /** Programs started on the host meanwhile, per second. */
  readonly execsPerSecond: number;
}

const IDLE_MS = 20_000;

/** The sensor of a `vigil up` of its own, which has found its pace. */
async function footprint(): Promise<Footprint> {
  const directory = mkdtempSync(join(tmpdir(), "vigil-bench-"));
  const file = join(directory, "vigil.yaml");
  writeFileSync(file, `runtime: {rules: [${join(ROOT, "packs/runtime")}]}\n`);
  const vigil = spawn(join(ROOT, "vigil"), ["up", "--config", file, "--state", join(directory, "state"), "--listen", "127.0.0.1:0"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  try {
    for await (const line of createInterface({ input: vigil.stdout })) if (/ready/.test(line)) break;
    vigil.stdout.resume();
    const children = readFileSync(`/proc/${vigil.pid}/task/${vigil.pid}/children`, "utf8").trim().split(" ");
    const sensor = children.find((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("cmd/sensor"));
    if (sensor === undefined) throw new Error("`vigil up` has no sensor");
    await pause(IDLE_MS / 4);
    using counter = new HappeningCounter(readKernelBtf(), 0n);
    const cpuNs = (): number => Number(readFileSync(`/proc/${sensor}/schedstat`, "utf8").split(" ")[0]);
    const [cpuBefore, countBefore, start] = [cpuNs(), counter.all(), performance.now()];
    await pause(IDLE_MS);
    const seconds = (performance.now() - start) / 1000;
    const rssKib = Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${sensor}/status`, "utf8"))?.[1]);
    return {
      rssMib: rssKib / 1024,
      idleCpu: (cpuNs() - cpuBefore) / 1e9 / seconds,
      execsPerSecond: (counter.all() - countBefore) / 3 / seconds,
    };
  } finally {
    vigil.kill("SIGTERM");
    if (vigil.exitCode === null) await once(vigil, "exit");
    rmSync(directory, { recursive: true, force: true });
  }
}

const LOAD_SECONDS = 5;

/** What the programs take of all processors while nginx serves as fast as it can, by the kernel's own statistics. */
async function kernelShare(
  mayWatchCalls: boolean,
): Promise<{ readonly share: number; readonly runsPerSecond: number; readonly requestsPerSecond: number }> {
  const policies = readRuntimePack();
  const { cgroup } = Cgroup.create(`bench-${process.pid}`, {});
  try {
    const known = new Set(listPrograms().map(({ id }) => id));
    using sensor = new Sensor({ btf: readKernelBtf(), lookups: LOOKUPS, detector: new Detector({ policies }) });
    sensor.watch({ events: policies.interest.events, calls: [], mayWatchCalls });
    const own = new Set(
      listPrograms()
        .map(({ id }) => id)
        .filter((id) => !known.has(id)),
    );
    await using nginx = await LoadedServer.nginx(cgroup);
    using _statistics = enableStatistics();
    const sum = (): { timeNs: number; runs: number } => {
      const programs = listPrograms().filter(({ id, name }) => own.has(id) && name.startsWith("sense_"));
      return {
        timeNs: programs.reduce((all, { runTimeNs }) => all + Number(runTimeNs), 0),
        runs: programs.reduce((all, { runCount }) => all + Number(runCount), 0),
      };
    };
    const before = sum();
    const { requests, seconds } = await nginx.serve(LOAD_SECONDS);
    const after = sum();
    return {
      share: (after.timeNs - before.timeNs) / 1e9 / seconds / cpus().length,
      runsPerSecond: (after.runs - before.runs) / seconds,
      requestsPerSecond: requests / seconds,
    };
  } finally {
    await cgroup.remove();
  }
}

const percent = (part: number): string => `${(part * 100).toFixed(2)} %`;
const round = (value: number): string => Math.round(value).toLocaleString("en");

export async function sensor(): Promise<Section> {
  using storm = new ExecStorm();
  // As the sensor of `vigil up` has it.
  setPriority(constants.priority.PRIORITY_ABOVE_NORMAL);
  const delays = await alertDelays(storm);
  const stormed = await account(storm, STORM, {});
  const overload = await account(storm, OVERLOAD, { ringBytes: 1 << 18, isBlocked: true });
  const starts = startTimes();
  const { rssMib, idleCpu, execsPerSecond } = await footprint();
  const always = await kernelShare(false);
  const withCalls = await kernelShare(true);
  const cpuMs = median(starts.map((start) => start.cpuMs));
  const wallMs = median(starts.map((start) => start.wallMs));
  const p99 = quantile(delays, 0.99);
  return {
    title: "The sensor",
    notes: [
      `*Alert*: from the kernel's time of an exec to the finding, ${RULES} policies about started programs, ${round(ALERTS)} execs at ${ALERT_RATE}/s; wall time on cores that others use, too.`,
      `*Storm*: ${round(STORM.count)} static programs that end at once, as near to ${round(STORM.perSecond)}/s as the machine goes, judged by packs/runtime. *Overload*: rings of 256 KiB that nobody reads for a second. All that was told or lost is compared with counters in the kernel of its own.`,
      "*Loading*: types of the kernel read, all programs for packs/runtime generated, verified and attached, in a new process with compiled code cached; median of seven.",
      "*Idle and resident*: the sensor of `vigil up` with packs/runtime, while the host did what it did.",
      "*Kernel's share*: run time of the sensor's programs by the kernel's statistics, of all processors, while nginx serves wrk as fast as it can. Always on are the hooks; packs/runtime asks for opened files as well, which takes programs on system calls.",
    ],
    columns: ["what", "measured"],
    rows: [
      ["exec to alert, p50 / p99 / max", `${quantile(delays, 0.5).toFixed(2)} / ${p99.toFixed(2)} / ${Math.max(...delays).toFixed(2)} ms`],
      ["storm: programs started, per second", `${round(stormed.started)}, ${round(stormed.perSecond)}/s`],
      ["storm: told, records lost, unaccounted", `${round(stormed.told)}, ${stormed.lost}, ${stormed.unaccounted}`],
      [
        "overload: started, told, records lost, unaccounted",
        `${round(overload.started)}, ${round(overload.told)}, ${round(overload.lost)}, ${overload.unaccounted}`,
      ],
      ["loading, CPU / wall", `${cpuMs.toFixed(0)} / ${wallMs.toFixed(0)} ms`],
      ["resident", `${rssMib.toFixed(0)} MiB`],
      ["idle: CPU of one core, programs started on the host", `${percent(idleCpu)}, ${execsPerSecond.toFixed(1)}/s`],
      [
        "kernel's share, always on",
        `${percent(always.share)} at ${round(always.requestsPerSecond)} requests/s, ${round(always.runsPerSecond)} runs/s`,
      ],
      [
        "kernel's share, with opened files",
        `${percent(withCalls.share)} at ${round(withCalls.requestsPerSecond)} requests/s, ${round(withCalls.runsPerSecond)} runs/s`,
      ],
    ],
    targets: [
      { what: "exec to alert with 100 rules, p99, ms", goal: "≤ 10", value: p99, met: p99 <= 10 },
      { what: "records lost in the storm", goal: "0", value: stormed.lost, met: stormed.lost === 0 && stormed.told === stormed.started },
      {
        what: "programs per second in the storm",
        goal: "≥ 5,000",
        value: stormed.perSecond,
        met: stormed.perSecond >= STORM.perSecond * 0.99,
      },
      {
        what: "records neither told nor counted as lost in the overload",
        goal: "0",
        value: overload.unaccounted,
        met: overload.unaccounted === 0 && overload.lost > 0,
      },
      { what: "CPU to load all programs, ms", goal: "< 300", value: cpuMs, met: cpuMs < 300 },
      { what: "resident memory of the sensor, MiB", goal: "< 120", value: rssMib, met: rssMib < 120 },
      { what: "CPU of the sensor while the host is idle, %", goal: "≤ 0.1", value: idleCpu * 100, met: idleCpu <= 0.001 },
      { what: "kernel's share of the always-on programs, %", goal: "≤ 1", value: always.share * 100, met: always.share <= 0.01 },
    ],
  };
}
