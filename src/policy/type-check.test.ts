import { expect, test } from "vitest";
import { resourcesOf } from "../../test/policy-fixture.ts";
import { BUILT_IN_KINDS } from "../resource/kinds.ts";
import { checkTypes } from "./type-check.ts";

const policy = (expression: string, resources: string = "[deployments]", spec: string = "failurePolicy: Fail"): string => `
apiVersion: policies.kyverno.io/v1
kind: ValidatingPolicy
metadata: {name: p}
spec:
  ${spec}
  matchConstraints:
    resourceRules: [{apiGroups: [apps], apiVersions: [v1], operations: [CREATE], resources: ${resources}}]
  validations: [{expression: ${JSON.stringify(expression)}}]
`;

const warningsOf = (yaml: string) => checkTypes(resourcesOf(yaml), BUILT_IN_KINDS);

test("a field that the kind does not have is a warning with a hint", () => {
  expect(warningsOf(policy("object.spec.replicaz <= 5"))).toMatchObject([
    { code: "CEL_UNKNOWN_FIELD", severity: "warning", file: "policy.yaml", line: 9, hint: expect.stringContaining("replicas") },
  ]);
});

test.each([
  ["what the kind has", policy("object.spec.replicas <= 5 && object.metadata.namespace != ''")],
  ["what one of several kinds has", policy("object.kind != 'Deployment' || object.spec.paused", "[deployments, statefulsets]")],
  ["wildcards", policy("object.spec.anything", '["*"]')],
  [
    "lists of containers of several types",
    policy("(object.spec.template.spec.containers + object.spec.template.spec.initContainers).size() > 0"),
  ],
  [
    "variables over dynamic values",
    policy("variables.c.all(c, c.x)", "[deployments]", "variables: [{name: c, expression: 'object.spec.template.spec.containers + [{}]'}]"),
  ],
  ["policies that do not compile at all", policy("objekt.spec")],
])("nothing is said about %s", (_what, yaml) => {
  expect(warningsOf(yaml)).toEqual([]);
});

test("what no kind of several has is a warning", () => {
  expect(warningsOf(policy("object.spec.replicaz <= 5", "[deployments, statefulsets]"))).toHaveLength(1);
});

test("parameters are checked when their kind is known", () => {
  const yaml = `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: p}
spec:
  paramKind: {apiVersion: v1, kind: ConfigMap}
  matchConstraints: {resourceRules: [{apiGroups: [apps], apiVersions: [v1], operations: [CREATE], resources: [deployments]}]}
  validations: [{expression: "params.dat.x == '1'"}]
`;
  expect(warningsOf(yaml)).toMatchObject([{ code: "CEL_UNKNOWN_FIELD" }]);
});
