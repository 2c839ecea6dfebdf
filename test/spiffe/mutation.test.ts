import { test } from "vitest";
import { spiffeFuzz } from "../fuzz/spiffe.ts";
import { randomOf } from "../fuzz/target.ts";

test("mutated certificates, tokens, bundles and IDs are refused by a rule, or are what they were", () => {
  // Throws with the input that is accepted, crashes or hangs.
  for (let input = 0; input < 5000; input++) spiffeFuzz.run(randomOf(7, input));
});
