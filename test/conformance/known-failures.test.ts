import { expect, test } from "vitest";
import { conformanceCases } from "./cases.ts";
import { expectConformance, knownFailures, skippedByCelGo } from "./known-failures.ts";

test("every known failure has a reason, is a case of the data, and is one that cel-go skips", () => {
  const ids = new Set(conformanceCases.map((given) => given.id));
  for (const [id, reason] of knownFailures) {
    expect(ids, id).toContain(id);
    expect(reason.length, id).toBeGreaterThan(10);
    const path = id.replace("conformance/", "");
    expect(
      skippedByCelGo.some((skipped) => path === skipped || path.startsWith(`${skipped}/`)),
      id,
    ).toBe(true);
  }
});

test("a case that is not listed must pass", () => {
  const assertions = (): void => expect(1).toBe(2);
  expect(() => expectConformance("conformance/no such case", assertions)).toThrow();
});
