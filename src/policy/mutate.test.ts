import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { objectOf, reviewOf, snapshotOf, worldOf } from "../../test/policy-fixture.ts";
import type { JsonValue } from "../lib/json.ts";
import type { Decision } from "./decision.ts";
import { applyPatch } from "./json-patch.ts";
import { judge } from "./judge.ts";

const POD = `
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: a, image: nginx, args: [x]}, {name: b, image: redis}]}
`;

interface MutationLine {
  readonly type: "ApplyConfiguration" | "JSONPatch";
  readonly expression: string;
}

const apply = (expression: string): MutationLine => ({ type: "ApplyConfiguration", expression });
const patch = (expression: string): MutationLine => ({ type: "JSONPatch", expression });

const mutationsOf = (mutations: readonly MutationLine[]): string =>
  mutations
    .map(
      ({ type, expression }) =>
        `  - {patchType: ${type}, ${type === "JSONPatch" ? "jsonPatch" : "applyConfiguration"}: {expression: ${JSON.stringify(expression)}}}`,
    )
    .join("\n");

const admissionPolicy = (name: string, mutations: readonly MutationLine[], spec: string = ""): string => `
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: ${name}}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  reinvocationPolicy: ${spec.includes("IfNeeded") ? "IfNeeded" : "Never"}
  failurePolicy: ${spec.includes("Ignore") ? "Ignore" : "Fail"}
  mutations:
${mutationsOf(mutations)}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: ${name}}
spec: {policyName: ${name}}
`;

const kyvernoPolicy = (name: string, mutations: readonly MutationLine[], spec: string = ""): string => `
apiVersion: policies.kyverno.io/v1
kind: MutatingPolicy
metadata: {name: ${name}}
spec:
  autogen: {podControllers: {controllers: []}}
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
${spec === "" ? "" : `  ${spec}\n`}  mutations:
${mutationsOf(mutations)}
`;

const decide = (...policies: readonly string[]): Decision =>
  judge(snapshotOf(policies.join("---")), reviewOf(POD), worldOf(), { phase: "mutate" });

/** The object as the patch of the decision leaves it. */
function mutated(decision: Decision): JsonValue {
  expect(decision.verdicts.filter(({ outcome }) => outcome !== "allow")).toEqual([]);
  const patched = applyPatch(objectOf(POD), decision.patch);
  if (!patched.ok) throw new Error(patched.error.message);
  return patched.value;
}

describe.each([
  ["MutatingAdmissionPolicy", admissionPolicy],
  ["MutatingPolicy", kyvernoPolicy],
])("a %s", (_kind, policy) => {
  test("merges an apply configuration by the keys of lists", () => {
    const decision = decide(
      policy("p", [
        apply(
          "Object{metadata: Object.metadata{labels: {'team': 'a'}}, spec: Object.spec{containers: [Object.spec.containers{name: 'b', image: 'valkey'}]}}",
        ),
      ]),
    );
    expect(mutated(decision)).toMatchObject({
      metadata: { labels: { app: "web", team: "a" } },
      spec: {
        containers: [
          { name: "a", image: "nginx" },
          { name: "b", image: "valkey" },
        ],
      },
    });
    expect(decision.patch).toEqual([
      { op: "add", path: "/metadata/labels/team", value: "a" },
      { op: "replace", path: "/spec/containers/1/image", value: "valkey" },
    ]);
  });

  test("leaves out fields that are optional and absent", () => {
    const decision = decide(policy("p", [apply("Object{metadata: Object.metadata{?annotations: optional.none(), labels: {'a': 'b'}}}")]));
    expect(decision.patch).toEqual([{ op: "add", path: "/metadata/labels/a", value: "b" }]);
  });

  test("applies a JSON patch with escaped keys and object values", () => {
    const decision = decide(
      policy("p", [
        patch(
          "[JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('example.com/x'), value: 'y'}, JSONPatch{op: 'add', path: '/spec/containers/-', value: Object.spec.containers{name: 'c', image: 'i'}}]",
        ),
      ]),
    );
    expect(mutated(decision)).toMatchObject({
      metadata: { labels: { "example.com/x": "y" } },
      spec: { containers: [{ name: "a" }, { name: "b" }, { name: "c", image: "i" }] },
    });
  });

  test("changes nothing when a test of its JSON patch fails", () => {
    const decision = decide(
      policy("p", [patch("[JSONPatch{op: 'test', path: '/metadata/name', value: 'api'}, JSONPatch{op: 'remove', path: '/spec'}]")]),
    );
    expect(decision).toMatchObject({ allowed: true, patch: [], verdicts: [{ outcome: "allow" }] });
  });

  test("shows each mutation what the one before it made", () => {
    const decision = decide(
      policy("p", [
        apply("Object{metadata: Object.metadata{labels: {'step': '1'}}}"),
        apply("Object{metadata: Object.metadata{labels: {'step': object.metadata.labels.step + '2'}}}"),
      ]),
    );
    expect(mutated(decision)).toMatchObject({ metadata: { labels: { step: "12" } } });
  });

  test.each([
    [
      "names a type that is not its field's",
      apply("Object{spec: Object.spec{containers: [Object.spec.wrong{name: 'a'}]}}"),
      "type mismatch",
    ],
    [
      "replaces an atomic list",
      apply("Object{spec: Object.spec{containers: [Object.spec.containers{name: 'a', args: ['y']}]}}"),
      "may not mutate atomic",
    ],
    ["has a field that the kind does not have", apply("Object{spec: Object.spec{replicaz: 1}}"), "field not declared in schema"],
    ["is about a path that is not there", patch("[JSONPatch{op: 'remove', path: '/spec/nothing'}]"), "no value at"],
    ["fails to evaluate", apply("Object{metadata: Object.metadata{labels: {'a': object.spec.nothing}}}"), "resulted in error"],
  ])("denies with an error what %s", (_what, mutation, message) => {
    const decision = decide(policy("p", [mutation]));
    expect(decision).toMatchObject({ allowed: false, patch: [], verdicts: [{ outcome: "deny", isError: true, rule: "mutations[0]" }] });
    expect(decision.verdicts[0]?.message).toContain(message);
  });
});

test("policies run in the order of their names, each on what the one before it made", () => {
  const append = (text: string): readonly MutationLine[] => [
    apply(`Object{metadata: Object.metadata{labels: {'order': object.metadata.labels[?'order'].orValue('') + '${text}'}}}`),
  ];
  expect(mutated(decide(kyvernoPolicy("b", append("b")), kyvernoPolicy("a", append("a"))))).toMatchObject({
    metadata: { labels: { order: "ab" } },
  });
});

test("a policy that asks for it runs again after others changed the object", () => {
  const copy = (from: string, to: string): readonly MutationLine[] => [
    apply(`Object{metadata: Object.metadata{labels: {'${to}': object.metadata.labels[?'${from}'].orValue('none')}}}`),
  ];
  const later = admissionPolicy("b", [apply("Object{metadata: Object.metadata{labels: {'late': 'x'}}}")]);
  expect(mutated(decide(admissionPolicy("a", copy("late", "seen"), "IfNeeded"), later))).toMatchObject({
    metadata: { labels: { seen: "x" } },
  });
  expect(mutated(decide(admissionPolicy("a", copy("late", "seen")), later))).toMatchObject({ metadata: { labels: { seen: "none" } } });
});

test("a failure that is ignored leaves the object as it was", () => {
  const decision = decide(admissionPolicy("p", [apply("Object{metadata: Object.metadata{labels: {'a': object.spec.nothing}}}")], "Ignore"));
  expect(decision).toMatchObject({ allowed: true, patch: [], verdicts: [{ outcome: "error", isError: true }] });
});

test("atomic lists are replaced where the policy uses server-side apply", () => {
  const replace = [apply("Object{spec: Object.spec{containers: [Object.spec.containers{name: 'a', args: ['y']}]}}")];
  expect(mutated(decide(kyvernoPolicy("p", replace, "evaluation: {useServerSideApply: true}")))).toMatchObject({
    spec: { containers: [{ args: ["y"] }, {}] },
  });
});

test("admission validates what mutation made", () => {
  const validating = `
apiVersion: policies.kyverno.io/v1
kind: ValidatingPolicy
metadata: {name: team}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  validations: [{expression: "has(object.metadata.labels.team)"}]
`;
  const policies = [kyvernoPolicy("label", [apply("Object{metadata: Object.metadata{labels: {'team': 'a'}}}")]), validating].join("---");
  expect(judge(snapshotOf(policies), reviewOf(POD), worldOf(), { phase: "validate" }).allowed).toBe(false);
  const admitted = judge(snapshotOf(policies), reviewOf(POD), worldOf(), { phase: "admit" });
  expect(admitted).toMatchObject({ allowed: true, patch: [{ op: "add", path: "/metadata/labels/team" }] });
});

test("policies about existing objects do not change the object that is requested", () => {
  const existing = kyvernoPolicy(
    "p",
    [apply("Object{metadata: Object.metadata{labels: {'a': 'b'}}}")],
    "evaluation: {mutateExisting: {enabled: true}}\n  targetMatchConstraints: {resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]}",
  );
  expect(decide(existing)).toMatchObject({ allowed: true, verdicts: [], patch: [] });
});

test("the patch of a decision turns the object as received into the object as mutated, whatever the labels are", () => {
  const snapshot = snapshotOf(kyvernoPolicy("p", [apply("Object{metadata: Object.metadata{labels: {'added': 'x'}}}")]));
  const key = fc.stringMatching(/^[a-z][a-z0-9./~-]{0,8}$/);
  fc.assert(
    fc.property(fc.dictionary(key, key), (labels) => {
      const review = reviewOf(POD);
      const object = { ...review.object, metadata: { name: "web", namespace: "shop", labels } };
      const decision = judge(snapshot, { ...review, object }, worldOf(), { phase: "mutate" });
      expect(applyPatch(object, decision.patch)).toEqual({
        ok: true,
        value: { ...object, metadata: { ...object.metadata, labels: { ...labels, added: "x" } } },
      });
    }),
    { numRuns: 100 },
  );
});
