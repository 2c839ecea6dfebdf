/** The invariant that carries the product: no layer denies what the policies allow, and all together decide exactly what they say. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Layer } from "../../src/policy/access/access-environment.ts";
import { CompiledAccess } from "../../src/policy/access/compiled-access.ts";
import { decideAccess, decideAtLayer } from "../../src/policy/access/decide-access.ts";
import { accessSet } from "../access-fixture.ts";
import { calls, policies } from "./random-access.ts";

const NOW = { nowMs: 1_790_000_000_000 };
const COMBINATIONS: readonly (readonly Layer[])[] = [
  ["process"],
  ["kernel", "process"],
  ["proxy", "process"],
  ["kernel", "proxy", "process"],
];
const PARTIAL: readonly (readonly Layer[])[] = [["kernel"], ["proxy"], ["kernel", "proxy"]];

const sets = policies.map((documents) => ({
  documents,
  set: accessSet(documents.map((document) => JSON.stringify(document)).join("\n---\n")),
}));

test("the compiled process layer decides as the reference", () => {
  const property = fc.property(sets, fc.array(calls, { minLength: 20, maxLength: 40 }), ({ set }, asked) => {
    const compiled = new CompiledAccess(set);
    for (const call of asked) expect(compiled.decide(call, NOW.nowMs)).toEqual(decideAccess(set, call, NOW));
  });
  fc.assert(property, { numRuns: 300 });
});

test("with the process among them, all layers together decide as the reference, and each alone never denies what it allows", () => {
  const property = fc.property(sets, fc.array(calls, { minLength: 5, maxLength: 10 }), ({ set }, asked) => {
    for (const call of asked) {
      const reference = decideAccess(set, call, NOW).verdict;
      for (const present of COMBINATIONS) {
        const verdicts = present.map((layer) => decideAtLayer(set, call, layer, present, NOW).verdict);
        expect(verdicts.every((verdict) => verdict === "allow") ? "allow" : "deny").toBe(reference);
        if (reference === "allow") expect(verdicts).not.toContain("deny");
      }
    }
  });
  fc.assert(property, { numRuns: 300 });
});

test("without the process the layers never allow what the reference denies", () => {
  const property = fc.property(sets, fc.array(calls, { minLength: 5, maxLength: 10 }), ({ set }, asked) => {
    for (const call of asked) {
      if (decideAccess(set, call, NOW).verdict === "allow") continue;
      for (const present of PARTIAL) {
        const verdicts = present.map((layer) => decideAtLayer(set, call, layer, present, NOW).verdict);
        expect(verdicts).toContain("deny");
      }
    }
  });
  fc.assert(property, { numRuns: 300 });
});
