import { expect, test } from "vitest";
import { accessSet, workload } from "../../../test/access-fixture.ts";
import { asksForNames, decideLookup, type Lookup } from "./decide-lookup.ts";
import { EXTERNAL } from "./endpoint.ts";

const NOW = { nowMs: 1_000_000 };
const policy = (spec: string): string => `
apiVersion: vigil.dev/v1alpha1
kind: AccessPolicy
metadata: { name: bank, namespace: shop }
spec: ${spec}`;

const lookup = (name: string, known: Partial<Lookup> = {}): Lookup => ({
  source: workload("orders"),
  resolver: EXTERNAL,
  resolverAddress: Uint8Array.of(192, 0, 2, 53),
  protocol: "udp",
  port: 53,
  name,
  isTrusted: true,
  ...known,
});

const verdict = (yaml: string, asked: Lookup): string => decideLookup(accessSet(yaml), asked, NOW).verdict;
const BANK = policy("{ from: [{ workload: orders }], to: [{ dns: api.bank.test }, { dns: '*.mail.test' }], ports: [443] }");

test("who may reach a name may ask the resolvers of this host for it, and for no other", () => {
  expect(verdict(BANK, lookup("api.bank.test"))).toBe("allow");
  expect(verdict(BANK, lookup("mx.mail.test", { protocol: "tcp" }))).toBe("allow");
  expect(verdict(BANK, lookup("bank.test"))).toBe("deny");
  expect(verdict(BANK, lookup("api.bank.test", { isTrusted: false }))).toBe("deny");
  expect(verdict(BANK, lookup("api.bank.test", { port: 5353 }))).toBe("deny");
  expect(verdict(BANK, lookup("anything.org", { source: workload("front") }))).toBe("allow");
});

test("a verdict names the policy", () => {
  const allowed = decideLookup(accessSet(BANK), lookup("api.bank.test"), NOW);
  expect(allowed.ground).toMatchObject({ direction: "egress", tier: "access", origin: { policy: "AccessPolicy shop/bank" } });
  const denied = decideLookup(accessSet(BANK), lookup("evil.org"), NOW);
  expect(denied.ground).toMatchObject({ direction: "egress", tier: "isolation", origin: { policy: "AccessPolicy shop/bank" } });
});

test("an answer is believed when the resolver is trusted here, or chosen by a policy, and never when the workload chose it", () => {
  const open = `${BANK}
---
apiVersion: vigil.dev/v1alpha1
kind: AccessPolicy
metadata: { name: resolvers, namespace: shop }
spec: { from: [{ workload: orders }], to: [{ cidr: 0.0.0.0/0 }], ports: [53/udp] }`;
  const asked = decideLookup(accessSet(open), lookup("api.bank.test", { isTrusted: false }), NOW);
  expect(asked).toMatchObject({ verdict: "allow", isLearned: false });
  expect(decideLookup(accessSet(open), lookup("api.bank.test"), NOW).isLearned).toBe(true);
  const cilium = (peers: string): string => `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: p, namespace: shop }
spec: { endpointSelector: {}, egress: [{ ${peers} toPorts: [{ ports: [{ port: "53" }], rules: { dns: [{ matchPattern: "*.bank.test" }] } }] }] }`;
  const untrusted = lookup("api.bank.test", { isTrusted: false });
  expect(decideLookup(accessSet(cilium("toCIDR: [192.0.2.53/32],")), untrusted, NOW)).toMatchObject({ verdict: "allow", isLearned: true });
  expect(decideLookup(accessSet(cilium("")), untrusted, NOW)).toMatchObject({ verdict: "allow", isLearned: false });
});

test("a denial of the resolver, and its own policies, come before any name", () => {
  const denied = `${BANK}
---
${policy("{ action: Deny, from: [{ workload: orders }], to: [{ cidr: 192.0.2.53 }] }").replace("bank", "no-resolver")}`;
  expect(verdict(denied, lookup("api.bank.test"))).toBe("deny");
  const guarded = `${BANK}
---
${policy("{ from: [{ workload: front }], to: [{ workload: resolver }] }").replace("bank", "resolver")}`;
  expect(verdict(guarded, lookup("api.bank.test", { resolver: workload("resolver") }))).toBe("deny");
  expect(verdict(BANK, lookup("api.bank.test", { resolver: workload("resolver") }))).toBe("allow");
});

test("a policy that has expired or is audited only grants no question, and isolates as it says", () => {
  const expired = BANK.replace("ports: [443]", "ports: [443], expiresAt: 1970-01-01T00:00:01Z");
  expect(verdict(expired, lookup("api.bank.test"))).toBe("deny");
  const audited = BANK.replace("ports: [443]", "mode: Audit");
  expect(verdict(audited, lookup("evil.org"))).toBe("allow");
  expect(decideLookup(accessSet(audited), lookup("evil.org"), NOW).audited).toMatchObject({ tier: "isolation" });
});

test("questions are read of workloads about whose names policies speak", () => {
  expect(asksForNames(accessSet(BANK), workload("orders"))).toBe(true);
  expect(asksForNames(accessSet(BANK), workload("front"))).toBe(false);
  const deny = policy("{ action: Deny, from: [{ workload: front }], to: [{ dns: evil.org }] }");
  expect(asksForNames(accessSet(deny), workload("front"))).toBe(true);
});
