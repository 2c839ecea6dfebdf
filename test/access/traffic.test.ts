/** What calls that were seen say about policies: gaps, allows that none used, labels that disagree, and paths through the topology. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { compileAccessSet } from "../../src/policy/access/access-set.ts";
import { decideAccess } from "../../src/policy/access/decide-access.ts";
import type { Call } from "../../src/policy/access/endpoint.ts";
import { findConflicts } from "../../src/policy/conflict/conflict-analysis.ts";
import { edgeLabelsOf } from "../../src/policy/conflict/edge-labels.ts";
import type { Conflicts } from "../../src/policy/conflict/finding.ts";
import { accessResources, accessSet, call, workload } from "../access-fixture.ts";
import { calls, policies } from "./random-access.ts";

const NOW = { nowMs: 1_790_000_000_000 };
const [front, orders, payments] = ["front", "orders", "payments"].map((name) => workload(name)) as [
  Call["source"],
  Call["source"],
  Call["source"],
];

const access = (name: string, spec: string, labels: string = "{}"): string =>
  `apiVersion: vigil.dev/v1alpha1\nkind: AccessPolicy\nmetadata: {name: ${name}, namespace: shop, annotations: ${labels}}\nspec: ${spec}\n---\n`;

function examine(yaml: string, seen: readonly Call[]): Conflicts {
  const resources = accessResources(yaml);
  const { set } = compileAccessSet(resources);
  return findConflicts(set, { ...NOW, traffic: { calls: seen, edgeLabels: edgeLabelsOf(resources) } });
}

const told = ({ findings }: Conflicts): readonly string[] => findings.map(({ kind, rule }) => `${kind} ${rule.policy}`);

test("a call that no policy allows is a gap; one that a policy denies is not", () => {
  const open = access("open", "{to: [{workload: orders}], from: [{workload: front}]}");
  const closed = access("closed", "{to: [{workload: payments}], from: [{workload: front}], action: Deny}");
  const seen = [
    call({ source: front, destination: orders }),
    call({ source: payments, destination: orders }),
    call({ source: front, destination: payments }),
  ];
  const found = examine(open + closed, seen);
  expect(told(found)).toEqual(["gap AccessPolicy shop/open"]);
  expect(found.findings[0]?.witness).toMatchObject({ verdict: "deny", ground: { tier: "isolation" }, call: { source: payments } });
});

test("what a condition asks and nobody saw is unknown: neither a gap nor an allow that was not used", () => {
  const yaml = access("open", "{to: [{workload: orders}], from: [{workload: front}], when: tenant == 'a'}");
  const found = examine(yaml, [call({ source: front, destination: orders })]);
  expect({ told: told(found), unknownCalls: found.unknownCalls }).toEqual({ told: [], unknownCalls: 1 });
  const byMethod = yaml.replace("tenant == 'a'", "request.method == 'GET'");
  expect(examine(byMethod, [call({ source: front, destination: orders })]).unknownCalls).toBe(1);
  const byHeader = yaml.replace("tenant == 'a'", "request.method == 'GET' && request.headers.reason == 'b'");
  expect(examine(byHeader, [call({ source: front, destination: orders, request: { method: "GET" } })]).unknownCalls).toBe(1);
  expect(told(examine(byMethod, [call({ source: front, destination: orders, request: { method: "PUT" } })]))).toEqual([
    "gap AccessPolicy shop/open",
    "unused AccessPolicy shop/open",
  ]);
});

test("allows that meet and disagree about a label of their calls are told with the path, resolved where one is asked first", () => {
  const spec = "{to: [{workload: payments}], from: [{workload: orders}]}";
  const yaml =
    access("in", "{to: [{workload: orders}], from: [{workload: front}]}", "{edge.vigil.dev/region: eu}") +
    access("one", spec.replace("}]}", "}], ports: [443, 8443]}"), "{edge.vigil.dev/limit: '100'}") +
    access("two", spec.replace("}]}", "}], ports: [8443, 80]}"), "{edge.vigil.dev/limit: '200'}");
  const found = examine(yaml, [call({ source: front, destination: orders }), call({ source: orders, destination: payments })]);
  const [clash] = found.findings;
  expect(clash).toMatchObject({ kind: "label-clash", severity: "warning", witness: { verdict: "allow", call: { port: 8443 } } });
  expect(clash && found.paths.get(clash)).toMatchObject([
    { from: "shop/front", to: "shop/orders", labels: { region: ["eu"] } },
    { from: "shop/orders", to: "shop/payments", labels: { limit: ["100", "200"] } },
  ]);
  const admin =
    "apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: first, annotations: {edge.vigil.dev/limit: '9'}}\n" +
    "spec: {tier: Admin, priority: 1, subject: {namespaces: {}}, ingress: [{action: Accept, from: [{namespaces: {matchLabels: {a: b}}}]}]}\n---\n";
  const resolved = examine(
    admin + access("one", "{to: [{workload: payments}], from: [{namespace: '*'}]}", "{edge.vigil.dev/limit: '8'}"),
    [],
  );
  expect(resolved.findings.map(({ kind, severity }) => `${kind} ${severity}`)).toEqual(["label-clash note"]);
});

test("calls in a circle have a path, too", () => {
  const yaml = access("all", "{to: [{namespace: shop}], from: [{namespace: shop}]}");
  const seen = [
    [front, orders],
    [orders, payments],
    [payments, front],
  ].map(([source = front, destination = front]) => call({ source, destination }));
  const denied = access("none", "{to: [{namespace: shop}], from: [{entity: any}], action: Deny}");
  const found = examine(yaml + denied, seen);
  const [finding] = found.findings;
  expect(finding && found.paths.get(finding)).toHaveLength(1);
});

test("every gap replays, and every allow that is called unused lets none of the calls through", () => {
  let gaps = 0;
  const property = fc.property(policies, fc.array(calls, { minLength: 1, maxLength: 20 }), (documents, all) => {
    const set = accessSet(documents.map((document) => JSON.stringify(document)).join("\n---\n"));
    // As flows are recorded: without claims, tenants and permissions.
    const seen = all.map((each): Call => ({ ...each, claims: {}, tenant: "", permissions: [] }));
    const { findings } = findConflicts(set, { ...NOW, traffic: { calls: seen, edgeLabels: new Map() } });
    const unused = new Set(findings.filter(({ kind }) => kind === "unused").map(({ rule, direction }) => `${direction} ${rule.source}`));
    for (const { kind, witness } of findings) {
      if (kind !== "gap" || witness === undefined) continue;
      gaps++;
      expect(decideAccess(set, witness.call, NOW)).toMatchObject({ verdict: "deny", ground: witness.ground });
    }
    for (const each of seen) {
      const { ground } = decideAccess(set, each, NOW);
      if (ground.tier === "access") expect(unused.has(`${ground.direction} ${ground.origin?.source}`)).toBe(false);
    }
  });
  fc.assert(property, { numRuns: 200 });
  expect(gaps).toBeGreaterThan(10);
});
