import { expect, test } from "vitest";
import { accessResources } from "../../../test/access-fixture.ts";
import { type ExplainedAccess, explainAccess } from "./explain-access.ts";

function explained(yaml: string): ExplainedAccess {
  const [resource] = accessResources(yaml);
  return resource === undefined ? expect.fail("no policy") : explainAccess(resource);
}

const withCondition = (when: string): string => `
apiVersion: vigil.dev/v1alpha1
kind: AccessPolicy
metadata: { name: payments, namespace: shop }
spec:
  from: [{ workload: orders }, { cidr: 10.0.0.0/8 }]
  to: [{ labels: { app: payments } }]
  ports: [8443, 53/udp]
  mode: Audit
  when: ${JSON.stringify(when)}
`;

test.each([
  ["source.trustDomain == destination.trustDomain", "kernel", ""],
  ["connection.port < 9000", "kernel", ""],
  ["connection.port % 2 == 0", "proxy", "the kernel looks ports up, and does not compute with them"],
  ["connection.sourceAddress == '10.0.0.1'", "proxy", "the kernel does not see `connection.sourceAddress`"],
  ["request.method == 'GET'", "proxy", "the kernel does not see `request.method`"],
  ["claims.sub == request.params.id", "proxy", "the kernel does not see `claims.sub`, `request.params`"],
  ["tenant == 'blue'", "process", "the proxy does not see `tenant`"],
  ["permissions.exists(p, p == request.path)", "process", "the proxy does not see `permissions`"],
])("`%s` is decided by the %s", (when, layer, because) => {
  const { rules } = explained(withCondition(when));
  expect(rules[0]?.conjuncts).toMatchObject([{ layer, because }]);
});

test("a condition is taken apart where all parts must hold, and a rule is told in words", () => {
  const { rules, isolations, diagnostics } = explained(
    withCondition("source.name != '' && (tenant == 'a' || tenant == 'b') && request.path == '/'"),
  );
  expect(diagnostics).toEqual([]);
  expect(rules).toMatchObject([
    {
      action: "allow",
      direction: "ingress",
      tier: "access",
      subject: "workload with app=payments in shop",
      peer: "workload orders in shop or 10.0.0.0/8",
      ports: "8443, 53/udp",
      rollout: "audited only",
      inKernel: expect.stringContaining("lets through what may hold"),
    },
  ]);
  expect(rules[0]?.conjuncts.map(({ text, layer }) => [text, layer])).toEqual([
    ['source.name != ""', "kernel"],
    ['tenant == "a" || tenant == "b"', "process"],
    ['request.path == "/"', "proxy"],
  ]);
  expect(isolations).toEqual(["workload with app=payments in shop, ingress, audited only"]);
});

test("a condition that does not compile is said", () => {
  expect(explained(withCondition("request.nothing")).diagnostics).toHaveLength(1);
});
