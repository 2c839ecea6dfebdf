import { expect, test } from "vitest";
import { resourcesOf } from "../../test/policy-fixture.ts";
import { deriveMutating, deriveValidating } from "./autogen.ts";

function validating(expression: string, constraints: string = ""): ReturnType<typeof deriveValidating> {
  const [policy] = resourcesOf(`
apiVersion: policies.kyverno.io/v1
kind: ValidatingPolicy
metadata: {name: p}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
    ${constraints}
  validations: [{expression: ${JSON.stringify(expression)}}]
`);
  return policy?.kind === "ValidatingPolicy" ? deriveValidating(policy) : [];
}

const rewritten = (expression: string): readonly (string | undefined)[] =>
  validating(expression).map(({ policy }) => policy.validations[0]?.expression.text);

test("a policy about Pods is extended to their controllers", () => {
  const derived = validating("true");
  expect(derived.map(({ name, policy }) => [name, policy.matchConstraints.resourceRules])).toMatchObject([
    [
      "defaults",
      [
        {
          apiGroups: ["apps"],
          apiVersions: ["v1"],
          operations: ["CREATE"],
          resources: ["daemonsets", "deployments", "replicasets", "statefulsets"],
        },
        { apiGroups: ["batch"], resources: ["jobs"] },
      ],
    ],
    ["cronjobs", [{ apiGroups: ["batch"], resources: ["cronjobs"] }]],
  ]);
});

test.each([
  ["object.spec.x", "object.spec.template.spec.x", "object.spec.jobTemplate.spec.template.spec.x"],
  ["oldObject.spec.x", "oldObject.spec.template.spec.x", "oldObject.spec.jobTemplate.spec.template.spec.x"],
  ["object.metadata.labels", "object.spec.template.metadata.labels", "object.spec.jobTemplate.spec.template.metadata.labels"],
  ["object.metadata.namespace", "object.metadata.namespace", "object.metadata.namespace"],
  ["object.metadata.namespaces", "object.spec.template.metadata.namespaces", "object.spec.jobTemplate.spec.template.metadata.namespaces"],
  ["namespaceObject.metadata.name", "namespaceObject.metadata.name", "namespaceObject.metadata.name"],
  ["object.?spec", "object.?spec", "object.?spec"],
])("%s is rewritten as Kyverno rewrites it", (expression, defaults, cronjobs) => {
  expect(rewritten(expression)).toEqual([defaults, cronjobs]);
});

test.each([
  ["names", "namespaceSelector: {}", "resourceNames: [a]"],
  ["an object selector", "objectSelector: {matchLabels: {a: b}}", ""],
  ["exclusions", 'excludeResourceRules: [{apiGroups: [""], apiVersions: [v1], operations: ["*"], resources: [pods]}]', ""],
])("a policy with %s is about Pods alone", (_what, constraints, rule) => {
  const [policy] = resourcesOf(`
apiVersion: policies.kyverno.io/v1
kind: ValidatingPolicy
metadata: {name: p}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]${rule === "" ? "" : `, ${rule}`}}]
    ${constraints}
  validations: [{expression: "true"}]
`);
  expect(policy?.kind === "ValidatingPolicy" ? deriveValidating(policy) : undefined).toEqual([]);
});

test("a place in a rewritten expression is a place in the file", () => {
  const expression = validating("object.spec.a == object.spec.bad").find(({ name }) => name === "cronjobs")?.policy.validations[0]
    ?.expression;
  const original = "object.spec.a == object.spec.bad";
  const at = expression?.text.indexOf("bad") ?? -1;
  const start = expression?.source.locate(0).column ?? 0;
  expect((expression?.source.locate(at).column ?? 0) - start).toBe(original.indexOf("bad"));
});

function mutating(expression: string): readonly (string | undefined)[] {
  const [policy] = resourcesOf(`
apiVersion: policies.kyverno.io/v1
kind: MutatingPolicy
metadata: {name: p}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  mutations: [{patchType: ApplyConfiguration, applyConfiguration: {expression: ${JSON.stringify(expression)}}}]
`);
  return policy?.kind === "MutatingPolicy"
    ? deriveMutating(policy).map(({ policy: derived }) => derived.mutations[0]?.expression.text)
    : [];
}

test("an apply configuration becomes the template of a controller", () => {
  expect(mutating("Object{spec: Object.spec{a: object.metadata.labels.x}}")).toEqual([
    "Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{a: object.spec.template.metadata.labels.x}}}}",
    "Object{spec: Object.spec{jobTemplate: Object.spec.jobTemplate{spec: Object.spec.jobTemplate.spec{template: Object.spec.jobTemplate.spec.template{" +
      "spec: Object.spec.jobTemplate.spec.template.spec{a: object.spec.jobTemplate.spec.template.metadata.labels.x}}}}}}",
  ]);
});
