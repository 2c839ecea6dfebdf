/** `vigil policy conflicts`: its output for programs, and its exit codes. */
import { expect, test } from "vitest";
import { vigil } from "./run-vigil.ts";

interface Found {
  readonly kind: string;
  readonly severity: string;
  readonly rule: { readonly policy: string };
  readonly witness?: { readonly verdict: string };
}

test("finds each planted conflict of the example, and nothing else", () => {
  const words = ["policy", "conflicts", "-o", "json", "--inventory", "examples/conflicts/inventory.yaml", "examples/conflicts"];
  const { status, stdout, stderr } = vigil(words);
  expect({ status, stderr }).toEqual({ status: 1, stderr: "" });
  const { findings, unknown, complete } = JSON.parse(stdout);
  expect({ unknown, complete }).toEqual({ unknown: 0, complete: true });
  expect(findings.map(({ kind, severity, rule, witness }: Found) => [kind, severity, rule.policy, witness?.verdict])).toEqual([
    ["contradiction", "error", "AccessPolicy shop/orders-may-pay", "deny"],
    ["shadowed", "warning", "NetworkPolicy shop/metadata-service", "deny"],
    ["dead", "warning", "NetworkPolicy shop/nobody", undefined],
    ["dead", "warning", "AccessPolicy shop/mail", "allow"],
    ["redundant", "note", "AccessPolicy shop/front-reads-orders", "allow"],
  ]);
});

test("writes SARIF with the place of both rules", () => {
  const { stdout } = vigil(["policy", "conflicts", "-o", "sarif", "examples/conflicts"]);
  const [result] = JSON.parse(stdout).runs[0].results;
  expect(result).toMatchObject({ ruleId: "conflict/contradiction", level: "error" });
  for (const { physicalLocation } of [...result.locations, ...result.relatedLocations])
    expect(physicalLocation.artifactLocation.uri).toBe("examples/conflicts/policies.yaml");
});

test.each(["examples/debug.yaml", "no-such-file.yaml"])("is unable where there is no access policy: %s", (path) => {
  const { status, stdout, stderr } = vigil(["policy", "conflicts", path]);
  expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
  expect(stderr).toContain("no access policy");
});
