/** Conflicts of access policies: time and memory for many services and policies, for one change, and what is found of planted defects. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type AccessSet, compileAccessSet } from "../../src/policy/access/access-set.ts";
import { decideAccess } from "../../src/policy/access/decide-access.ts";
import { type Endpoint, endpoint } from "../../src/policy/access/endpoint.ts";
import { ConflictAnalysis } from "../../src/policy/conflict/conflict-analysis.ts";
import type { Conflicts } from "../../src/policy/conflict/finding.ts";
import type { AccessResource } from "../../src/resource/access-resource.ts";
import { type PlantedConflicts, plantConflicts, readPolicies } from "../engine/planted-conflicts.ts";
import { cpuNs, median } from "../measure.ts";
import type { Section, Target } from "../report.ts";

const NOW = { nowMs: 1_790_000_000_000 };
/** Reading policies anew takes longer than examining them. */
const ROUNDS = 5;
const MANY_ROUNDS = 3;
const CHANGES = 40;
const MIB = 2 ** 20;

interface Sample {
  readonly wholeMs: number;
  readonly heapMiB: number;
  readonly policyMs: number;
  readonly labelMs: number;
  readonly compileMs: number;
  readonly rules: number;
  readonly planted: number;
  readonly found: number;
  readonly falseFindings: number;
  readonly examples: number;
}

function compiled(resources: readonly AccessResource[]): AccessSet {
  const { set, diagnostics } = compileAccessSet(resources);
  if (diagnostics.length > 0) throw new Error(diagnostics[0]?.message);
  return set;
}

function timed<T>(run: () => T): { readonly ms: number; readonly result: T } {
  const from = cpuNs();
  const result = run();
  return { ms: (cpuNs() - from) / 1e6, result };
}

/** Policies that were read anew each time, so that nothing about them is known from the round before. */
function measure(count: number): Sample {
  const corpus = plantConflicts(count);
  const { inventory } = corpus;
  const times: number[] = [];
  const heaps: number[] = [];
  for (let round = 0; round < (count > 1_000 ? MANY_ROUNDS : ROUNDS); round++) {
    const set = compiled(readPolicies(corpus.texts));
    globalThis.gc?.();
    const before = process.memoryUsage().heapUsed;
    const { ms } = timed(() => new ConflictAnalysis().examine(set, { ...NOW, inventory }));
    heaps.push((process.memoryUsage().heapUsed - before) / MIB);
    times.push(ms);
  }
  return { wholeMs: median(times), heapMiB: median(heaps), ...changes(corpus), ...findings(corpus) };
}

/** One policy is written anew, one workload gets another label; each time everything else stays. */
function changes({ texts, inventory }: PlantedConflicts): Pick<Sample, "policyMs" | "labelMs" | "compileMs"> {
  const analysis = new ConflictAnalysis();
  let resources = readPolicies(texts);
  let workloads: readonly Endpoint[] = inventory;
  let set = compiled(resources);
  analysis.examine(set, { ...NOW, inventory: workloads });
  const policies: number[] = [];
  const compilations: number[] = [];
  const labels: number[] = [];
  for (let change = 0; change < CHANGES; change++) {
    const at = (change * 37) % texts.length;
    const [fresh] = readPolicies([texts[at] ?? ""]);
    if (fresh !== undefined) resources = resources.with(at, fresh);
    const compilation = timed(() => compiled(resources));
    set = compilation.result;
    compilations.push(compilation.ms);
    policies.push(timed(() => analysis.examine(set, { ...NOW, inventory: workloads })).ms);
    const changed = workloads[at];
    if (changed !== undefined)
      workloads = workloads.with(at, endpoint("workload", { ...changed, labels: { ...changed.labels, seen: `${change}` } }));
    labels.push(timed(() => analysis.examine(set, { ...NOW, inventory: workloads })).ms);
  }
  return { policyMs: median(policies), labelMs: median(labels), compileMs: median(compilations) };
}

function findings({
  texts,
  planted,
  plantedByCalls,
  inventory,
  calls,
}: PlantedConflicts): Omit<Sample, "wholeMs" | "heapMiB" | "policyMs" | "labelMs" | "compileMs"> {
  const set = compiled(readPolicies(texts));
  const analysis = new ConflictAnalysis();
  const still = analysis.examine(set, { ...NOW, inventory });
  const moving = analysis.examine(set, { ...NOW, inventory, traffic: { calls, edgeLabels: new Map() } });
  if (!moving.isComplete || moving.unknown > 0 || moving.unknownCalls > 0) throw new Error("expected everything to be compared");
  const all = new Set([...planted, ...plantedByCalls]);
  const told = moving.findings.map(({ kind, rule }) => `${kind} ${rule.policy}`);
  return {
    rules: still.rules,
    planted: all.size,
    found: new Set(told.filter((each) => all.has(each))).size,
    falseFindings: told.filter((each) => !all.has(each)).length,
    examples: replayed(set, moving),
  };
}

/** Every example is decided again, by the whole set. */
function replayed(set: AccessSet, { findings: all }: Conflicts): number {
  const examples = all.flatMap(({ witness }) => witness ?? []);
  for (const { call, verdict } of examples)
    if (decideAccess(set, call, NOW).verdict !== verdict) throw new Error("an example decides otherwise when it is replayed");
  return examples.length;
}

interface Cold {
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly rssMiB: number;
}

/** The command as people call it: start of the program, files, everything. */
async function commandLine(count: number): Promise<Cold> {
  const directory = mkdtempSync(join(tmpdir(), "vigil-conflicts-"));
  try {
    const { texts, manifests } = plantConflicts(count);
    writeFileSync(join(directory, "policies.yaml"), texts.join("---"));
    writeFileSync(join(directory, "inventory.yaml"), manifests);
    const usage =
      'process.on("exit",()=>{const u=process.resourceUsage();process.stderr.write("\\n"+(u.userCPUTime+u.systemCPUTime)+" "+u.maxRSS)})';
    const main = join(import.meta.dirname, "../../src/cmd/main.ts");
    const words = ["policy", "conflicts", "--inventory", join(directory, "inventory.yaml"), "-o", "json", join(directory, "policies.yaml")];
    const samples: Cold[] = [];
    for (let round = 0; round < (count > 1_000 ? 1 : 3); round++) {
      const from = performance.now();
      const stderr = await run(["--import", `data:text/javascript,${encodeURIComponent(usage)}`, main, ...words]);
      const [, cpuUs = "0", rssKib = "0"] = /(\d+) (\d+)$/.exec(stderr) ?? [];
      samples.push({ wallMs: performance.now() - from, cpuMs: Number(cpuUs) / 1e3, rssMiB: Number(rssKib) / 1024 });
    }
    const middle = (pick: (sample: Cold) => number): number => median(samples.map(pick));
    return { wallMs: middle(({ wallMs }) => wallMs), cpuMs: middle(({ cpuMs }) => cpuMs), rssMiB: middle(({ rssMiB }) => rssMiB) };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** It ends with 1, for it finds contradictions. */
async function run(words: readonly string[]): Promise<string> {
  const failed = await promisify(execFile)(process.execPath, [...words], { maxBuffer: 1 << 28 }).catch((error: unknown) => error);
  const { code, stderr = "" } = failed as { readonly code?: number; readonly stderr?: string };
  if (code !== 1) throw new Error(`expected contradictions: ${stderr}`);
  return stderr;
}

export async function conflicts(): Promise<Section> {
  measure(1_000);
  const thousand = measure(1_000);
  const tenThousand = measure(10_000);
  const cold = await commandLine(1_000);
  const coldMany = await commandLine(10_000);
  const atMost = (what: string, value: number, limit: number): Target => ({ what, goal: `≤ ${limit}`, value, met: value <= limit });
  const samples = [thousand, tenThousand];
  const recall = Math.min(...samples.map(({ found, planted }) => found / planted));
  const row = (count: string, sample: Sample, { wallMs, cpuMs, rssMiB }: Cold): readonly string[] => [
    count,
    `${sample.rules}`,
    `${sample.wholeMs.toFixed(1)} ms`,
    `${sample.heapMiB.toFixed(0)} MiB`,
    `${sample.policyMs.toFixed(2)} ms`,
    `${sample.labelMs.toFixed(2)} ms`,
    `${sample.compileMs.toFixed(1)} ms`,
    `${sample.found} of ${sample.planted}`,
    `${sample.falseFindings}`,
    `${sample.examples}`,
    `${(wallMs / 1000).toFixed(2)} s (CPU ${(cpuMs / 1000).toFixed(2)} s), ${rssMiB.toFixed(0)} MiB`,
  ];
  return {
    title: "Conflicts of access policies",
    notes: [
      "A generator plants redundant, contradicting, shadowed and dead rules, calls that no policy allows and policies that no call uses, among policies that are about services of their own; there are as many services as policies.",
      "All: everything examined in a warm process, for policies that were read anew; CPU time, median of five (of three for 10,000). Memory is what that adds to the heap, garbage included. Reading and compiling are not counted, but stand beside for one change.",
      "One policy: it is written anew and all others stay; one label: a workload has another label. Median of forty.",
      "The generator plants what the analysis can decide, one rule against one: recall says nothing of conflicts beyond that. Every example was decided again by all policies.",
      "Command line: `vigil policy conflicts` with an inventory, from its start to its end, JSON out (median of three, once for 10,000); elapsed time, CPU time, resident memory at most.",
    ],
    columns: [
      "policies",
      "rules",
      "all",
      "memory",
      "one policy",
      "one label",
      "compiling then",
      "planted defects found",
      "false findings",
      "examples replayed",
      "command line",
    ],
    rows: [row("1,000", thousand, cold), row("10,000", tenThousand, coldMany)],
    targets: [
      atMost("1,000 services, ms", thousand.wholeMs, 67),
      atMost("1,000 services, MiB", thousand.heapMiB, 139),
      atMost("10,000 services and policies, ms", tenThousand.wholeMs, 1_000),
      atMost("one change among 10,000, ms", Math.max(tenThousand.policyMs, tenThousand.labelMs), 5),
      { what: "recall of planted defects, %", goal: "≥ 99", value: recall * 100, met: recall >= 0.99 },
      atMost(
        "false findings",
        samples.reduce((sum, { falseFindings }) => sum + falseFindings, 0),
        0,
      ),
    ],
  };
}
