/** A thousand and ten thousand policies: time to compile, heap, time to judge one Deployment. */
import { judge } from "../../src/policy/judge.ts";
import { reviewOfAdmissionRequest } from "../../src/policy/review-of.ts";
import { cpuNs, median } from "../measure.ts";
import { distinctExpression, expressionNumber, policyResources, snapshotOf, WORLD } from "../policies.ts";
import type { Section, Target } from "../report.ts";
import { admissionReview } from "../review-body.ts";

const ROUNDS = 9;

function heapBytes(): number {
  if (globalThis.gc === undefined) throw new Error("run with --expose-gc");
  for (let i = 0; i < 4; i++) globalThis.gc();
  return process.memoryUsage().heapUsed;
}

interface Sample {
  readonly compileMs: number;
  readonly judgeMs: number;
  readonly heapKiB: number;
}

function measure(count: number, expression: (i: number) => string): Sample {
  const review = reviewOfAdmissionRequest(admissionReview(1));
  if (!review.ok) throw new Error(review.error.message);
  // Reading YAML is not compiling: the resources stand before the clock starts, and before the heap is weighed.
  const resources = policyResources(Array.from({ length: count }, (_, i) => expression(i)));
  const before = heapBytes();
  const start = cpuNs();
  const snapshot = snapshotOf(resources);
  // The first judgement is part of compiling: it makes what was left for later.
  judge(snapshot, review.value, WORLD, { phase: "validate" });
  const compileMs = (cpuNs() - start) / 1e6;
  const heapKiB = (heapBytes() - before) / 1024 / count;
  const decide = (): number => {
    const from = cpuNs();
    const decision = judge(snapshot, review.value, WORLD, { phase: "validate" });
    if (!decision.allowed || decision.verdicts.length !== count)
      throw new Error(`expected ${count} policies to allow: ${decision.message}`);
    return (cpuNs() - from) / 1e6;
  };
  for (let i = 0; i < 100; i++) decide();
  // One judgement is shorter than the clock of CPU time is fine: batches of twenty.
  const batch = (): number => {
    const from = cpuNs();
    for (let i = 0; i < 20; i++) judge(snapshot, review.value, WORLD, { phase: "validate" });
    return (cpuNs() - from) / 1e6 / 20;
  };
  return { compileMs, heapKiB, judgeMs: median(Array.from({ length: ROUNDS }, batch)) };
}

export async function manyPolicies(): Promise<Section> {
  // The first round warms the compiler up, as it is in a process that has loaded its packs.
  measure(100, expressionNumber);
  const thousand = measure(1_000, expressionNumber);
  const tenThousand = measure(10_000, expressionNumber);
  const distinct = measure(1_000, distinctExpression);
  const target = (what: string, value: number, limit: number, unit: string): Target => ({
    what,
    goal: `≤ ${limit} ${unit}`,
    value,
    met: value <= limit,
  });
  return {
    title: "Many policies",
    notes: [
      "Expressions of one shape share their code, as policies made from one template do; the last row shows the price where nothing can be shared.",
      "ValidatingPolicies made of e1 to e4, each with constants of its own, all matching; judged against one Deployment.",
      "Compiling includes parsing, checking, generating code and the first judgement. Heap is what the snapshot adds to the parsed resources, after collection.",
    ],
    columns: ["policies", "compile", "judge one review", "heap per policy"],
    rows: [
      ["1,000", thousand],
      ["10,000", tenThousand],
      ["1,000, each of a shape of its own", distinct],
    ].map(([count, sample]) => {
      const { compileMs, judgeMs, heapKiB } = sample as Sample;
      return [String(count), `${compileMs.toFixed(0)} ms`, `${judgeMs.toFixed(3)} ms`, `${heapKiB.toFixed(1)} KiB`];
    }),
    targets: [
      target("1,000 policies compiled", thousand.compileMs, 500, "ms"),
      target("1,000 policies judged", thousand.judgeMs, 0.3, "ms"),
      target("heap of a policy", thousand.heapKiB, 4, "KiB"),
      target("10,000 policies judged", tenThousand.judgeMs, 4, "ms"),
    ],
  };
}
