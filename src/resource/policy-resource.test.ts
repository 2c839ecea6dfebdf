import { describe, expect, test } from "vitest";
import type { JsonValue } from "../lib/json.ts";
import { readDocuments } from "./document.ts";
import { type PolicyResource, parsePolicyResource } from "./policy-resource.ts";

function parse(text: string): ReturnType<typeof parsePolicyResource> {
  const { documents, diagnostics } = readDocuments(text, "policy.yaml");
  expect(diagnostics).toEqual([]);
  const [document] = documents;
  if (document === undefined) throw new Error("no document");
  return parsePolicyResource(document);
}

/** The resource without its document, whose texts stand for the expressions. */
function accepted(text: string): JsonValue {
  const parsed = parse(text);
  if (parsed.kind !== "policy") throw new Error(JSON.stringify(parsed));
  const { document, ...rest } = parsed.resource;
  expect(document.value["kind"]).toContain(rest.kind);
  return JSON.parse(JSON.stringify(rest, (_, value) => (value?.source === undefined ? value : value.text))) as JsonValue;
}

/** Of each refusal its code, and the text that it points at. */
function refusals(text: string): readonly string[] {
  const parsed = parse(text);
  if (parsed.kind !== "refused") throw new Error(`expected a refusal, got ${parsed.kind}`);
  return parsed.diagnostics.map(({ code, column, length, sourceLine = "" }) => {
    const marked = sourceLine.slice(column - 1, column - 1 + length);
    return `${code.slice("RESOURCE_".length)} ${marked.length > 24 ? `${marked.slice(0, 24)}…` : marked}`;
  });
}

const EVERYTHING = { matchLabels: {}, matchExpressions: [] };
const METADATA = { name: "p", namespace: "", labels: {}, annotations: {} };

const VAP = `apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: p
spec:
  paramKind: {apiVersion: v1, kind: ConfigMap}
  matchConstraints:
    resourceRules:
    - {apiGroups: [apps], apiVersions: [v1], operations: [CREATE], resources: [deployments]}
  matchConditions:
  - {name: c, expression: "1 == 1"}
  variables:
  - {name: v, expression: "2 == 2"}
  validations:
  - expression: object.spec.replicas <= 5
    messageExpression: "'no'"
  auditAnnotations:
  - {key: k, valueExpression: "'v'"}
`;

describe("ValidatingAdmissionPolicy", () => {
  test("every field is read, defaults are filled in as Kubernetes does", () => {
    expect(accepted(VAP)).toEqual({
      kind: "ValidatingAdmissionPolicy",
      metadata: METADATA,
      paramKind: { apiVersion: "v1", kind: "ConfigMap" },
      matchConstraints: {
        namespaceSelector: EVERYTHING,
        objectSelector: EVERYTHING,
        matchPolicy: "Equivalent",
        excludeResourceRules: [],
        resourceRules: [
          { resourceNames: [], operations: ["CREATE"], apiGroups: ["apps"], apiVersions: ["v1"], resources: ["deployments"], scope: "*" },
        ],
      },
      matchConditions: [{ name: "c", expression: "1 == 1" }],
      variables: [{ name: "v", expression: "2 == 2" }],
      validations: [{ expression: "object.spec.replicas <= 5", messageExpression: "'no'", reason: "Invalid" }],
      auditAnnotations: [{ key: "k", valueExpression: "'v'" }],
      failurePolicy: "Fail",
    });
  });

  test("an expression knows where each of its letters is written", () => {
    const parsed = parse(VAP);
    if (parsed.kind !== "policy" || parsed.resource.kind !== "ValidatingAdmissionPolicy") throw new Error("refused");
    const source = parsed.resource.validations[0]?.expression.source;
    expect(source?.file).toBe("policy.yaml");
    expect(source?.locate("object.spec.".length)).toMatchObject({ line: 15, column: 29 });
  });

  test.each(["v1beta1", "v1alpha1"])("%s is the same", (version) => {
    expect(accepted(VAP.replace("k8s.io/v1", `k8s.io/${version}`))).toEqual(accepted(VAP));
  });

  test.each([
    ["an unknown field", "  failurePolicy: Fail\n  failurePolice: Fail\n", "UNKNOWN_FIELD failurePolice"],
    ["a wrong word", "  failurePolicy: fail\n", "INVALID_VALUE fail"],
    ["a wrong type", "  failurePolicy: true\n", "WRONG_TYPE true"],
    ["a status is no mistake, text is", "status: {}\nstate: {}\n", "UNKNOWN_FIELD state"],
  ])("refuses %s", (_, tail, refusal) => {
    expect(refusals(VAP + tail)).toEqual([refusal]);
  });

  test.each([
    ["a policy without a name", "name: p", "labels: {}", ["MISSING_FIELD metadata"]],
    ["a label that is a number", "name: p", "name: p\n  labels: {a: 1}", ["WRONG_TYPE 1"]],
    ["a policy without constraints", "matchConstraints:", "matchConstraint:", ["UNKNOWN_FIELD matchConstraint", "MISSING_FIELD spec"]],
    ["a rule without operations", "operations: [CREATE], ", "", ["MISSING_FIELD {apiGroups: [apps], apiV…"]],
    ["a rule with no operations", "[CREATE]", "[]", ["INVALID_VALUE []"]],
    ["an unknown operation", "[CREATE]", "[CREATE, create]", ["INVALID_VALUE create"]],
    ["conditions of one name", "matchConditions:", "matchConditions:\n  - {name: c, expression: x}", ["INVALID_VALUE c"]],
    ["a variable that CEL cannot name", "name: v", "name: a-b", ["INVALID_VALUE a-b"]],
    ["an empty expression", '"1 == 1"', "' '", ["INVALID_VALUE ' '"]],
    ["an expression that is a number", '"1 == 1"', "1", ["WRONG_TYPE 1"]],
    ["a validation without an expression", "expression: object.spec.replicas <= 5", "message: not", ["MISSING_FIELD message: not"]],
    ["an unknown reason", "messageExpression: \"'no'\"", "reason: Never", ["INVALID_VALUE Never"]],
    [
      "several mistakes, each of them",
      '{name: c, expression: "1 == 1"}',
      "{name: c, expresion: x}",
      ["UNKNOWN_FIELD expresion", "MISSING_FIELD {name: c, expresion: x}"],
    ],
  ])("refuses %s", (_, from, to, expected) => {
    expect(refusals(VAP.replace(from, to))).toEqual(expected);
  });

  test("a policy that says nothing is refused", () => {
    const text = VAP.replace(/ {2}validations:[\s\S]*/, "  validations: []\n");
    expect(refusals(text)).toEqual(["MISSING_FIELD spec"]);
  });

  test("a slip gets a suggestion", () => {
    const parsed = parse(`${VAP}  failurePolice: Fail\n`);
    expect(parsed).toMatchObject({
      diagnostics: [{ hint: "did you mean `failurePolicy`?", message: "unknown field `spec.failurePolice`" }],
    });
  });
});

describe("ValidatingAdmissionPolicyBinding", () => {
  const binding = (spec: string): string =>
    `apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicyBinding\nmetadata: {name: p}\nspec: ${spec}\n`;

  test("is read, defaults filled in", () => {
    expect(accepted(binding("{policyName: x, validationActions: [Deny, Audit], paramRef: {name: z}}"))).toEqual({
      kind: "ValidatingAdmissionPolicyBinding",
      metadata: METADATA,
      policyName: "x",
      validationActions: ["Deny", "Audit"],
      paramRef: { name: "z", parameterNotFoundAction: "Deny" },
    });
  });

  test.each([
    ["{policyName: x}", "MISSING_FIELD spec"],
    ["{policyName: x, validationActions: []}", "INVALID_VALUE []"],
    ["{policyName: x, validationActions: [Deny, Warn]}", "INVALID_VALUE [Deny, Warn]"],
    ["{policyName: x, validationActions: [Audit, Audit]}", "INVALID_VALUE Audit"],
    ["{policyName: '', validationActions: [Deny]}", "INVALID_VALUE ''"],
    ["{policyName: x, validationActions: [Deny], paramRef: {}}", "INVALID_VALUE {}"],
    ["{policyName: x, validationActions: [Deny], paramRef: {name: a, selector: {}}}", "INVALID_VALUE {name: a, selector: {}}"],
    [
      "{policyName: x, validationActions: [Deny], matchResources: {objectSelector: {matchExpressions: [{key: a, operator: In}]}}}",
      "INVALID_VALUE {key: a, operator: In}",
    ],
    ["{policyName: x, validationActions: [Deny], matchResources: {resourceRules: [{}]}}", "MISSING_FIELD {}"],
  ])("refuses %s", (spec, refusal) => {
    expect(refusals(binding(spec))[0]).toBe(refusal);
  });
});

describe("MutatingAdmissionPolicy and its binding", () => {
  const policy = (mutations: string, operations: string = "CREATE"): string => `apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: p}
spec:
  matchConstraints: {resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [${operations}], resources: [pods]}]}
  mutations: ${mutations}
`;

  test("mutations are read with the expression of their patch type", () => {
    const text = policy(
      "[{patchType: JSONPatch, jsonPatch: {expression: a}}, {patchType: ApplyConfiguration, applyConfiguration: {expression: b}}]",
    );
    expect(accepted(text)).toMatchObject({
      kind: "MutatingAdmissionPolicy",
      mutations: [
        { patchType: "JSONPatch", expression: "a" },
        { patchType: "ApplyConfiguration", expression: "b" },
      ],
      failurePolicy: "Fail",
      reinvocationPolicy: "Never",
    });
  });

  test.each([
    [policy("[]"), "INVALID_VALUE []"],
    [policy("[{patchType: JSONPatch}]"), "MISSING_FIELD {patchType: JSONPatch}"],
    [policy("[{patchType: JSONPatch, applyConfiguration: {expression: a}}]"), "INVALID_VALUE applyConfiguration"],
    [policy("[{patchType: Merge}]"), "INVALID_VALUE Merge"],
    [policy("[{patchType: JSONPatch, jsonPatch: {expression: a}}]", "CREATE, DELETE"), "INVALID_VALUE DELETE"],
  ])("refuses what cannot be applied: %#", (text, refusal) => {
    expect(refusals(text)).toEqual([refusal]);
  });

  test("a binding is read", () => {
    const text =
      "apiVersion: admissionregistration.k8s.io/v1beta1\nkind: MutatingAdmissionPolicyBinding\nmetadata: {name: p}\nspec: {policyName: x}\n";
    expect(accepted(text)).toEqual({ kind: "MutatingAdmissionPolicyBinding", metadata: METADATA, policyName: "x" });
  });
});

const kyverno = (kind: string, spec: string, metadata: string = "{name: p}"): string =>
  `apiVersion: policies.kyverno.io/v1\nkind: ${kind}\nmetadata: ${metadata}\nspec: ${spec}\n`;

describe("ValidatingPolicy and MutatingPolicy", () => {
  test("defaults are Kyverno's", () => {
    expect(accepted(kyverno("ValidatingPolicy", "{}"))).toEqual({
      kind: "ValidatingPolicy",
      metadata: METADATA,
      matchConstraints: {
        namespaceSelector: EVERYTHING,
        objectSelector: EVERYTHING,
        resourceRules: [],
        excludeResourceRules: [],
        matchPolicy: "Equivalent",
      },
      matchConditions: [],
      variables: [],
      validations: [],
      auditAnnotations: [],
      failurePolicy: "Fail",
      validationActions: ["Deny"],
      evaluation: { mode: "Kubernetes", admission: true, background: true },
      autogen: {},
    });
    expect(accepted(kyverno("MutatingPolicy", "{}"))).toMatchObject({
      kind: "MutatingPolicy",
      reinvocationPolicy: "Never",
      mutateExisting: false,
      useServerSideApply: false,
      evaluation: { mode: "Kubernetes", admission: true, background: true },
    });
  });

  test("evaluation, autogen and time-out are read", () => {
    const spec =
      "{evaluation: {mode: JSON, background: {enabled: false}}, autogen: {podControllers: {controllers: [jobs]}, validatingAdmissionPolicy: {enabled: true}}, webhookConfiguration: {timeoutSeconds: 5}}";
    expect(accepted(kyverno("ValidatingPolicy", spec))).toMatchObject({
      evaluation: { mode: "JSON", admission: true, background: false },
      autogen: { podControllers: ["jobs"] },
      timeoutSeconds: 5,
    });
  });

  test("targets of a mutation of existing objects are read", () => {
    const spec =
      "{evaluation: {mutateExisting: {enabled: true}}, targetMatchConstraints: {expression: t, resourceRules: [{resources: [pods]}]}, targetMatchConditions: [{name: c, expression: e}]}";
    expect(accepted(kyverno("MutatingPolicy", spec))).toMatchObject({
      mutateExisting: true,
      target: {
        expression: "t",
        constraints: { resourceRules: [{ resources: ["pods"], operations: [] }] },
        conditions: [{ name: "c", expression: "e" }],
      },
    });
  });

  test.each(["ValidatingPolicy", "MutatingPolicy"] as const)("Namespaced%s is the policy with its namespace", (kind) => {
    expect(accepted(kyverno(`Namespaced${kind}`, "{}", "{name: p, namespace: ns}"))).toMatchObject({ kind, namespace: "ns" });
    expect(accepted(kyverno(`Namespaced${kind}`, "{}"))).toMatchObject({ kind, namespace: "default" });
  });

  test.each([
    ["{evaluation: {mode: Envoy}}", "INVALID_VALUE Envoy"],
    ["{webhookConfiguration: {timeoutSeconds: 31}}", "INVALID_VALUE 31"],
    ["{webhookConfiguration: {timeoutSeconds: 1.5}}", "WRONG_TYPE 1.5"],
    ["{validationActions: [Block]}", "INVALID_VALUE Block"],
    ["{background: false}", "UNKNOWN_FIELD background"],
    ["[]", "WRONG_TYPE []"],
    ["", "MISSING_FIELD apiVersion: policies.kyv…"],
  ])("refuses %s", (spec, refusal) => {
    expect(refusals(kyverno("ValidatingPolicy", spec))).toEqual([refusal]);
  });
});

describe("PolicyException", () => {
  const refs = "policyRefs: [{kind: ValidatingPolicy, name: a}]";
  const annotated = (time: string): string => `{name: p, annotations: {vigil.dev/expires: "${time}"}}`;

  test("is read, defaults filled in", () => {
    expect(accepted(kyverno("PolicyException", `{${refs}, properties: {reason: r}}`))).toEqual({
      kind: "PolicyException",
      metadata: METADATA,
      policyRefs: [{ kind: "ValidatingPolicy", name: "a" }],
      matchConditions: [],
      images: [],
      allowedValues: [],
      reportResult: "skip",
      properties: { reason: "r" },
    });
  });

  test.each([
    ["the field", "{name: p}", "expiresAt: 2026-05-01T00:00:00Z", Date.UTC(2026, 4, 1)],
    ["the annotation", annotated("2026-05-01T02:00:00.5+02:00"), "images: []", Date.UTC(2026, 4, 1) + 500],
    ["the earlier of both", annotated("2026-04-01T00:00:00Z"), "expiresAt: 2026-05-01T00:00:00Z", Date.UTC(2026, 3, 1)],
  ])("expires as %s says", (_, metadata, field, expected) => {
    expect(accepted(kyverno("PolicyException", `{${refs}, ${field}}`, metadata))).toMatchObject({ expiresAtMs: expected });
  });

  test.each([
    [kyverno("PolicyException", "{policyRefs: []}"), "INVALID_VALUE []"],
    [kyverno("PolicyException", `{${refs}, expiresAt: tomorrow}`), "INVALID_VALUE tomorrow"],
    [kyverno("PolicyException", `{${refs}, expiresAt: 2026-13-01T00:00:00Z}`), "INVALID_VALUE 2026-13-01T00:00:00Z"],
    [kyverno("PolicyException", `{${refs}}`, annotated("never")), 'INVALID_VALUE "never"'],
  ])("refuses %#", (text, refusal) => {
    expect(refusals(text)).toEqual([refusal]);
  });
});

describe("kinds", () => {
  const of = (apiVersion: string, kind: string): string => `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: p}\nspec: {}\n`;

  test.each([
    ["v1", "Pod"],
    ["admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"],
    ["cli.kyverno.io/v1alpha1", "Test"],
    ["example.com/v1", "ValidatingPolicy"],
  ])("%s %s is no policy", (apiVersion, kind) => {
    expect(parse(of(apiVersion, kind))).toEqual({ kind: "other" });
  });

  test.each([
    ...["ImageValidatingPolicy", "GeneratingPolicy", "DeletingPolicy"].flatMap((kind) => [
      ["policies.kyverno.io/v1", kind],
      ["policies.kyverno.io/v1beta1", `Namespaced${kind}`],
    ]),
    ["kyverno.io/v1", "ClusterPolicy"],
    ["kyverno.io/v2", "PolicyException"],
    ["policies.kyverno.io/v1", "ValidatingPolcy"],
  ])("%s %s is refused by name", (apiVersion = "", kind = "") => {
    expect(parse(of(apiVersion, kind))).toMatchObject({
      kind: "refused",
      diagnostics: [{ code: "RESOURCE_UNSUPPORTED_KIND", line: 2, column: 7, hint: expect.any(String) }],
    });
  });

  test("an unknown version is refused", () => {
    expect(refusals(of("policies.kyverno.io/v2", "ValidatingPolicy"))).toEqual(["UNSUPPORTED_VERSION policies.kyverno.io/v2"]);
  });

  test("a document without a kind is no policy", () => {
    expect(parse("a: 1\n")).toEqual({ kind: "other" });
  });

  test("the union of kinds is told apart by `kind`", () => {
    const parsed = parse(VAP);
    const resource: PolicyResource | undefined = parsed.kind === "policy" ? parsed.resource : undefined;
    expect(resource?.kind === "ValidatingAdmissionPolicy" && resource.validations.length).toBe(1);
  });
});
