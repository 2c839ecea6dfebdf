import { describe, expect, test } from "vitest";
import { compile, resourcesOf, reviewOf, worldOf } from "../../test/policy-fixture.ts";
import { judge } from "./judge.ts";
import { compileSnapshot } from "./snapshot.ts";

const policy = (name: string, expression: string = "true", spec: string = ""): string => `
apiVersion: policies.kyverno.io/v1
kind: ValidatingPolicy
metadata: {name: ${name}}
spec:
  autogen: {podControllers: {controllers: []}}
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  ${spec}
  validations: [{expression: ${JSON.stringify(expression)}}]
`;

const binding = (policyName: string): string => `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: b}
spec: {policyName: ${policyName}, validationActions: [Deny]}
`;

const exception = (kind: string, name: string): string => `
apiVersion: policies.kyverno.io/v1
kind: PolicyException
metadata: {name: e, namespace: ops}
spec: {policyRefs: [{kind: ${kind}, name: ${name}}]}
`;

const POD = "{apiVersion: v1, kind: Pod, metadata: {name: web}}";

test("its id is that of its content, whatever the order", () => {
  const idOf = (...policies: readonly string[]): string => compile(policies.join("---")).snapshot.id;
  expect(idOf(policy("a"), policy("b"))).toBe(idOf(policy("b"), policy("a")));
  expect(idOf(policy("a"))).not.toBe(idOf(policy("a", "1 == 1")));
  expect(idOf(policy("a"))).toMatch(/^[0-9a-f]{64}$/);
});

test("its policies are in one order, with what is derived from them after them", () => {
  const pods = policy("b").replace("autogen: {podControllers: {controllers: []}}", "failurePolicy: Fail");
  expect(compile([policy("c"), pods, policy("a")].join("---")).snapshot.policies.map(({ name, autogen }) => [name, autogen])).toEqual([
    ["a", undefined],
    ["b", undefined],
    ["b", "defaults"],
    ["b", "cronjobs"],
    ["c", undefined],
  ]);
});

describe("a policy that does not compile", () => {
  test.each([
    ["has a wrong name", policy("p", "objekt.spec"), "CEL_UNDECLARED"],
    ["is no condition", policy("p", "'text'"), "CEL_TYPE_MISMATCH"],
    [
      "uses a variable before it is there",
      policy("p", "variables.a", "variables: [{name: a, expression: variables.b}, {name: b, expression: 'true'}]"),
      "CEL_UNKNOWN_FIELD",
    ],
    ["uses variables in a cycle", policy("p", "variables.a", "variables: [{name: a, expression: variables.a}]"), "CEL_UNKNOWN_FIELD"],
  ])("is reported with its place: %s", (_what, yaml, code) => {
    const { diagnostics } = compile(yaml);
    expect(diagnostics).toMatchObject([{ code, severity: "error", file: "policy.yaml" }]);
    expect(diagnostics[0]?.line).toBeGreaterThan(1);
  });

  test("denies what it matches, or lets it through when failures are ignored", () => {
    const decide = (yaml: string) => judge(compile(yaml).snapshot, reviewOf(POD), worldOf(), { phase: "validate" });
    expect(decide(policy("p", "objekt.spec"))).toMatchObject({ allowed: false, verdicts: [{ outcome: "deny", isError: true }] });
    expect(decide(policy("p", "objekt.spec", "failurePolicy: Ignore"))).toMatchObject({ allowed: true, verdicts: [{ outcome: "error" }] });
  });

  test("is reported once although more is derived from it", () => {
    const pods = policy("p", "objekt.spec").replace("autogen: {podControllers: {controllers: []}}", "failurePolicy: Fail");
    expect(compile(pods).diagnostics).toHaveLength(1);
  });
});

test("parameters are declared for policies with a paramKind alone", () => {
  const withSpec = (spec: string): string => `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: p}
spec:
  ${spec}
  matchConstraints: {resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]}
  validations: [{expression: params.data.x == '1'}]
`;
  const codes = (yaml: string) => compile(yaml).diagnostics.map(({ code }) => code);
  expect(codes(withSpec("paramKind: {apiVersion: v1, kind: ConfigMap}"))).toEqual(["POLICY_UNBOUND"]);
  expect(codes(withSpec("failurePolicy: Fail"))).toContain("CEL_UNDECLARED");
});

test.each([
  ["a binding", binding("missing")],
  ["an exception by name", `${policy("p")}---${exception("ValidatingPolicy", "other")}`],
  ["an exception by kind", `${policy("p")}---${exception("MutatingPolicy", "p")}`],
])("%s for what is not there is a warning", (_what, yaml) => {
  expect(compile(yaml).diagnostics).toMatchObject([{ code: "POLICY_NOT_FOUND", severity: "warning" }]);
});

test("the same resource may be given twice, but not with another content", () => {
  expect(compile(`${policy("p")}---${policy("p")}`).diagnostics).toEqual([]);
  expect(compile(`${policy("p")}---${policy("p", "1 == 1")}`).diagnostics).toMatchObject([{ code: "POLICY_DUPLICATE", severity: "error" }]);
});

test("both back ends of the language decide the same", () => {
  const resources = resourcesOf(
    policy("p", "object.metadata.name == 'web' && variables.length > 3", "variables: [{name: length, expression: size(object.kind)}]"),
  );
  for (const backend of ["source", "closure"] as const) {
    const { snapshot } = compileSnapshot(resources, { schemaOf: () => undefined, random: () => 0, parseYaml: () => null, backend });
    expect(judge(snapshot, reviewOf(POD), worldOf(), { phase: "validate" }).verdicts).toMatchObject([{ outcome: "deny", isError: false }]);
  }
});
