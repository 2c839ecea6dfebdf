/** One review of 8 KB against 16 policies, from bytes to decision, beside `JSON.parse` of the same bytes. */
import { parseStrictJson } from "../../src/lib/strict-json.ts";
import { judge } from "../../src/policy/judge.ts";
import { reviewOfAdmissionRequest } from "../../src/policy/review-of.ts";
import { type Contestant, compete, cpuNs } from "../measure.ts";
import { expressionNumber, policyResources, snapshotOf, WORLD } from "../policies.ts";
import type { Section } from "../report.ts";
import { admissionReview } from "../review-body.ts";

const POLICIES = 16;
const BODIES = 64;

export async function review(): Promise<Section> {
  const bodies = Array.from({ length: BODIES }, (_, i) => Buffer.from(JSON.stringify(admissionReview(i))));
  const snapshot = snapshotOf(policyResources(Array.from({ length: POLICIES }, (_, i) => expressionNumber(i))));
  const contestant = (name: string, work: (body: Buffer) => unknown): Contestant => ({
    name,
    run: async (iterations) => {
      const start = cpuNs();
      for (let i = 0; i < iterations; i++) work(bodies[i % BODIES] ?? Buffer.alloc(0));
      return cpuNs() - start;
    },
  });
  const [parse, whole] = await compete([
    contestant("JSON.parse alone", (body) => JSON.parse(body.toString())),
    contestant("Vigil: read, check, judge", (body) => {
      const json = parseStrictJson(body);
      const parsed = json.ok ? reviewOfAdmissionRequest(json.value) : json;
      if (!parsed.ok) throw new Error(parsed.error.message);
      return judge(snapshot, parsed.value, WORLD, { phase: "validate" });
    }),
  ]);
  const ratio = (whole?.median ?? Number.NaN) / (parse?.median ?? Number.NaN);
  return {
    title: "A review from bytes to decision",
    notes: [
      `AdmissionReviews of ${bodies[0]?.length.toLocaleString("en")} bytes against ${POLICIES} policies that match. Reading includes what JSON.parse does not do: refusing duplicate and forbidden names and invalid UTF-8.`,
    ],
    columns: ["work", "CPU per review"],
    rows: [parse, whole].map((measured) => [measured?.name ?? "", `${((measured?.median ?? 0) / 1000).toFixed(1)} µs`]),
    targets: [{ what: "times JSON.parse of the same body", goal: "≤ 1.8 ×", value: ratio, met: ratio <= 1.8 }],
  };
}
