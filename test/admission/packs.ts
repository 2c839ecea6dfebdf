/** The built-in packs as the product loads them: all their policies in one snapshot, their parameters as the world. */
import { compilePolicySet } from "../../src/cmd/compile-policy-set.ts";
import { worldOf } from "../../src/cmd/object-world.ts";
import { BUILT_IN, readPolicySet } from "../../src/cmd/policy-set.ts";
import type { World } from "../../src/policy/review.ts";
import type { Snapshot } from "../../src/policy/snapshot.ts";

/** Throws when a pack does not load. `nowMs` is the time of the world. */
export function readPacks(nowMs: number): { readonly snapshot: Snapshot; readonly world: World } {
  const set = readPolicySet([BUILT_IN], { readInput: () => new Uint8Array() });
  const { snapshot, diagnostics, resourceTypeOf } = compilePolicySet(set, "inactive");
  const first = diagnostics.find(({ severity }) => severity === "error");
  if (first !== undefined) throw new Error(`${first.file}:${first.line}: ${first.message}`);
  const objects = set.others.map(({ value }) => value);
  return { snapshot, world: worldOf(objects, resourceTypeOf, nowMs) };
}
