import fc from "fast-check";
import { expect, test } from "vitest";
import { type RequestShape, ruleCovers } from "../policy/resource-rule.ts";
import { unionOfRules, type WebhookRule } from "./webhook-rule.ts";

const rule = (fields: Partial<WebhookRule>): WebhookRule => ({
  operations: ["CREATE"],
  apiGroups: [""],
  apiVersions: ["v1"],
  resources: ["pods"],
  scope: "*",
  ...fields,
});

test("rules that differ in their operations or resources become one", () => {
  expect(
    unionOfRules([rule({}), rule({ operations: ["UPDATE"] }), rule({ resources: ["services"], operations: ["UPDATE", "CREATE"] })]),
  ).toEqual([rule({ operations: ["CREATE", "UPDATE"], resources: ["pods", "services"] })]);
});

test("a rule that another one includes is left out, and so is a pattern", () => {
  const wide = rule({ operations: ["*"], apiGroups: ["*"], apiVersions: ["*"], resources: ["*/*"] });
  expect(unionOfRules([rule({}), wide, rule({ resources: ["pods/*"], scope: "Namespaced" })])).toEqual([wide]);
  expect(unionOfRules([rule({ resources: ["pods", "pods/exec", "pods/*", "*", "services"] })])).toEqual([
    rule({ resources: ["*", "pods/*"] }),
  ]);
});

const subset = <T>(...all: readonly T[]): fc.Arbitrary<T[]> => fc.subarray([...all], { minLength: 1 });
const rules = fc.record<WebhookRule>({
  operations: subset("CREATE", "UPDATE", "DELETE", "*"),
  apiGroups: subset("", "apps", "*"),
  apiVersions: subset("v1", "v2", "*"),
  resources: subset("pods", "pods/status", "pods/*", "services", "*", "*/*", "*/status"),
  scope: fc.constantFrom("*", "Cluster", "Namespaced"),
});
const shapes = fc.record<RequestShape>({
  resource: fc.record({
    group: fc.constantFrom("", "apps", "x"),
    version: fc.constantFrom("v1", "v2", "v3"),
    resource: fc.constantFrom("pods", "services", "nodes"),
  }),
  subResource: fc.constantFrom("", "status", "exec"),
  operation: fc.constantFrom("CREATE", "UPDATE", "DELETE", "CONNECT"),
  isNamespaced: fc.boolean(),
});
const reaches = (list: readonly WebhookRule[], shape: RequestShape): boolean =>
  list.some((each) => ruleCovers({ ...each, resourceNames: [] }, shape, shape.resource));

test("the union reaches a request exactly when one of the rules does, and does not depend on their order", () => {
  fc.assert(
    fc.property(fc.array(rules, { maxLength: 5 }), fc.array(shapes, { minLength: 20, maxLength: 20 }), (list, requests) => {
      const union = unionOfRules(list);
      for (const request of requests) expect(reaches(union, request)).toBe(reaches(list, request));
      expect(unionOfRules(list.toReversed())).toEqual(union);
    }),
    { numRuns: 500 },
  );
});
