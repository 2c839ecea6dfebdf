import { expect, test } from "vitest";
import { accessResources, workload } from "../../test/access-fixture.ts";
import { lintAccess } from "./lint-access.ts";

const NOW = { nowMs: Date.parse("2026-06-01T00:00:00Z") };
const WORKLOADS = [workload("orders"), workload("payments")];

const policy = (spec: string): string => `
apiVersion: vigil.dev/v1alpha1
kind: AccessPolicy
metadata: { name: p, namespace: shop }
spec: ${spec}`;

const found = (yaml: string): readonly string[] =>
  lintAccess(accessResources(yaml), { workloads: WORKLOADS, ...NOW }).map(
    ({ code, column, severity, sourceLine = "" }) => `${severity} ${code} ${sourceLine.slice(column - 1, column + 10)}`,
  );

test.each([
  [
    "nothing of a policy that says what it means",
    "{ from: [{ workload: orders }], to: [{ workload: payments }], when: 'request.method == \"GET\"' }",
    [],
  ],
  ["a name that nobody has", "{ from: [{ workload: order }], to: [{ workload: payments }] }", ["warning ACCESS_NOBODY { workload:"]],
  ["labels that nobody has", "{ from: [{ workload: orders }], to: [{ labels: { app: x } }] }", ["warning ACCESS_NOBODY { labels: {"]],
  [
    "another namespace",
    "{ from: [{ workload: orders }], to: [{ workload: payments, namespace: other }] }",
    ["warning ACCESS_NOBODY { workload:"],
  ],
  [
    "a SPIFFE ID that nobody has",
    "{ from: [{ spiffeId: 'spiffe://shop.test/x/*' }], to: [{ workload: payments }] }",
    ["warning ACCESS_NOBODY { spiffeId:"],
  ],
  ["nothing of networks and names", "{ from: [{ workload: orders }], to: [{ cidr: 10.0.0.0/8 }, { dns: a.test }] }", []],
  [
    "what has expired",
    "{ from: [{ workload: orders }], to: [{ workload: payments }], expiresAt: 2026-05-01T00:00:00Z }",
    ["warning ACCESS_EXPIRED 2026-05-01T"],
  ],
  ["nothing of what will", "{ from: [{ workload: orders }], to: [{ workload: payments }], expiresAt: 2026-07-01T00:00:00Z }", []],
  ["a constant", "{ from: [{ workload: orders }], to: [{ workload: payments }], when: '1 > 2' }", ["warning ACCESS_NEVER '1 > 2' }"]],
  [
    "a contradiction in itself",
    '{ from: [{ workload: orders }], to: [{ workload: payments }], when: \'request.method == "GET" && request.method == "PUT"\' }',
    ["warning ACCESS_NEVER 'request.me"],
  ],
  [
    "a condition on requests that leave",
    "{ from: [{ workload: orders }], to: [{ dns: api.bank.test }], when: 'request.method == \"GET\"' }",
    ["warning ACCESS_UNENFORCED 'request.me"],
  ],
  [
    "a condition on claims by UDP",
    "{ from: [{ workload: orders }], to: [{ workload: payments }], ports: [53/udp], when: 'claims.sub == \"a\"' }",
    ["warning ACCESS_UNENFORCED 'claims.sub"],
  ],
  [
    "nothing of one on ports that leave",
    "{ from: [{ workload: orders }], to: [{ cidr: 10.0.0.0/8 }], when: 'connection.port < 1024' }",
    [],
  ],
])("lint says %s", (_name, spec, expected) => {
  expect(found(policy(spec))).toEqual(expected);
});

test("network policies that select nobody, and Services that are not there", () => {
  expect(
    found(`
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: np, namespace: shop }
spec: { podSelector: { matchLabels: { app: gone } }, ingress: [{ from: [{ podSelector: { matchLabels: { app: orders } } }] }] }
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: cnp, namespace: shop }
spec: { endpointSelector: { matchLabels: { app: orders } }, egress: [{ toServices: [{ k8sService: { serviceName: db } }] }] }`),
  ).toEqual(["warning ACCESS_NOBODY { podSelect", "warning ACCESS_SERVICE_UNKNOWN { toService"]);
});

test("nothing is said of selectors where no workload is known", () => {
  const resources = accessResources(policy("{ from: [{ workload: a }], to: [{ workload: b }] }"));
  expect(lintAccess(resources, { workloads: [], ...NOW })).toEqual([]);
});
