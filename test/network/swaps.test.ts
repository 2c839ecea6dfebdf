/** Needs root, cgroup v2 and BTF. The full number of swaps is run by `npm run soak -- swaps`. */
import { expect, test } from "vitest";
import { swapUnderLoad } from "./swap-load.ts";

test("while sets are swapped, what all allow is answered and what all deny is refused, each time", { timeout: 120_000 }, async () => {
  const { generations, allowed, denied, kept } = await swapUnderLoad({ swaps: 60, clients: 20 });
  expect(generations).toBe(60);
  expect([Object.keys(allowed), Object.keys(denied)]).toEqual([["answered"], ["EPERM"]]);
  expect(kept).toEqual({ answered: 60 });
  expect(allowed["answered"]).toBeGreaterThan(60);
  expect(denied["EPERM"]).toBeGreaterThan(60);
});
