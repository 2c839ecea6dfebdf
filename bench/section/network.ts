/** Policies in the kernel: how fast a change is compiled, written and effective, how much memory they take, and how fast flows are read. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, watch, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { loadCollection, RingReader, testRun } from "../../src/ebpf/index.ts";
import { networkPrograms, openNetworkEnforcement } from "../../src/network/enforcement.ts";
import { flowHandler } from "../../src/network/flow.ts";
import { DEFAULT_SIZES, networkMaps } from "../../src/network/kernel-maps.ts";
import { PolicyBanks } from "../../src/network/policy-banks.ts";
import { SetEncoder } from "../../src/network/set-encoder.ts";
import { EXTERNAL } from "../../src/policy/access/endpoint.ts";
import type { AccessResource } from "../../src/resource/access-resource.ts";
import { KernelCompiler } from "../../src/target/kernel/compile-kernel.ts";
import type { KernelArtifact, PortVerdict } from "../../src/target/kernel/kernel-artifact.ts";
import { packetOf } from "../../test/network/packet.ts";
import { TestCgroup } from "../../test/network/workload.ts";
import type { Watched } from "../flip-watcher.ts";
import { cpuNs, median } from "../measure.ts";
import type { TrafficOrder } from "../network-traffic.ts";
import { addressOf, callText, policyText, resourcesOf, serviceOf, setOf } from "../network-workload.ts";
import { comeFirst, sharedNote } from "../priority.ts";
import type { Section, Target } from "../report.ts";

const PEERS = 500;
const POLICIES = 1000;
const FLIPS = 100;
const ENTRIES = 10_000;
const SOURCES = 10_000;
const SERVICES = 1000;
const EVENTS = 1_000_000;
const ROUNDS = 15;

const MIB = 2 ** 20;
const WALL = (): number => Number(process.hrtime.bigint()) / 1e6;

/** The smallest value that so many of a hundred do not exceed. */
const percentile = (values: readonly number[], percent: number): number =>
  [...values].sort((a, b) => a - b)[Math.ceil((values.length * percent) / 100) - 1] ?? Number.NaN;

const target = (what: string, goal: string, value: number, limit: number): Target => ({ what, goal, value, met: value <= limit });

interface Changes {
  /** Milliseconds from before the file is written until a connection was refused. */
  readonly untilDenied: readonly number[];
  /** Of these, after the set was switched to. */
  readonly afterSwitch: readonly number[];
  readonly mapsBytes: number;
  readonly rssBytes: number;
}

/** What the kernel accounts for the maps that this process has open. */
function ownMapsBytes(): number {
  const facts = readdirSync("/proc/self/fdinfo").flatMap((fd) => {
    try {
      return [readFileSync(`/proc/self/fdinfo/${fd}`, "utf8")];
    } catch {
      // The one of the directory itself.
      return [];
    }
  });
  return facts.reduce((sum, text) => sum + (text.includes("map_type:") ? Number(/^memlock:\s*(\d+)$/m.exec(text)?.[1] ?? 0) : 0), 0);
}

/** A file is written, seen, read, compiled and written into the kernel, while a workload connects without a pause. */
async function changes(): Promise<Changes> {
  await using owned = new AsyncDisposableStack();
  const directory = mkdtempSync(join(tmpdir(), "vigil-bench-"));
  owned.defer(() => rmSync(directory, { recursive: true }));
  const root = owned.use(new TestCgroup(`vigil-bench-${process.pid}`));
  const enforcement = owned.use(openNetworkEnforcement({ cgroupRoot: root.path, onFlow: () => {} }));
  const start = (name: string, program: string): { readonly child: ChildProcess; readonly cgroupPath: string } => {
    const cgroup = owned.use(new TestCgroup(name, root.path));
    const child = fork(join(import.meta.dirname, program));
    owned.defer(async () => {
      child.kill("SIGKILL");
      await once(child, "exit");
    });
    writeFileSync(join(cgroup.path, "cgroup.procs"), String(child.pid));
    return { child, cgroupPath: cgroup.path };
  };
  // It only listens: a server that answered would have its part of the processors.
  const server = start("server", "../network-traffic.ts");
  const { child: watcher, cgroupPath } = start("watcher", "../flip-watcher.ts");
  const others = Array.from({ length: PEERS - 2 }, (_, index) => ({ endpoint: serviceOf(index + 2), addresses: [addressOf(index + 2)] }));
  enforcement.setInventory([{ endpoint: serviceOf(0), cgroupPath }, { endpoint: serviceOf(1), cgroupPath: server.cgroupPath }, ...others]);
  const policies: AccessResource[] = Array.from({ length: POLICIES - 1 }, (_, index) => resourcesOf(policyText(index, PEERS))).flat();
  const file = join(directory, "flip.yaml");
  const write = (from: number): void => {
    writeFileSync(`${file}.new`, callText("flip", from, 1));
    renameSync(`${file}.new`, file);
  };
  let switchedAt = 0;
  const load = (): void => {
    enforcement.setPolicies(setOf([...policies, ...resourcesOf(readFileSync(file, "utf8"))]));
    switchedAt = WALL();
  };
  write(0);
  load();
  load();
  const files = watch(directory, (_event, name) => {
    if (name === "flip.yaml") load();
  });
  owned.defer(() => files.close());
  server.child.send({ do: "listen" } satisfies TrafficOrder);
  const [port] = await once(server.child, "message");
  const [untilDenied, afterSwitch]: [number[], number[]] = [[], []];
  for (let flip = 0; flip < FLIPS * 2; flip++) {
    const until = flip % 2 === 0 ? "deny" : "allow";
    watcher.send({ port, until });
    await once(watcher, "message");
    await wait(150);
    const seen = once(watcher, "message") as Promise<[Watched]>;
    const from = WALL();
    write(until === "deny" ? 2 : 0);
    const [{ atNs }] = await seen;
    if (until === "allow") continue;
    untilDenied.push(Number(atNs) / 1e6 - from);
    // What was seen before the call returned was seen at once.
    afterSwitch.push(Math.max(0, Number(atNs) / 1e6 - switchedAt));
  }
  const mapsBytes = ownMapsBytes();
  return { untilDenied, afterSwitch, mapsBytes, rssBytes: process.memoryUsage().rss };
}

/** A set of one policy that speaks of so many peers, none of which the other one speaks of. */
function artifactOf(first: number): KernelArtifact {
  const ground = { direction: "ingress", tier: "access", origin: undefined } as const;
  const whole = { ground, audited: undefined, isProvisional: false };
  const table = (verdict: "allow" | "deny"): readonly PortVerdict[] => [{ protocol: "tcp", first: 0, last: 65_535, verdict, ...whole }];
  const peerClasses = new Map(Array.from({ length: ENTRIES }, (_, index) => [first + index, 1] as const));
  const policy = {
    direction: "ingress",
    peerClasses,
    otherPeers: 0,
    networkClasses: new Map<number, number>(),
    networkClassCount: 1,
  } as const;
  const verdicts = [table("deny"), table("allow")];
  return {
    identities: [],
    nodes: [],
    learned: new Map(),
    patterns: [],
    egress: new Map(),
    ingress: new Map([[1, { ...policy, verdicts }]]),
  };
}

interface Swap {
  readonly wallMs: number;
  readonly cpuMs: number;
}

/** What it takes to encode and put in force a set all of whose entries are other ones. */
function swaps(): readonly Swap[] {
  const maps = networkMaps(DEFAULT_SIZES);
  using loaded = loadCollection({
    programs: [],
    maps: [maps.state, maps.fence.outer, ...Object.values(maps.banks).map(({ outer }) => outer)],
  });
  using banks = new PolicyBanks(maps, loaded);
  const encoder = new SetEncoder();
  const samples: Swap[] = [];
  const places = { cgroups: [], addresses: [], host: 0 };
  for (let round = -4; round < ROUNDS; round++) {
    // A copy, so that nothing of it is known from before.
    const artifact = artifactOf(1 + (round & 1) * ENTRIES);
    banks.settle();
    const start = { wall: WALL(), cpu: cpuNs() };
    banks.swap(encoder.encode(artifact, places), { levels: 4, isAudit: false });
    if (round >= 0) samples.push({ wallMs: WALL() - start.wall, cpuMs: (cpuNs() - start.cpu) / 1e6 });
  }
  return samples;
}

interface Compiled {
  readonly coldMs: number;
  readonly changeMs: number;
}

/** CPU of compiling for so many sources and services, at first and after a change of one policy. */
function compiled(): Compiled {
  const subjects = Array.from({ length: SOURCES + SERVICES }, (_, index) => ({ endpoint: serviceOf(index), hasUpperLayer: false }));
  let resources = Array.from({ length: SERVICES }, (_, index) => resourcesOf(policyText(index, SERVICES))).flat();
  const cold: number[] = [];
  const change: number[] = [];
  for (let round = 0; round < 3; round++) {
    const compiler = new KernelCompiler();
    const set = setOf(resources);
    const start = cpuNs();
    compiler.compile({ set, subjects, nowMs: 0 });
    cold.push((cpuNs() - start) / 1e6);
    for (let index = 0; index < ROUNDS; index++) {
      const at = index * 7;
      resources = resources.with(at, ...(resourcesOf(policyText(at, SERVICES, 9000 + index + round)) as [AccessResource]));
      const next = setOf(resources);
      const begin = cpuNs();
      compiler.compile({ set: next, subjects, nowMs: 0 });
      change.push((cpuNs() - begin) / 1e6);
    }
  }
  return { coldMs: median(cold), changeMs: median(change) };
}

interface Events {
  readonly nsPerEvent: number;
  readonly seen: number;
  readonly lost: number;
}

/** The programs fill the ring with flows as fast as they can, and it is read, in turns. */
function events(): Events {
  const maps = networkMaps(DEFAULT_SIZES);
  const programs = networkPrograms(maps);
  const [egress] = programs;
  if (egress === undefined) throw new TypeError("expected programs");
  using owned = new DisposableStack();
  const loaded = owned.use(loadCollection({ programs, maps: [maps.fence.outer, ...Object.values(maps.banks).map(({ outer }) => outer)] }));
  const root = owned.use(new TestCgroup(`vigil-bench-events-${process.pid}`));
  const home = root.path.slice(0, root.path.lastIndexOf("/"));
  const enter = (path: string): void => writeFileSync(join(path, "cgroup.procs"), String(process.pid));
  owned.defer(() => enter(home));
  const banks = owned.use(new PolicyBanks(maps, loaded));
  const compiler = new KernelCompiler();
  const subjects = [{ endpoint: serviceOf(0), hasUpperLayer: false }];
  const artifact = compiler.compile({ set: setOf(resourcesOf(callText("flows", 0, 0))), subjects, nowMs: 0 });
  const whereabouts = { cgroups: [{ id: root.id, identity: 1 }], addresses: [], host: 0 };
  const set = new SetEncoder().encode(artifact, whereabouts);
  const generation = banks.swap(set, { levels: 1 << 1, isAudit: false });
  let seen = 0;
  const names = new Map([[generation, { identities: artifact.identities, grounds: set.grounds }]]);
  const onRecord = flowHandler(names, (flow) => {
    if (flow.step === "begin" && flow.source.endpoint !== undefined) seen++;
  });
  const reader = owned.use(new RingReader([{ map: loaded.map(maps.events), losses: loaded.perCpu(maps.losses), onRecord }]));
  // A SYN is a new flow each time.
  const end = {
    source: EXTERNAL,
    destination: EXTERNAL,
    sourceAddress: Uint8Array.of(10, 0, 0, 1),
    destinationAddress: Uint8Array.of(10, 0, 0, 2),
  };
  const data = packetOf(
    { ...end, destinationNames: [], protocol: "tcp", port: 80, request: undefined, claims: {}, tenant: "", permissions: [] },
    40_000,
  );
  enter(root.path);
  const repeat = 8000;
  let spent = 0;
  let read = 0;
  for (let sent = 0; sent < EVENTS; sent += repeat) {
    testRun(loaded.program(egress), { data, repeat });
    const start = cpuNs();
    const count = reader.drain();
    if (sent < EVENTS / 10) continue;
    spent += cpuNs() - start;
    read += count;
  }
  return { nsPerEvent: spent / read, seen, lost: reader.lossesOf(loaded.map(maps.events)) };
}

export async function network(): Promise<Section> {
  using _priority = comeFirst();
  const changed = await changes();
  const swapped = swaps();
  const compiling = compiled();
  const flows = events();
  const [p50, p99] = [percentile(changed.untilDenied, 50), percentile(changed.untilDenied, 99)];
  const effect = percentile(changed.afterSwitch, 99);
  const rate = 1e9 / flows.nsPerEvent;
  const swapMs = median(swapped.map(({ wallMs }) => wallMs));
  const swapCpuMs = median(swapped.map(({ cpuMs }) => cpuMs));
  const ms = (value: number): string => `${value.toFixed(value < 10 ? 2 : 1)} ms`;
  return {
    title: "Access policies in the kernel: changes, memory, flows",
    notes: [
      `*Change*: one of ${POLICIES} policies among ${PEERS} peers is written to a file, which is seen, read, compiled and put in force, until a workload that connects without a pause is refused; ${FLIPS} times.`,
      `*Swap*: a set all of whose ${ENTRIES.toLocaleString("en")} entries are other ones than before is encoded, written and switched to; median of ${ROUNDS}.`,
      `*Compiling*: ${SOURCES.toLocaleString("en")} sources and ${SERVICES} services with a policy each; CPU.`,
      `*Flows*: ${EVENTS.toLocaleString("en")} flows that the egress program lets through (BPF_PROG_TEST_RUN), read in turns with it; CPU of reading and decoding.`,
      sharedNote(),
      "Reference for a change: 87 ms, conventional 3,210 ms (published; not run here). Memory: with 65,536 connections.",
    ],
    columns: ["measured", "value"],
    rows: [
      ["change, from file to first refusal, p50", ms(p50)],
      ["change, from file to first refusal, p99", ms(p99)],
      ["from the switch to the first refusal, p99", ms(effect)],
      [`swap of ${ENTRIES.toLocaleString("en")} entries`, `${ms(swapMs)}, of which CPU ${ms(swapCpuMs)}`],
      ["compiling, at first", ms(compiling.coldMs)],
      ["compiling, one change", ms(compiling.changeMs)],
      ["flows read per second and core", Math.round(rate).toLocaleString("en")],
      ["flows seen, lost", `${flows.seen.toLocaleString("en")}, ${flows.lost}`],
      ["kernel maps", `${(changed.mapsBytes / MIB).toFixed(1)} MiB`],
      ["RSS of the process", `${(changed.rssBytes / MIB).toFixed(0)} MiB`],
    ],
    targets: [
      target("policy change from file to first refusal, p99, in ms", "≤ 30", p99, 30),
      target("from the switch to its effect, p99, in ms", "≤ 1", effect, 1),
      target("swap of a full set of 10,000 entries, in ms", "≤ 25", swapMs, 25),
      target("compiling for 10,000 sources and 1,000 services, in s", "≤ 2", compiling.coldMs / 1000, 2),
      target("compiling one change of it, in ms", "≤ 20", compiling.changeMs, 20),
      { what: "flows read per second and core", goal: "≥ 1,000,000", value: rate, met: rate >= 1e6 },
      target("flows lost", "0", flows.lost, 0),
      target("kernel maps, in MB", "< 29", changed.mapsBytes / 1e6, 29),
    ],
  };
}
