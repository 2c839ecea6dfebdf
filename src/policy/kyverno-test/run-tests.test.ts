import { describe, expect, test } from "vitest";
import { readDocuments } from "../../resource/document.ts";
import type { TestRow } from "./check-results.ts";
import type { TestLoader } from "./load-suite.ts";
import { runPolicyTests, type TestReport } from "./run-tests.ts";

/** A loader of files that are given as text; their directories are those of their paths. */
function loaderOf(files: { readonly [path: string]: string }): TestLoader {
  return {
    read: (path) => (Object.hasOwn(files, path) ? readDocuments(files[path] ?? "", path) : undefined),
    list: (path) => {
      const names = Object.keys(files).filter((file) => file.startsWith(`${path}/`));
      return names.length === 0 ? undefined : [...new Set(names.map((file) => file.slice(path.length + 1).split("/")[0] ?? ""))].sort();
    },
  };
}

const VALIDATING = `
apiVersion: policies.kyverno.io/v1
kind: ValidatingPolicy
metadata: {name: labels}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [pods]}]
  validations: [{expression: "has(object.metadata.labels)", message: add labels}]
`;

const PODS = `
apiVersion: v1
kind: Pod
metadata: {name: good, labels: {a: b}}
---
apiVersion: v1
kind: Pod
metadata: {name: bad}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: controller}
spec: {template: {metadata: {}}}
---
apiVersion: v1
kind: Service
metadata: {name: other}
`;

const result = (fields: string): string => `{policy: labels, isValidatingPolicy: true, kind: Pod, ${fields}}`;

const testFile = (results: readonly string[], fields: string = ""): string => `
apiVersion: cli.kyverno.io/v1alpha1
kind: Test
metadata: {name: labels}
policies: [../policy.yaml]
resources: [resources.yaml]
${fields}
results:
${results.map((line) => `- ${line}`).join("\n")}
`;

const run = (test: string, files: { readonly [path: string]: string } = {}): TestReport =>
  runPolicyTests(
    loaderOf({ "p/policy.yaml": VALIDATING, "p/t/resources.yaml": PODS, "p/t/kyverno-test.yaml": test, ...files }),
    "p/t/kyverno-test.yaml",
  );

const short = ({ rows }: TestReport): readonly unknown[] =>
  rows.map(({ outcome, resource, reason }: TestRow) => `${outcome} ${resource}: ${reason}`);

describe("a result", () => {
  test.each([
    { name: "that is as expected", fields: "resources: [good], result: pass", rows: ["passed v1/Pod/default/good: Ok"] },
    { name: "that is not", fields: "resources: [bad], result: pass", rows: ["failed v1/Pod/default/bad: Want pass, got fail"] },
    { name: "of a namespace and name", fields: "resources: [default/bad], result: fail", rows: ["passed v1/Pod/default/bad: Ok"] },
    {
      name: "of a controller",
      fields: "resources: [controller], result: fail",
      rows: ["passed apps/v1/Deployment/default/controller: Ok"],
    },
    {
      name: "by specification",
      fields: "resources: [], resourceSpecs: [{version: v1, namespace: default, name: good}], result: pass",
      rows: ["passed v1/Pod/default/good: Ok"],
    },
  ])("$name", ({ fields, rows }) => {
    expect(short(run(testFile([result(fields)])))).toEqual(rows);
  });

  test("of a resource that the policy is not about is not found, unless more is derived from the policy", () => {
    const results = testFile([result("resources: [other], result: pass")]);
    const alone = VALIDATING.replace("spec:", "spec:\n  autogen: {podControllers: {controllers: []}}");
    expect(short(run(results, { "p/policy.yaml": alone }))).toEqual(["failed v1/Service/default/other: Not found"]);
    expect(short(run(results))).toEqual(["passed v1/Service/default/other: Excluded"]);
  });

  test("that names no resource is about all of them", () => {
    expect(run(testFile([result("result: pass")])).rows).toHaveLength(4);
  });

  test("may name the operation", () => {
    const onUpdate = VALIDATING.replace("has(object.metadata.labels)", "request.operation != 'UPDATE' || oldObject == null");
    const files = { "p/policy.yaml": onUpdate };
    expect(
      short(
        run(testFile([result("resources: [good], operation: UPDATE, result: fail"), result("resources: [good], result: pass")]), files),
      ),
    ).toEqual(["passed v1/Pod/default/good: Ok", "passed v1/Pod/default/good: Ok"]);
  });

  test("of a policy with selectors is excluded where it does not apply", () => {
    const selecting = VALIDATING.replace("matchConstraints:", "matchConstraints:\n    objectSelector: {matchLabels: {a: b}}");
    expect(short(run(testFile([result("resources: [bad], result: fail")]), { "p/policy.yaml": selecting }))).toEqual([
      "passed v1/Pod/default/bad: Excluded",
    ]);
  });

  test("is a warning where the policy is not scored", () => {
    const unscored = VALIDATING.replace("{name: labels}", '{name: labels, annotations: {policies.kyverno.io/scored: "false"}}');
    expect(short(run(testFile([result("resources: [bad], result: warn")]), { "p/policy.yaml": unscored }))).toEqual([
      "passed v1/Pod/default/bad: Ok",
    ]);
  });

  test("is skipped where the kind of policy is not supported, and fails where the policy is not valid", () => {
    const generating = VALIDATING.replace("ValidatingPolicy", "GeneratingPolicy");
    expect(run(testFile([result("resources: [good], result: pass")]), { "p/policy.yaml": generating })).toMatchObject({
      failed: 0,
      skipped: 1,
    });
    const invalid = VALIDATING.replace("validations:", "validation:");
    expect(run(testFile([result("resources: [good], result: pass")]), { "p/policy.yaml": invalid })).toMatchObject({
      failed: 1,
      skipped: 0,
    });
  });
});

describe("what a test brings along", () => {
  test("exceptions", () => {
    const exception = `
apiVersion: policies.kyverno.io/v1
kind: PolicyException
metadata: {name: e}
spec: {policyRefs: [{kind: ValidatingPolicy, name: labels}], matchConditions: [{name: m, expression: "object.metadata.name == 'bad'"}]}
`;
    const report = run(testFile([result("resources: [bad], result: skip")], "exceptions: [exception.yaml]"), {
      "p/t/exception.yaml": exception,
    });
    expect(short(report)).toEqual(["passed v1/Pod/default/bad: Ok"]);
  });

  test("values: namespaces and the operation", () => {
    const policy = VALIDATING.replace(
      "has(object.metadata.labels)",
      "namespaceObject.metadata.labels.env == 'prod' && request.operation == 'UPDATE'",
    );
    const values = `
apiVersion: cli.kyverno.io/v1alpha1
kind: Values
globalValues: {request.operation: UPDATE}
namespaceSelector: [{name: default, labels: {env: prod}}]
`;
    const report = run(testFile([result("resources: [bad], result: pass")], "variables: values.yaml"), {
      "p/policy.yaml": policy,
      "p/t/values.yaml": values,
    });
    expect(short(report)).toEqual(["passed v1/Pod/default/bad: Ok"]);
  });

  test("the user", () => {
    const policy = VALIDATING.replace(
      "has(object.metadata.labels)",
      "request.userInfo.username == 'jo' && 'ops' in request.userInfo.groups",
    );
    const user = "{apiVersion: cli.kyverno.io/v1alpha1, kind: UserInfo, userInfo: {username: jo, groups: [ops]}}";
    const report = run(testFile([result("resources: [bad], result: pass")], "userinfo: user.yaml"), {
      "p/policy.yaml": policy,
      "p/t/user.yaml": user,
    });
    expect(short(report)).toEqual(["passed v1/Pod/default/bad: Ok"]);
  });

  test("resources of the cluster, HTTP responses, the global context and image data", () => {
    const policy = VALIDATING.replace(
      "has(object.metadata.labels)",
      "resource.Get('v1', 'configmaps', 'ops', 'allowed').data.x == 'y' && http.Get('https://a.example/x').body.ok && globalContext.Get('teams', 'names').size() == 2 && image.GetMetadata('nginx').config.user == 'root'",
    );
    const context = `
apiVersion: cli.kyverno.io/v1alpha1
kind: Context
spec:
  resources: [{apiVersion: v1, kind: ConfigMap, metadata: {name: allowed, namespace: ops}, data: {x: "y"}}]
  images: [{image: nginx, registry: docker.io, repository: nginx, config: {user: root}}]
`;
    const fields = `context: context.yaml
apiCallResponses: [{url: "https://a.example/x", method: GET, response: {body: {ok: true}}}]
globalContextEntries: [{name: teams, data: {all: [{name: a}, {name: b}]}, projections: [{name: names, path: "all[*].name"}]}]`;
    const report = run(testFile([result("resources: [bad], result: pass")], fields), {
      "p/policy.yaml": policy,
      "p/t/context.yaml": context,
    });
    expect(short(report)).toEqual(["passed v1/Pod/default/bad: Ok"]);
  });

  test("JSON payloads", () => {
    const policy = `
apiVersion: policies.kyverno.io/v1
kind: ValidatingPolicy
metadata: {name: labels}
spec:
  evaluation: {mode: JSON}
  validations: [{expression: "object.count > 1"}]
`;
    const report = run(testFile([result("resources: [plan.json], result: fail")], "jsonPayload: ./plan.json"), {
      "p/policy.yaml": policy,
      "p/t/plan.json": '{"count": 1}',
    });
    expect(short(report)).toEqual(["passed plan.json: Ok"]);
  });
});

describe("a mutation", () => {
  const MUTATING = `
apiVersion: policies.kyverno.io/v1
kind: MutatingPolicy
metadata: {name: labels}
spec:
  autogen: {podControllers: {controllers: []}}
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  mutations: [{patchType: ApplyConfiguration, applyConfiguration: {expression: "Object{metadata: Object.metadata{labels: {'team': 'a'}}}"}}]
`;
  const expecting = (patched: string): TestReport =>
    run(testFile([result("resources: [bad], patchedResources: patched.yaml, result: pass")]), {
      "p/policy.yaml": MUTATING,
      "p/t/patched.yaml": patched,
    });

  test.each([
    [
      "is compared with the expected object",
      "{apiVersion: v1, kind: Pod, metadata: {name: bad, labels: {team: a}, annotations: {}}}",
      ["passed v1/Pod/default/bad: Ok"],
    ],
    [
      "that differs fails",
      "{apiVersion: v1, kind: Pod, metadata: {name: bad, labels: {team: b}}}",
      ["failed v1/Pod/default/bad: Resource diff"],
    ],
    ["without an expected object is not compared", "{apiVersion: v1, kind: Pod, metadata: {name: other}}", []],
  ])("%s", (_what, patched, rows) => {
    expect(short(expecting(patched))).toEqual(rows);
  });
});

describe("what does not load", () => {
  test("is reported: a file that is not there", () => {
    expect(run(testFile([result("result: pass")], "variables: nothing.yaml")).diagnostics).toMatchObject([
      { code: "TEST_FILE_MISSING", severity: "error" },
    ]);
    expect(runPolicyTests(loaderOf({}), "kyverno-test.yaml")).toMatchObject({ rows: [], diagnostics: [{ code: "TEST_FILE_MISSING" }] });
  });

  test("is reported: a field of the wrong type, with its place", () => {
    expect(run(testFile([result("result: perhaps")]))).toMatchObject({
      rows: [],
      diagnostics: [{ code: "TEST_INVALID", severity: "error", line: 9 }],
    });
  });

  test("is a warning where a field is not known", () => {
    expect(run(testFile([result("resources: [good], result: pass, colour: red")]))).toMatchObject({
      passed: 1,
      diagnostics: [{ code: "TEST_INVALID", severity: "warning" }],
    });
  });
});
