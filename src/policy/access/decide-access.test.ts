import { describe, expect, test } from "vitest";
import { accessResources, accessSet, type CallFacts, call, workload } from "../../../test/access-fixture.ts";
import type { AccessSet } from "./access-set.ts";
import { compileAccessSet } from "./access-set.ts";
import { decideAccess, decideAtLayer } from "./decide-access.ts";
import { EXTERNAL, endpoint } from "./endpoint.ts";

const NOW = { nowMs: Date.parse("2026-01-01T00:00:00Z") };
const orders = workload("orders");
const front = workload("front");
const payments = workload("payments");

const verdict = (set: AccessSet, facts: CallFacts): string => {
  const { verdict: said, ground } = decideAccess(set, call(facts), NOW);
  return `${said} ${ground.direction} ${ground.tier} ${ground.origin?.policy ?? "-"}`;
};

const PAYMENTS = `
apiVersion: vigil.dev/v1alpha1
kind: AccessPolicy
metadata: { name: payments-callers, namespace: shop }
spec:
  to: [{ workload: payments }]
  ports: [8443]
  from: [{ workload: orders }]
  when: request.method == "POST" && "refund" in claims.scope
`;

describe("AccessPolicy", () => {
  const set = accessSet(PAYMENTS);
  const right = { source: orders, destination: payments, request: { method: "POST" }, claims: { scope: ["refund"] } };

  test("allows what it says, and nothing else to whom it selects", () => {
    expect(verdict(set, right)).toBe("allow ingress access AccessPolicy shop/payments-callers");
    const isolated = "deny ingress isolation AccessPolicy shop/payments-callers";
    expect(verdict(set, { ...right, request: { method: "GET" } })).toBe(isolated);
    expect(verdict(set, { ...right, claims: { scope: [] } })).toBe(isolated);
    expect(verdict(set, { ...right, claims: {} })).toBe(isolated);
    expect(verdict(set, { ...right, source: front })).toBe(isolated);
    expect(verdict(set, { ...right, port: 22 })).toBe(isolated);
    expect(verdict(set, { ...right, source: EXTERNAL })).toBe(isolated);
    expect(verdict(set, { ...right, source: workload("orders", { namespace: "other" }) })).toBe(isolated);
    const { request: _, ...bare } = right;
    expect(verdict(set, bare)).toBe(isolated);
  });

  test("says nothing of others", () => {
    expect(verdict(set, { source: front, destination: orders })).toBe("allow ingress default -");
    expect(verdict(set, { source: payments, destination: EXTERNAL })).toBe("allow ingress default -");
  });

  test("a denial wins over every allow, and an error in its condition denies", () => {
    const both = accessSet(`${PAYMENTS}
---
apiVersion: vigil.dev/v1alpha1
kind: AccessPolicy
metadata: { name: no-tenant }
spec:
  action: Deny
  to: [{ labels: { app: payments } }]
  from: [{ entity: any }]
  when: claims.tenant != "blue"
`);
    expect(verdict(both, right)).toBe("deny ingress deny AccessPolicy no-tenant");
    expect(verdict(both, { ...right, claims: { scope: ["refund"], tenant: "red" } })).toBe("deny ingress deny AccessPolicy no-tenant");
    expect(verdict(both, { ...right, claims: { scope: ["refund"], tenant: "blue" } })).toMatch(/^allow/);
  });

  test("calls to addresses and names are judged where they leave", () => {
    const egress = accessSet(`
apiVersion: vigil.dev/v1alpha1
kind: AccessPolicy
metadata: { name: mailer-out }
spec:
  from: [{ workload: mailer }]
  to: [{ dns: "*.mail.test" }, { cidr: 192.0.2.0/24, except: [192.0.2.13] }]
  ports: [25, 587]
`);
    const mailer = workload("mailer");
    const out = { source: mailer, port: 25 };
    expect(verdict(egress, { ...out, to: "192.0.2.1" })).toBe("allow ingress default -");
    expect(verdict(egress, { ...out, to: "192.0.2.13" })).toBe("deny egress isolation AccessPolicy mailer-out");
    expect(verdict(egress, { ...out, to: "198.51.100.1", destinationNames: ["a.b.mail.test"] })).toBe("allow ingress default -");
    expect(verdict(egress, { ...out, to: "198.51.100.1", destinationNames: ["mail.test"] })).toMatch(/^deny egress/);
    expect(verdict(egress, { ...out, to: "192.0.2.1", port: 80 })).toMatch(/^deny egress/);
  });

  test("in audit mode it denies nothing and says what it would deny", () => {
    const audited = accessSet(PAYMENTS.replace("  ports", "  mode: Audit\n  ports"));
    const result = decideAccess(audited, call({ source: front, destination: payments }), NOW);
    expect(result.verdict).toBe("allow");
    expect(result.audited).toMatchObject({ tier: "isolation", origin: { policy: "AccessPolicy shop/payments-callers" } });
    expect(decideAccess(audited, call(right), NOW).audited).toBeUndefined();
  });

  test("a rollout enforces for a share of the sources, always the same", () => {
    const half = accessSet(PAYMENTS.replace("  ports", "  rollout: { percent: 40 }\n  ports"));
    const sources = Array.from({ length: 200 }, (_, index) => workload(`caller-${index}`));
    const denied = (): readonly string[] =>
      sources
        .filter((source) => decideAccess(half, call({ source, destination: payments }), NOW).verdict === "deny")
        .map(({ name }) => name);
    expect(denied().length).toBeGreaterThan(50);
    expect(denied().length).toBeLessThan(110);
    expect(denied()).toEqual(denied());
  });

  test("an expired allow grants nothing, and opens nothing", () => {
    const expired = accessSet(PAYMENTS.replace("  ports", "  expiresAt: 2025-12-31T23:59:59Z\n  ports"));
    expect(verdict(expired, right)).toBe("deny ingress isolation AccessPolicy shop/payments-callers");
  });

  test("an allow that does not compile grants nothing, a denial that does not compile denies", () => {
    const text = PAYMENTS.replace("request.method", "request.metod");
    const broken = compileAccessSet(accessResources(text));
    expect(broken.diagnostics).toMatchObject([{ code: "CEL_UNKNOWN_FIELD", line: 9, hint: "did you mean `method`?" }]);
    expect(verdict(broken.set, right)).toMatch(/^deny ingress isolation/);
    const denial = compileAccessSet(accessResources(text.replace("to:", "action: Deny\n  to:")));
    expect(verdict(denial.set, right)).toMatch(/^deny ingress deny/);
  });

  test("a trust domain can be default-deny as a whole", () => {
    const closed = accessSet(PAYMENTS, { deniedByDefault: ["shop.test"] });
    expect(verdict(closed, { source: front, destination: orders })).toBe("deny egress default -");
    expect(verdict(closed, { source: EXTERNAL, destination: orders })).toBe("deny ingress default -");
    expect(verdict(closed, { source: EXTERNAL, destination: workload("else", { trustDomain: "else.test" }) })).toMatch(/^allow/);
  });
});

describe("tiers", () => {
  const rule = (tier: string, priority: number, name: string, action: string): string => `
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: { name: ${name} }
spec:
  tier: ${tier}
  priority: ${priority}
  subject: { namespaces: {} }
  ingress: [{ action: ${action}, from: [{ namespaces: {} }] }]`;
  const CLOSED = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: closed, namespace: shop }
spec: { podSelector: {} }`;
  const asked = { source: front, destination: payments };

  test.each([
    ["nothing", "", "allow ingress default -"],
    ["isolation", CLOSED, "deny ingress isolation NetworkPolicy shop/closed"],
    ["admin accept", `${CLOSED}${rule("Admin", 5, "a", "Accept")}`, "allow ingress admin ClusterNetworkPolicy a"],
    [
      "admin pass",
      `${CLOSED}${rule("Admin", 5, "a", "Pass")}${rule("Admin", 6, "b", "Accept")}`,
      "deny ingress isolation NetworkPolicy shop/closed",
    ],
    [
      "the lower number first",
      `${rule("Admin", 7, "a", "Accept")}${rule("Admin", 6, "b", "Deny")}`,
      "deny ingress admin ClusterNetworkPolicy b",
    ],
    [
      "deny among equals",
      `${rule("Admin", 6, "a", "Accept")}${rule("Admin", 6, "b", "Deny")}`,
      "deny ingress admin ClusterNetworkPolicy b",
    ],
    ["baseline", rule("Baseline", 0, "a", "Deny"), "deny ingress baseline ClusterNetworkPolicy a"],
    ["isolation before baseline", `${CLOSED}${rule("Baseline", 0, "a", "Accept")}`, "deny ingress isolation NetworkPolicy shop/closed"],
  ])("%s", (_name, yaml, expected) => {
    expect(verdict(accessSet(yaml), asked)).toBe(expected);
  });

  test("of one policy the first rule that matches counts", () => {
    const set = accessSet(`
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: { name: first }
spec:
  tier: Admin
  priority: 1
  subject: { pods: { podSelector: { matchLabels: { app: payments } } } }
  ingress:
    - { name: front, action: Accept, from: [{ pods: { podSelector: { matchLabels: { app: front } } } }], protocols: [{ tcp: { destinationPort: { number: 80 } } }] }
    - { name: rest, action: Deny, from: [{ namespaces: {} }] }
`);
    expect(decideAccess(set, call({ ...asked, port: 80 }), NOW).ground.origin?.rule).toBe("front");
    expect(decideAccess(set, call({ ...asked, port: 81 }), NOW).ground.origin?.rule).toBe("rest");
    expect(decideAccess(set, call({ source: endpoint("host"), destination: payments, port: 80 }), NOW).ground.tier).toBe("default");
  });
});

describe("layers", () => {
  const set = accessSet(PAYMENTS);
  const right = call({ source: orders, destination: payments, request: { method: "POST" }, claims: { scope: ["refund"] } });

  test("a lower layer lets through what it cannot judge, as long as another one is above it", () => {
    expect(decideAtLayer(set, right, "kernel", ["kernel", "process"], NOW).verdict).toBe("allow");
    expect(decideAtLayer(set, right, "kernel", ["kernel"], NOW).verdict).toBe("deny");
    expect(decideAtLayer(set, call({ source: front, destination: payments }), "kernel", ["kernel", "process"], NOW).verdict).toBe("deny");
  });

  test("a denial that the highest layer cannot judge denies", () => {
    const denial = accessSet(PAYMENTS.replace("to:", "action: Deny\n  to:"));
    expect(decideAtLayer(denial, right, "kernel", ["kernel", "process"], NOW).verdict).toBe("allow");
    expect(decideAtLayer(denial, right, "kernel", ["kernel"], NOW).verdict).toBe("deny");
  });
});
