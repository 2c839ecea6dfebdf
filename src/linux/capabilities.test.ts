import { expect, test } from "vitest";
import { CAPABILITY_NAMES, effectiveCapabilities, parseCapabilitySet } from "./capabilities.ts";

test("a set names its capabilities by their numbers", () => {
  expect([...parseCapabilitySet("0000000000000003")]).toEqual(["CAP_CHOWN", "CAP_DAC_OVERRIDE"]);
  expect([...parseCapabilitySet("0000018000000000")]).toEqual(["CAP_BPF", "CAP_CHECKPOINT_RESTORE"]);
  expect(parseCapabilitySet("ffffffffffffffff").size).toBe(CAPABILITY_NAMES.length);
});

test("the effective set is what a process may do", () => {
  expect(effectiveCapabilities("Name:\tnode\nCapPrm:\tffffffffffffffff\nCapEff:\t0000000000200000\n")).toEqual(new Set(["CAP_SYS_ADMIN"]));
  expect(effectiveCapabilities("Name:\tnode\n").size).toBe(0);
});
