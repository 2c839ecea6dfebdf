/** Mutations that clash and exceptions that exempt nothing. */
import { expect, test } from "vitest";
import type { JsonObject } from "../../src/lib/json.ts";
import type { AdmissionConflicts } from "../../src/policy/admission-conflict/admission-finding.ts";
import { findAdmissionConflicts } from "../../src/policy/admission-conflict/find-admission-conflicts.ts";
import { judgePolicies } from "../../src/policy/judge.ts";
import { reviewOfObject } from "../../src/policy/review-of.ts";
import { BUILT_IN_KINDS } from "../../src/resource/kinds.ts";
import { resourcesOf, snapshotOf, worldOf } from "../policy-fixture.ts";

const NOW_MS = Date.UTC(2026, 5, 1);
const find = (yaml: string): AdmissionConflicts =>
  findAdmissionConflicts(resourcesOf(yaml), snapshotOf(yaml, { unboundPolicies: "bound" }), { kinds: BUILT_IN_KINDS.all(), nowMs: NOW_MS });

interface Mutation {
  readonly apply?: string;
  readonly patch?: string;
  readonly selector?: string;
  readonly when?: string;
  readonly resources?: string;
}

const mutating = (name: string, { apply, patch, selector = "{}", when, resources = "pods" }: Mutation): string => `
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: ${name}}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: ["", apps], apiVersions: [v1], resources: [${resources}], operations: [CREATE]}]
    objectSelector: ${selector}
${when === undefined ? "" : `  matchConditions: [{name: when, expression: ${JSON.stringify(when)}}]`}
  mutations:
    - ${
      apply === undefined
        ? `{patchType: JSONPatch, jsonPatch: {expression: ${JSON.stringify(patch)}}}`
        : `{patchType: ApplyConfiguration, applyConfiguration: {expression: ${JSON.stringify(apply)}}}`
    }
---
`;

const network = (value: boolean): string => `Object{spec: Object.spec{hostNetwork: ${value}}}`;
const path = (value: boolean): string => `[JSONPatch{op: 'add', path: '/spec/hostNetwork', value: ${value}}]`;
const sidecar = (name: string): string =>
  `Object{spec: Object.spec{containers: [Object.spec.containers{name: '${name}', image: 'example'}]}}`;

test.each<[string, Mutation, Mutation, number, number]>([
  ["different values", { apply: network(true) }, { apply: network(false) }, 1, 0],
  ["different values in different ways", { apply: network(true) }, { patch: path(false) }, 1, 0],
  ["the same value", { apply: network(true) }, { patch: path(true) }, 0, 0],
  ["different fields", { apply: network(true) }, { apply: "Object{spec: Object.spec{hostPID: true}}" }, 0, 0],
  ["items of one list", { apply: sidecar("one") }, { apply: sidecar("two") }, 0, 0],
  ["one item of a list", { apply: sidecar("one") }, { apply: sidecar("one").replace("'example'", "'other'") }, 1, 0],
  [
    "objects that none can be",
    { apply: network(true), selector: "{matchLabels: {a: b}}" },
    { apply: network(false), selector: "{matchLabels: {a: c}}" },
    0,
    0,
  ],
  ["different kinds", { apply: network(true) }, { apply: network(false), resources: "deployments" }, 0, 0],
  [
    "an object that a condition names",
    { apply: network(true), when: "object.metadata.name == 'x' && object.spec.nodeName == 'n'" },
    { apply: network(false) },
    1,
    0,
  ],
  ["an object that is not found", { apply: network(true), when: "object.spec.priority > 5" }, { apply: network(false) }, 0, 1],
])("two policies that set %s", (_, one, other, clashes, unknown) => {
  const yaml = mutating("one", one) + mutating("other", other);
  const found = find(yaml);
  expect({ clashes: found.findings.length, unknown: found.unknown }).toEqual({ clashes, unknown });
  for (const { example } of found.findings) {
    if (example === undefined) throw new Error("a clash without an example");
    expect([example.first, example.second]).toContainEqual(replayed(yaml, example.object));
    expect(example.first).not.toEqual(example.second);
  }
});

/** What all policies make of it. */
function replayed(yaml: string, object: JsonObject): JsonObject | null {
  const review = reviewOfObject(object, { resourceTypeOf: BUILT_IN_KINDS.resourceTypeOf });
  if (!review.ok) throw new Error(review.error.message);
  const namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: example}\n";
  return judgePolicies(snapshotOf(yaml, { unboundPolicies: "bound" }), review.value, worldOf(namespace), { phase: "mutate" }, () => {});
}

const VALIDATING = `
apiVersion: policies.kyverno.io/v1
kind: ValidatingPolicy
metadata: {name: known}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], resources: [services], operations: [CREATE, UPDATE]}]
  matchConditions: [{name: shop, expression: "object.metadata.namespace != 'kube-system'"}]
  validations: [{expression: "true"}]
---
`;

const exception = (conditions: readonly string[], extra: string = "", name: string = "known"): string => `
apiVersion: policies.kyverno.io/v1
kind: PolicyException
metadata: {name: why, namespace: shop}
spec:
  policyRefs: [{kind: ValidatingPolicy, name: ${name}}]
  matchConditions: ${JSON.stringify(conditions.map((expression, index) => ({ name: `c${index}`, expression })))}
  ${extra}
`;

test.each<[string, string, string | undefined]>([
  ["none", exception([]), undefined],
  ["what may be", exception(["object.kind == 'Service'", "object.metadata.name.startsWith('a')"]), undefined],
  ["two names at once", exception(["object.metadata.name == 'a'", "object.metadata.name in ['b', 'c']"]), "never true together"],
  ["another kind", exception(["object.kind == 'Pod'"]), "exclude what `known` is about"],
  ["another operation", exception(["request.operation == 'DELETE'"]), "exclude what `known` is about"],
  ["what the policy leaves out", exception(["object.metadata.namespace == 'kube-system'"]), "exclude what `known` is about"],
  ["a time that is over", exception([], "expiresAt: 2026-01-01T00:00:00Z"), "it has expired"],
  ["a policy that is not here", exception([], "", "unknown"), "no policy that it names is here"],
])("an exception with %s", (_, yaml, why) => {
  const messages = find(VALIDATING + yaml).findings.map(({ kind, message }) => `${kind}: ${message}`);
  expect(messages).toEqual(why === undefined ? [] : [expect.stringContaining(why)]);
});
