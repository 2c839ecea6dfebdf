import { expect, test } from "vitest";
import { reviewOf, snapshotOf, worldOf } from "../../test/policy-fixture.ts";
import { judgeTarget } from "./judge-target.ts";

const SECRET = "{apiVersion: v1, kind: Secret, metadata: {name: key, namespace: shop}}";
const CONFIG = "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: shop, labels: {app: web}}}";

const policy = (target: string, spec: string = "failurePolicy: Fail"): string => `
apiVersion: policies.kyverno.io/v1
kind: MutatingPolicy
metadata: {name: p}
spec:
  evaluation: {mutateExisting: {enabled: true}}
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [secrets]}]
  ${spec}
  targetMatchConstraints: ${target}
  mutations:
  - patchType: ApplyConfiguration
    applyConfiguration: {expression: "Object{metadata: Object.metadata{labels: {'by': request.name}}}"}
`;

const aboutConfigMaps = 'resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]';

const labelsAfter = (yaml: string, trigger: string = SECRET): unknown =>
  judgeTarget(snapshotOf(yaml), reviewOf(trigger), reviewOf(CONFIG), worldOf()).map(
    ({ object, skipped }) => skipped?.message ?? object?.["metadata"],
  );

test.each([
  [
    "an object that its constraints match",
    policy(`{${aboutConfigMaps}}`),
    [{ name: "settings", namespace: "shop", labels: { app: "web", by: "key" } }],
  ],
  [
    "whatever the operations are",
    policy(`{${aboutConfigMaps.replace("CREATE", "DELETE")}}`),
    [expect.objectContaining({ labels: { app: "web", by: "key" } })],
  ],
  ["no object that its constraints do not match", policy(`{${aboutConfigMaps}, objectSelector: {matchLabels: {app: api}}}`), []],
  [
    "an object that its expression yields",
    policy("{expression: \"{'items': [{'metadata': {'namespace': object.metadata.namespace, 'name': 'settings'}}]}\"}"),
    [expect.objectContaining({ labels: { app: "web", by: "key" } })],
  ],
  [
    "no object that its expression does not yield",
    policy("{expression: \"{'metadata': {'namespace': 'other', 'name': 'settings'}}\"}"),
    [],
  ],
  [
    "no object that its conditions leave out",
    policy(`{${aboutConfigMaps}}`, "targetMatchConditions: [{name: web, expression: \"object.metadata.name == 'other'\"}]"),
    ["match condition `web` does not hold"],
  ],
])("a request for one object changes %s", (_what, yaml, expected) => {
  expect(labelsAfter(yaml)).toEqual(expected);
});

test("a request that the policy is not about changes nothing", () => {
  expect(labelsAfter(policy(`{${aboutConfigMaps}}`), CONFIG)).toEqual([]);
});

test("the time is that of the world", () => {
  const conditions = "targetMatchConditions: [{name: late, expression: \"time.now() > timestamp('2030-01-01T00:00:00Z')\"}]";
  const snapshot = snapshotOf(policy(`{${aboutConfigMaps}}`, conditions));
  const changedAt = (time: string): boolean =>
    judgeTarget(snapshot, reviewOf(SECRET), reviewOf(CONFIG), { ...worldOf(), nowMs: Date.parse(time) }).some(
      ({ skipped }) => skipped === undefined,
    );
  expect(changedAt("2031-01-01")).toBe(true);
  expect(changedAt("2029-01-01")).toBe(false);
});
