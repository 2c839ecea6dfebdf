import { expect, test } from "vitest";
import { evaluatorOf } from "../../../../test/evaluate-expression.ts";
import { CelError } from "../../value.ts";
import { authorizerLibrary } from "./authorizer.ts";
import {
  type AccessDecision,
  type AccessRequest,
  AUTHORIZER,
  type Authorizer,
  authorizerValue,
  RESOURCE_CHECK,
  resourceCheckValue,
} from "./authorizer-values.ts";

const alice = { username: "alice", groups: ["dev"] };
const asked: AccessRequest[] = [];

/** Allows what begins with `get`, denies `delete`, cannot tell of `watch`, has not fetched anything else. */
const authorizer: Authorizer = {
  decide(request) {
    asked.push(request);
    const decisions: Readonly<Record<string, AccessDecision>> = {
      get: { decision: "allow", reason: "get is fine", error: null },
      delete: { decision: "deny", reason: "never", error: null },
      watch: { decision: "no-opinion", reason: "", error: "the authorizer is away" },
    };
    return decisions[request.verb] ?? new CelError("CEL_UNAVAILABLE", "not fetched");
  },
};

const requested = {
  group: "apps",
  resource: "deployments",
  subresource: "",
  namespace: "prod",
  name: "web",
  fieldSelector: "",
  labelSelector: "",
};
const evaluate = evaluatorOf(
  { libraries: [authorizerLibrary], variables: { authorizer: AUTHORIZER, "authorizer.requestResource": RESOURCE_CHECK } },
  { authorizer: authorizerValue(authorizer, alice), "authorizer.requestResource": resourceCheckValue(authorizer, alice, requested) },
);

test.each([
  ["authorizer.path('/healthz').check('get').allowed()", true],
  ["authorizer.group('apps').resource('deployments').check('delete').allowed()", false],
  ["authorizer.group('').resource('pods').check('get').reason()", "get is fine"],
  ["authorizer.group('').resource('pods').check('watch').allowed()", false],
  ["authorizer.group('').resource('pods').check('watch').errored()", true],
  ["authorizer.group('').resource('pods').check('watch').error()", "the authorizer is away"],
  ["authorizer.group('').resource('pods').check('get').errored()", false],
  ["authorizer.group('').resource('pods').check('get').error()", ""],
  ["authorizer.group('').resource('pods').check('list').allowed()", "CEL_UNAVAILABLE"],
  ["authorizer.requestResource.check('get').allowed()", true],
  ["authorizer.path(' ')", "CEL_INVALID_ARGUMENT"],
  ["authorizer.group('').resource('')", "CEL_INVALID_ARGUMENT"],
  ["authorizer.serviceAccount('default', 'A')", "CEL_INVALID_ARGUMENT"],
  ["authorizer.serviceAccount('a.b', 'builder')", "CEL_INVALID_ARGUMENT"],
  ["authorizer.check('get')", "CEL_NO_MATCHING_OVERLOAD"],
])("%s is %j", (text, expected) => expect(evaluate(text).result).toEqual(expected));

test.each([
  ["authorizer.path('/healthz').check('get').allowed()", { kind: "path", subject: alice, path: "/healthz", verb: "get" }],
  [
    "authorizer.requestResource.subresource('scale').check('get').allowed()",
    { kind: "resource", subject: alice, verb: "get", resource: { ...requested, subresource: "scale" } },
  ],
  [
    "authorizer.serviceAccount('default', 'builder').group('').resource('pods').namespace('a').name('b').fieldSelector('spec.nodeName=x').labelSelector('app=y').check('get').allowed()",
    {
      kind: "resource",
      subject: { username: "system:serviceaccount:default:builder", groups: ["system:serviceaccounts", "system:serviceaccounts:default"] },
      verb: "get",
      resource: {
        group: "",
        resource: "pods",
        subresource: "",
        namespace: "a",
        name: "b",
        fieldSelector: "spec.nodeName=x",
        labelSelector: "app=y",
      },
    },
  ],
])("%s asks for just that", (text, request) => {
  asked.length = 0;
  evaluate(text);
  expect(asked[0]).toEqual(request);
});

// As apiserver's cost estimator gives them, with one unit for each variable.
test.each([
  ["authorizer.path('/healthz').check('get').allowed()", 350_003],
  ["authorizer.group('apps').resource('deployments').namespace('test').check('get').allowed()", 350_005],
  ["authorizer.group('').resource('pods').fieldSelector('k=v')", 3 + 10 + 1 + 100],
])("%s costs %i", (text, cost) => expect(evaluate(text).cost).toBe(cost));
