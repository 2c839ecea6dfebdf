import { describe, expect, test } from "vitest";
import { registrationsOf, trustDomainOf, trustDomainYaml, workloadYaml } from "../../../test/identity/authority-in-process.ts";
import { readDocuments } from "../../resource/document.ts";
import { compileRegistrations, type Registrations } from "./registrations.ts";

const DOMAIN = trustDomainOf("example.org");
const register = (yaml: string): Registrations => registrationsOf(yaml, DOMAIN);
const problemsOf = (yaml: string): readonly string[] =>
  compileRegistrations(readDocuments(yaml, "a.yaml").documents, { trustDomain: DOMAIN, builtIn: [] }).diagnostics.map(
    ({ code, line }) => `${line} ${code}`,
  );
const idsOf = ({ entries }: Registrations): readonly string[] => [...entries.values()].map(({ spiffeId }) => spiffeId);

describe("names", () => {
  test("follow the template where a workload states none", () => {
    expect(idsOf(register(workloadYaml("web", "{selectors: ['a:b']}")))).toEqual(["spiffe://example.org/default/web"]);
    expect(
      idsOf(register(trustDomainYaml("{idTemplate: '/ns/{namespace}/sa/{name}'}") + workloadYaml("web", "{selectors: ['a:b']}"))),
    ).toEqual(["spiffe://example.org/ns/default/sa/web"]);
    expect(idsOf(register(workloadYaml("web", "{selectors: ['a:b'], id: 'spiffe://example.org/x'}")))).toEqual(["spiffe://example.org/x"]);
  });
  test.each(["a/b", "..", "a b", "%2e"])("`%s` makes no identity, and none of somebody else", (name) => {
    expect(problemsOf(workloadYaml(JSON.stringify(name), "{selectors: ['a:b']}"))).toEqual(["4 RESOURCE_INVALID_VALUE"]);
  });
});

test("what does not go together is refused with its place", () => {
  expect(problemsOf(workloadYaml("a", "{selectors: ['a:b'], id: 'spiffe://other.org/a'}"))).toEqual(["5 IDENTITY_OTHER_TRUST_DOMAIN"]);
  expect(problemsOf(trustDomainYaml("{}").replace("example.org", "other.org"))).toEqual(["4 IDENTITY_OTHER_TRUST_DOMAIN"]);
  expect(problemsOf(workloadYaml("a", "{selectors: ['a:b']}") + workloadYaml("a", "{selectors: ['a:c']}"))).toEqual([
    "9 IDENTITY_DUPLICATE",
  ]);
  expect(problemsOf(trustDomainYaml("{}") + trustDomainYaml("{}"))).toEqual(["9 IDENTITY_DUPLICATE"]);
});

test.each(["workload.pth == ''", "workload.path", "workload.path ==", "request.kind == 'x509'"])(
  "the rule `%s` is a mistake of the trust domain",
  (expression) => {
    const problems = problemsOf(trustDomainYaml(`{registration: [{name: r, expression: "${expression}"}]}`));
    expect(problems).toEqual([expect.stringMatching(/^5 CEL_/)]);
  },
);

test("a rule decides who is registered, and one that cannot be judged refuses", () => {
  const rules = trustDomainYaml(
    `{registration: [{name: prefix, expression: 'workload.path.startsWith("/shop/")', message: only the shop}, {name: team, expression: 'workload.labels["team"] == "a"'}]}`,
  );
  const named = (name: string, labels: string): string =>
    workloadYaml(name, `{selectors: ['a:b'], id: 'spiffe://example.org/${name.includes("x") ? "other" : "shop"}/${name}'}`).replace(
      "}\nspec",
      `, labels: ${labels}}\nspec`,
    );
  const registrations = register(rules + named("good", "{team: a}") + named("x", "{team: a}") + named("none", "{}"));
  expect(idsOf(registrations)).toEqual(["spiffe://example.org/shop/good"]);
  expect(registrations.refused.map(({ refusal }) => [refusal.rule, refusal.isError])).toEqual([
    ["prefix", false],
    ["team", true],
  ]);
});
