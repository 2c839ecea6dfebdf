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
    ["label-clash", "warning", "AccessPolicy shop/readers", "allow"],
    ["shadowed", "warning", "NetworkPolicy shop/metadata-service", "deny"],
    ["dead", "warning", "NetworkPolicy shop/nobody", undefined],
    ["dead", "warning", "AccessPolicy shop/mail", "allow"],
    ["redundant", "note", "AccessPolicy shop/front-reads-orders", "allow"],
    ["mutation-clash", "warning", "MutatingAdmissionPolicy host-network-for-agents", undefined],
    ["unreachable-exception", "warning", "PolicyException shop/for-pods", undefined],
  ]);
});

test("shows calls that no policy allows, policies that none used, and the paths to both", () => {
  const { status, stdout } = vigil([
    ...["policy", "conflicts", "-o", "json", "--inventory", "examples/conflicts/inventory.yaml"],
    ...["--flows", "examples/conflicts/flows.jsonl", "examples/conflicts"],
  ]);
  expect(status).toBe(1);
  const { findings, unknownCalls } = JSON.parse(stdout);
  expect(unknownCalls).toBe(0);
  const about = (kind: string): readonly { readonly message: string; readonly path?: readonly { readonly to: string }[] }[] =>
    findings.filter((finding: Found) => finding.kind === kind);
  expect(about("gap").map(({ message }) => message)).toEqual([
    "shop/front → shop/orders, tcp 8443, DELETE /orders/7 was seen, and no policy allows it",
  ]);
  expect(about("gap")[0]?.path?.map(({ to }) => to)).toEqual(["shop/front", "shop/orders"]);
  expect(about("contradiction")[0]?.path).toMatchObject([
    { from: "192.0.2.7", to: "shop/front" },
    { to: "shop/orders", labels: { region: ["eu"], limit: ["200/s", "100/s"] } },
    { to: "shop/payments", labels: { route: ["checkout"] } },
  ]);
  expect(about("unused")).toHaveLength(1);
});

test("lint tells the conflicts that are mistakes", () => {
  const { status, stdout } = vigil(["policy", "lint", "--format", "json", "examples/conflicts"]);
  expect(status).toBe(1);
  const { findings } = JSON.parse(stdout);
  const codes = findings.map(({ code, severity }: { readonly code: string; readonly severity: string }) => `${severity} ${code}`);
  expect(codes).toEqual(
    expect.arrayContaining([
      "error CONFLICT_CONTRADICTION",
      ...["SHADOWED", "LABELS", "MUTATION", "EXCEPTION"].map((what) => `warning CONFLICT_${what}`),
    ]),
  );
});

test("says where a file of flows has none", () => {
  const { status, stderr } = vigil(["policy", "conflicts", "--flows", "examples/conflicts/policies.yaml", "examples/conflicts"]);
  expect(status).toBe(2);
  expect(stderr).toContain("expected a flow event");
});

test("writes SARIF with the place of both rules", () => {
  const { stdout } = vigil(["policy", "conflicts", "-o", "sarif", "examples/conflicts"]);
  const [result] = JSON.parse(stdout).runs[0].results;
  expect(result).toMatchObject({ ruleId: "conflict/contradiction", level: "error" });
  for (const { physicalLocation } of [...result.locations, ...result.relatedLocations])
    expect(physicalLocation.artifactLocation.uri).toBe("examples/conflicts/policies.yaml");
});

test.each(["examples/debug.yaml", "no-such-file.yaml"])("is unable where there is no policy: %s", (path) => {
  const { status, stdout, stderr } = vigil(["policy", "conflicts", path]);
  expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
  expect(stderr).toContain("no policy");
});
