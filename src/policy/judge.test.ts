import { describe, expect, test } from "vitest";
import { reviewOf, snapshotOf, worldOf } from "../../test/policy-fixture.ts";
import type { Decision } from "./decision.ts";
import { type JudgeOptions, judge, judgeDocument } from "./judge.ts";
import type { Review } from "./review.ts";

const DEPLOYMENT = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {replicas: 7, template: {spec: {containers: [{name: c, image: nginx}]}}}
`;

/** A ValidatingAdmissionPolicy about Deployments with these lines in its spec, and a binding with these in its. */
const admissionPolicy = (spec: string, binding: string = "validationActions: [Deny]"): string => `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: limit}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [deployments]}]
${indent(spec)}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: limit-shop}
spec:
  policyName: limit
${indent(binding)}
`;

const indent = (lines: string): string =>
  lines
    .trim()
    .split("\n")
    .map((line) => `  ${line}`)
    .join("\n");

interface Subject {
  readonly review?: Review;
  readonly world?: string;
  readonly options?: Partial<JudgeOptions>;
}

const decide = (policies: string, { review, world = "", options = {} }: Subject = {}): Decision =>
  judge(snapshotOf(policies), review ?? reviewOf(DEPLOYMENT), worldOf(world), { phase: "validate", ...options });

describe("a ValidatingAdmissionPolicy", () => {
  test("denies with the text and the code of the API server", () => {
    const decision = decide(admissionPolicy('validations: [{expression: "object.spec.replicas <= 5", message: too many}]'));
    expect(decision).toMatchObject({
      allowed: false,
      code: 422,
      reason: "Invalid",
      message: "ValidatingAdmissionPolicy 'limit' with binding 'limit-shop' denied request: too many",
    });
    expect(decision.verdicts).toMatchObject([
      {
        outcome: "deny",
        policy: "limit",
        policyKind: "ValidatingAdmissionPolicy",
        binding: "limit-shop",
        rule: "validations[0]",
        isError: false,
        source: { file: "policy.yaml", line: 8 },
      },
    ]);
    expect(decision.verdicts[0]?.cost).toBeGreaterThan(0);
  });

  test("allows what holds", () => {
    const decision = decide(admissionPolicy('validations: [{expression: "object.spec.replicas <= 9"}]'));
    expect(decision).toMatchObject({ allowed: true, code: 200, message: "", warnings: [], auditAnnotations: {}, patch: [] });
    expect(decision.verdicts).toMatchObject([{ outcome: "allow", binding: "limit-shop" }]);
  });

  test.each([
    ["the message", "message: ' too many '", "too many"],
    ["the messageExpression", "{messageExpression: \"'has ' + string(object.spec.replicas)\", message: m}", "has 7"],
    ["the message when its expression fails", '{messageExpression: "string(object.spec.nothing)", message: m}', "m"],
    ["the message when its expression gives several lines", "{messageExpression: \"'a\\\\nb'\", message: m}", "m"],
    ["the message when its expression gives nothing", "{messageExpression: \"'  '\", message: m}", "m"],
    ["the message when its expression gives more than 5 KiB", `{messageExpression: "'${"x".repeat(6000)}'", message: m}`, "m"],
    ["the expression when there is no message", "{}", "failed expression: object.spec.replicas <= 5"],
  ])("says why: %s", (_what, fields, message) => {
    const extra = fields.startsWith("{") ? fields.slice(1, -1) : fields;
    const validation = `{expression: "object.spec.replicas <= 5"${extra === "" ? "" : `, ${extra}`}}`;
    expect(decide(admissionPolicy(`validations: [${validation}]`)).verdicts[0]?.message).toBe(message);
  });

  test.each([
    ["Unauthorized", 401],
    ["Forbidden", 403],
    ["RequestEntityTooLarge", 413],
    ["Invalid", 422],
  ])("answers reason %s with status %d", (reason, code) => {
    expect(decide(admissionPolicy(`validations: [{expression: "false", reason: ${reason}}]`))).toMatchObject({ reason, code });
  });

  test("runs all validations and counts the denials after the first", () => {
    const decision = decide(
      admissionPolicy('validations: [{expression: "false", message: a}, {expression: "true"}, {expression: "false", message: b}]'),
    );
    expect(decision.verdicts.map(({ rule }) => rule)).toEqual(["validations[0]", "validations[2]"]);
    expect(decision.message).toMatch(/: a \(and 1 more\)$/);
  });

  test.each([
    { actions: "[Warn]", allowed: true, outcome: "warn", warnings: 1, isAudited: false },
    { actions: "[Audit]", allowed: true, outcome: "audit", warnings: 0, isAudited: true },
    { actions: "[Warn, Audit]", allowed: true, outcome: "warn", warnings: 1, isAudited: true },
    { actions: "[Deny, Audit]", allowed: false, outcome: "deny", warnings: 0, isAudited: true },
  ])("does what its binding says: $actions", ({ actions, allowed, outcome, warnings, isAudited }) => {
    const decision = decide(admissionPolicy('validations: [{expression: "false", message: refused}]', `validationActions: ${actions}`));
    expect(decision).toMatchObject({ allowed, verdicts: [{ outcome }] });
    expect(decision.warnings).toHaveLength(warnings);
    const recorded = decision.auditAnnotations["validation.policy.admission.k8s.io/validation_failure"];
    expect(recorded === undefined ? [] : JSON.parse(recorded)).toMatchObject(
      isAudited ? [{ message: "refused", policy: "limit", binding: "limit-shop", expressionIndex: 0 }] : [],
    );
  });

  test.each([
    { name: "all hold", conditions: ["true", "true"], outcome: "deny" },
    { name: "one does not", conditions: ["true", "false"], outcome: "skip" },
    { name: "one fails and one does not hold", conditions: ["object.x.y", "false"], outcome: "skip" },
    { name: "one fails and failures deny", conditions: ["true", "object.x.y == 1"], outcome: "deny" },
    { name: "one fails and failures are ignored", conditions: ["object.x.y == 1"], failurePolicy: "Ignore", outcome: "skip" },
  ])("is about what its match conditions say: $name", ({ conditions, failurePolicy = "Fail", outcome }) => {
    const list = conditions.map((expression, index) => `{name: c${index}, expression: "${expression}"}`).join(", ");
    const decision = decide(
      admissionPolicy(`failurePolicy: ${failurePolicy}\nmatchConditions: [${list}]\nvalidations: [{expression: "false"}]`),
    );
    expect(decision.verdicts).toMatchObject([{ outcome }]);
  });

  test.each([
    ["Fail", false, "deny"],
    ["Ignore", true, "error"],
  ])("decides what cannot be evaluated by its failure policy %s", (failurePolicy, allowed, outcome) => {
    const decision = decide(admissionPolicy(`failurePolicy: ${failurePolicy}\nvalidations: [{expression: "object.spec.nothing == 1"}]`));
    expect(decision).toMatchObject({ allowed, verdicts: [{ outcome, isError: true }] });
    expect(decision.verdicts[0]?.message).toContain("resulted in error: ");
  });

  test("evaluates variables when they are needed, and once", () => {
    const decision = decide(
      admissionPolicy(`variables:
- {name: broken, expression: "object.spec.nothing"}
- {name: count, expression: "object.spec.replicas"}
- {name: twice, expression: "variables.count + variables.count"}
validations:
- {expression: "variables.twice == 14 && variables.count == 7"}`),
    );
    expect(decision.allowed).toBe(true);
  });

  test("stops an evaluation that costs too much", () => {
    const numbers = `[${Array.from({ length: 200 }, (_, index) => index).join(",")}]`;
    const spec = `variables: [{name: many, expression: "${numbers}"}]
validations: [{expression: "variables.many.all(a, variables.many.all(b, variables.many.all(c, a + b + c >= 0)))"}]`;
    expect(decide(admissionPolicy(spec))).toMatchObject({ allowed: false, verdicts: [{ isError: true }] });
  });

  test("tells the audit log what its annotations say", () => {
    const spec = `auditAnnotations:
- {key: who, valueExpression: "'by ' + request.userInfo.username"}
- {key: nothing, valueExpression: "null"}
validations: [{expression: "true"}]`;
    expect(decide(admissionPolicy(spec)).auditAnnotations).toEqual({ "limit/who": "by vigil:check" });
  });

  test("is not in force without a binding", () => {
    const [policy = ""] = admissionPolicy('validations: [{expression: "false"}]').split("---");
    expect(decide(policy)).toMatchObject({ allowed: true, verdicts: [] });
    expect(judge(snapshotOf(policy, { unboundPolicies: "bound" }), reviewOf(DEPLOYMENT), worldOf(), { phase: "validate" }).allowed).toBe(
      false,
    );
  });
});

describe("parameters", () => {
  const CONFIG = (name: string, namespace: string, max: number): string => `
apiVersion: v1
kind: ConfigMap
metadata: {name: ${name}, namespace: ${namespace}, labels: {for: limit}}
data: {max: "${max}"}
`;
  const policy = (paramRef: string): string =>
    admissionPolicy(
      `paramKind: {apiVersion: v1, kind: ConfigMap}
validations: [{expression: "params == null || object.spec.replicas <= int(params.data.max)", messageExpression: "'at most ' + params.data.max"}]`,
      `validationActions: [Deny]\n${paramRef}`,
    );

  test.each([
    {
      name: "by name in the request's namespace",
      ref: "{name: max, parameterNotFoundAction: Deny}",
      world: CONFIG("max", "shop", 5),
      allowed: false,
    },
    {
      name: "by name in another namespace",
      ref: "{name: max, namespace: ops, parameterNotFoundAction: Deny}",
      world: CONFIG("max", "ops", 9),
      allowed: true,
    },
    { name: "missing, which denies", ref: "{name: max, parameterNotFoundAction: Deny}", world: CONFIG("max", "ops", 9), allowed: false },
    { name: "missing, which allows", ref: "{name: max, parameterNotFoundAction: Allow}", world: CONFIG("max", "ops", 1), allowed: true },
  ])("are found $name", ({ ref, world, allowed }) => {
    expect(decide(policy(`paramRef: ${ref}`), { world }).allowed).toBe(allowed);
  });

  test("are evaluated one by one when a selector finds several", () => {
    const world = [CONFIG("a", "shop", 5), CONFIG("b", "shop", 6), CONFIG("c", "shop", 9)].join("---");
    const ref = "paramRef: {selector: {matchLabels: {for: limit}}, parameterNotFoundAction: Deny}";
    const decision = decide(policy(ref), { world });
    expect(decision.verdicts.map(({ outcome, message }) => [outcome, message])).toEqual([
      ["deny", "at most 5"],
      ["deny", "at most 6"],
      ["allow", ""],
    ]);
  });
});

/** A ValidatingPolicy of Kyverno's about Deployments. */
const validatingPolicy = (spec: string, metadata: string = "{name: limit}", kind: string = "ValidatingPolicy"): string => `
apiVersion: policies.kyverno.io/v1
kind: ${kind}
metadata: ${metadata}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [apps], apiVersions: [v1], operations: [CREATE], resources: [deployments]}]
${indent(spec)}
`;

describe("a ValidatingPolicy", () => {
  test("stops at the first validation that does not hold, and denies with Kyverno's text", () => {
    const decision = decide(validatingPolicy('validations: [{expression: "false", message: a}, {expression: "false", message: b}]'));
    expect(decision).toMatchObject({ allowed: false, code: 403, reason: "Forbidden", message: "Policy limit failed: a" });
    expect(decision.verdicts).toHaveLength(1);
  });

  test("is about its own namespace when it is namespaced", () => {
    const inNamespace = (namespace: string): string =>
      validatingPolicy('validations: [{expression: "false"}]', `{name: limit, namespace: ${namespace}}`, "NamespacedValidatingPolicy");
    expect(decide(inNamespace("shop")).allowed).toBe(false);
    expect(decide(inNamespace("other"))).toMatchObject({ allowed: true, verdicts: [] });
  });

  test("names the controllers that it was derived for", () => {
    const pods = `
apiVersion: policies.kyverno.io/v1
kind: ValidatingPolicy
metadata: {name: images}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  validations: [{expression: "object.spec.containers.all(c, c.image.startsWith('registry/'))"}]
`;
    expect(decide(pods).verdicts).toMatchObject([{ outcome: "deny", rule: "autogen-defaults/validations[0]" }]);
  });

  test.each([
    ["admission", "evaluation: {admission: {enabled: false}}", 0],
    ["background", "evaluation: {admission: {enabled: false}}", 1],
    ["background", "evaluation: {background: {enabled: false}}", 0],
    ["any", "evaluation: {background: {enabled: false}}", 1],
  ] as const)("runs for %s with %s", (trigger, evaluation, count) => {
    const policy = validatingPolicy(`${evaluation}\nvalidations: [{expression: "true"}]`);
    expect(decide(policy, { options: { trigger } }).verdicts).toHaveLength(count);
  });

  test("judges any JSON document in mode JSON", () => {
    const policy = `
apiVersion: policies.kyverno.io/v1
kind: ValidatingPolicy
metadata: {name: plan}
spec:
  evaluation: {mode: JSON}
  matchConditions: [{name: planned, expression: "has(object.planned_values)"}]
  validations: [{expression: "object.planned_values.size() == 1", message: one at a time}]
`;
    const snapshot = snapshotOf(policy);
    const outcome = (document: { readonly [key: string]: number[] }): string | undefined =>
      judgeDocument(snapshot, document, worldOf()).verdicts[0]?.outcome;
    expect(outcome({ planned_values: [1] })).toBe("allow");
    expect(outcome({ planned_values: [1, 2] })).toBe("deny");
    expect(outcome({})).toBe("skip");
    expect(judge(snapshot, reviewOf(DEPLOYMENT), worldOf(), { phase: "validate" }).verdicts).toEqual([]);
  });
});

describe("a PolicyException", () => {
  const exception = (name: string, spec: string): string => `
---
apiVersion: policies.kyverno.io/v1
kind: PolicyException
metadata: {name: ${name}, namespace: ops}
spec:
  policyRefs: [{name: limit, kind: ValidatingPolicy}]
${indent(spec)}
`;
  const policy = validatingPolicy(
    'validations: [{expression: "object.spec.template.spec.containers.all(c, c.image in exceptions.allowedImages)", message: refused}]',
  );
  const forWeb = "matchConditions: [{name: web, expression: \"object.metadata.name == 'web'\"}]";

  test("exempts what it matches", () => {
    expect(decide(policy + exception("web", forWeb)).verdicts).toMatchObject([{ outcome: "skip", exception: "ops/web" }]);
    const other = "matchConditions: [{name: api, expression: \"object.metadata.name == 'api'\"}]";
    expect(decide(policy + exception("api", other)).verdicts).toMatchObject([{ outcome: "deny" }]);
  });

  test("says that it passes when it reports so", () => {
    expect(decide(policy + exception("web", `${forWeb}\nreportResult: pass`)).verdicts).toMatchObject([
      { outcome: "allow", exception: "ops/web" },
    ]);
  });

  test("with images lets the policy see them", () => {
    expect(decide(policy + exception("web", `${forWeb}\nimages: [nginx]`)).verdicts).toMatchObject([{ outcome: "allow" }]);
    expect(decide(policy + exception("web", `${forWeb}\nimages: [redis]`)).verdicts).toMatchObject([{ outcome: "deny" }]);
  });

  test("no longer exempts once it has expired", () => {
    const expiring = policy + exception("web", `${forWeb}\nexpiresAt: "2026-01-01T00:00:00Z"`);
    const at = (nowMs: number): Decision => judge(snapshotOf(expiring), reviewOf(DEPLOYMENT), worldOf("", nowMs), { phase: "validate" });
    expect(at(Date.UTC(2025, 11, 31)).allowed).toBe(true);
    expect(at(Date.UTC(2026, 0, 1)).allowed).toBe(false);
  });

  test("whose condition fails is an error unless another one exempts in full", () => {
    const broken = exception("broken", 'matchConditions: [{name: x, expression: "object.x.y == 1"}]');
    expect(decide(policy + broken).verdicts).toMatchObject([{ outcome: "deny", isError: true }]);
    expect(decide(policy + broken + exception("web", forWeb)).verdicts).toMatchObject([{ outcome: "skip" }]);
  });
});

describe("what is not known", () => {
  const byNamespace = validatingPolicy("validations: [{expression: \"namespaceObject.metadata.labels.env == 'prod'\"}]");
  const namespace =
    "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {env: prod}, creationTimestamp: '2020-01-01T00:00:00Z'}}";

  test("a namespace is denied to those that ask for it, or is null", () => {
    expect(decide(byNamespace, { world: namespace }).allowed).toBe(true);
    expect(decide(byNamespace)).toMatchObject({ allowed: false, verdicts: [{ isError: true }] });
    const isNull = validatingPolicy('validations: [{expression: "namespaceObject == null"}]');
    expect(decide(isNull, { options: { unknownNamespaces: "bare" } }).allowed).toBe(true);
  });

  test("a namespace's selector that cannot be answered is an error", () => {
    const selecting = validatingPolicy('validations: [{expression: "false"}]').replace(
      "matchConstraints:",
      "matchConstraints:\n    namespaceSelector: {matchLabels: {env: dev}}",
    );
    expect(decide(selecting, { world: namespace })).toMatchObject({ verdicts: [] });
    expect(decide(selecting)).toMatchObject({ allowed: false, verdicts: [{ isError: true }] });
    expect(decide(selecting, { options: { unknownNamespaces: "bare" } })).toMatchObject({ verdicts: [] });
  });

  test("the times of a namespace are timestamps", () => {
    const aged = validatingPolicy(
      "validations: [{expression: \"namespaceObject.metadata.creationTimestamp < timestamp('2021-01-01T00:00:00Z')\"}]",
    );
    expect(decide(aged, { world: namespace }).allowed).toBe(true);
  });
});

describe("a verdict that is no", () => {
  test("shows the values that decided", () => {
    const policy = validatingPolicy(
      "validations: [{expression: \"object.spec.template.spec.containers.all(c, c.image.startsWith('quay.io/'))\"}]",
    );
    expect(decide(policy).verdicts[0]?.evidence).toEqual([
      { expression: "object.spec.template.spec.containers[0].image", value: '"nginx"' },
    ]);
  });

  test("shows what failed to evaluate", () => {
    const policy = validatingPolicy('validations: [{expression: "object.spec.nothing == 1"}]');
    expect(decide(policy).verdicts[0]?.evidence).toMatchObject([
      { expression: "object.spec.nothing", value: expect.stringMatching(/^error: /) },
    ]);
  });

  test("shows nothing of what a Secret holds", () => {
    const policy = validatingPolicy("validations: [{expression: \"object.data.key == 'x'\"}]")
      .replace("apiGroups: [apps]", 'apiGroups: [""]')
      .replace("[deployments]", "[secrets]");
    const review = reviewOf("{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {key: cGFzc3dvcmQ=}}");
    expect(decide(policy, { review }).verdicts[0]?.evidence).toEqual([{ expression: "object.data.key", value: "(hidden)" }]);
  });
});

test("durations come from the clock that is given", () => {
  let nowUs = 0;
  const decision = decide(validatingPolicy('validations: [{expression: "true"}]'), { options: { clockUs: () => (nowUs += 5) } });
  expect(decision.verdicts[0]?.durationUs).toBe(5);
  expect(decision.durationUs).toBeGreaterThan(5);
});

test("the same snapshot, review and world give the same decision", () => {
  const snapshot = snapshotOf(validatingPolicy('validations: [{expression: "object.spec.replicas < 5"}]'));
  const review = reviewOf(DEPLOYMENT);
  const decision = judge(snapshot, review, worldOf(), { phase: "validate" });
  expect(judge(snapshot, structuredClone(review), worldOf(), { phase: "validate" })).toEqual(decision);
});

test("a request for an equivalent version is judged as the version that the policy is about", () => {
  const old = reviewOf(DEPLOYMENT.replace("apps/v1", "extensions/v1beta1"));
  const decision = decide(
    validatingPolicy("validations: [{expression: \"object.apiVersion == 'apps/v1' && request.kind.group == 'apps'\"}]"),
    { review: old },
  );
  expect(decision).toMatchObject({ allowed: true, verdicts: [{ outcome: "allow" }] });
});
