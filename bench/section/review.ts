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
  const bodiesOf = (number: (i: number) => number): readonly Buffer[] =>
    Array.from({ length: BODIES }, (_, i) => Buffer.from(JSON.stringify(admissionReview(number(i)))));
  // Deployments whose number is a multiple of three break the policies.
  const allowed = bodiesOf((i) => 3 * i + 1);
  const mixed = bodiesOf((i) => i);
  const snapshot = snapshotOf(policyResources(Array.from({ length: POLICIES }, (_, i) => expressionNumber(i))));
  const contestant = (name: string, bodies: readonly Buffer[], work: (body: Buffer) => unknown): Contestant => ({
    name,
    run: async (iterations) => {
      const start = cpuNs();
      for (let i = 0; i < iterations; i++) work(bodies[i % BODIES] ?? Buffer.alloc(0));
      return cpuNs() - start;
    },
  });
  const decide = (body: Buffer): unknown => {
    const json = parseStrictJson(body);
    const parsed = json.ok ? reviewOfAdmissionRequest(json.value) : json;
    if (!parsed.ok) throw new Error(parsed.error.message);
    return judge(snapshot, parsed.value, WORLD, { phase: "validate" });
  };
  const measured = await compete([
    contestant("JSON.parse alone", allowed, (body) => JSON.parse(body.toString())),
    contestant("Vigil: read, check, judge; all allowed", allowed, decide),
    contestant("the same; a third denied, by a dozen policies each", mixed, decide),
  ]);
  const [parse, whole] = measured;
  const ratio = (whole?.median ?? Number.NaN) / (parse?.median ?? Number.NaN);
  return {
    title: "A review from bytes to decision",
    notes: [
      `AdmissionReviews of ${allowed[0]?.length.toLocaleString("en")} bytes against ${POLICIES} policies that match. Reading includes what JSON.parse does not do: refusing duplicate and forbidden names and invalid UTF-8.`,
    ],
    columns: ["work", "CPU per review"],
    rows: measured.map(({ name, median }) => [name, `${(median / 1000).toFixed(1)} µs`]),
    targets: [{ what: "times JSON.parse of the same body", goal: "≤ 1.8 ×", value: ratio, met: ratio <= 1.8 }],
  };
}
