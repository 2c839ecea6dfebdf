/** An analysis that follows changes against new ones: both find the same, in the same order, with the same examples. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { compileAccessSet } from "../../src/policy/access/access-set.ts";
import { type Endpoint, endpoint } from "../../src/policy/access/endpoint.ts";
import { ConflictAnalysis, type ConflictOptions, findConflicts } from "../../src/policy/conflict/conflict-analysis.ts";
import type { Conflicts } from "../../src/policy/conflict/finding.ts";
import type { AccessResource } from "../../src/resource/access-resource.ts";
import { accessResources } from "../access-fixture.ts";
import { clusterPolicies, ENDPOINTS, policies } from "./random-access.ts";

const START_MS = 1_790_000_000_000;
const HOUR_MS = 3_600_000;
const WORKLOADS = ENDPOINTS.filter(({ kind }) => kind === "workload");
const NAMELESS = WORKLOADS.map((workload) => endpoint("workload", { ...workload, spiffeId: "", labels: { app: workload.name } }));

/** Of all kinds, then of administrators; some access policies end after an hour. */
const pools: fc.Arbitrary<readonly AccessResource[]> = fc
  .tuple(policies, policies, policies, clusterPolicies, fc.array(fc.boolean(), { minLength: 24, maxLength: 24 }))
  .map(([first, second, third, fourth, ends]) =>
    [...first, ...second, ...third, ...fourth].flatMap((document, index) => {
      const isEnding = document["kind"] === "AccessPolicy" && ends[index];
      const spec = { ...(document["spec"] as object), ...(isEnding && { expiresAt: new Date(START_MS + HOUR_MS).toISOString() }) };
      const metadata = { ...(document["metadata"] as object), name: `p${index}` };
      return accessResources(JSON.stringify({ ...document, metadata, spec }), `policies/${index}.yaml`);
    }),
  );

/** What comes or goes: seldom more than few, so that most is left as it was. */
const steps = fc.array(
  fc.record({
    toggled: fc.uniqueArray(fc.nat({ max: 23 }), { maxLength: 3 }),
    isTurned: fc.constantFrom(...new Array<false>(9).fill(false), true),
    workloads: fc.option(fc.subarray([...WORKLOADS, ...NAMELESS]), { nil: undefined, freq: 3 }),
    hours: fc.constantFrom(0, 0, 0, 0.5, 1),
    denied: fc.constantFrom([], [], ["shop.test"]),
  }),
  { minLength: 2, maxLength: 8 },
);

const told = ({ findings, rules, unknown, isComplete }: Conflicts): unknown => ({ findings, rules, unknown, isComplete });

test("an analysis that follows changes finds what a new one finds", () => {
  let findings = 0;
  const property = fc.property(pools, steps, (pool, all) => {
    const analysis = new ConflictAnalysis();
    let nowMs = START_MS;
    let inventory: readonly Endpoint[] | undefined;
    let before: Conflicts["findings"] = [];
    const taken = new Set(pool.keys());
    for (const { toggled, isTurned, workloads, hours, denied } of all) {
      for (const index of toggled) if (!taken.delete(index)) taken.add(index);
      const chosen = pool.filter((_, index) => taken.has(index));
      const { set } = compileAccessSet(isTurned ? chosen.reverse() : chosen, { deniedByDefault: denied });
      nowMs += hours * HOUR_MS;
      inventory = workloads ?? inventory;
      const options: ConflictOptions = { nowMs, ...(inventory !== undefined && { inventory }) };
      const followed = analysis.examine(set, options);
      expect(told(followed)).toEqual(told(findConflicts(set, options)));
      const kept = before.filter((finding) => !followed.gone.includes(finding));
      expect(new Set([...kept, ...followed.appeared])).toEqual(new Set(followed.findings));
      before = followed.findings;
      findings += before.length;
    }
  });
  fc.assert(property, { numRuns: 120 });
  expect(findings).toBeGreaterThan(300);
});
