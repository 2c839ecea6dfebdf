import { describe, expect, test } from "vitest";
import type { Diagnostic } from "../lib/diagnostic.ts";
import { parseAccessResource } from "./access-resource.ts";
import { readDocuments } from "./document.ts";
import { type IdentityResource, parseIdentityResource } from "./identity-resource.ts";
import { parseRuntimePolicy } from "./runtime-policy.ts";
import type { Schema } from "./schema.ts";
import { vigilKinds } from "./vigil-kinds.ts";

function parse(yaml: string): ReturnType<typeof parseIdentityResource> {
  const [document] = readDocuments(yaml, "identity.yaml").documents;
  if (document === undefined) throw new Error("no document");
  return parseIdentityResource(document);
}

const workload = (spec: string): string =>
  `apiVersion: vigil.dev/v1alpha1\nkind: Workload\nmetadata: {name: web, namespace: shop}\nspec: ${spec}\n`;
const trustDomain = (spec: string, name = "example.org"): string =>
  `apiVersion: vigil.dev/v1alpha1\nkind: TrustDomain\nmetadata: {name: ${name}}\nspec: ${spec}\n`;

function accepted(yaml: string): IdentityResource {
  const parsed = parse(yaml);
  if (parsed.kind !== "identity") throw new Error(JSON.stringify(parsed));
  return parsed.resource;
}

function problemsOf(yaml: string): readonly string[] {
  const parsed = parse(yaml);
  return parsed.kind === "refused" ? parsed.diagnostics.map(({ code, line, message }) => `${line} ${code} ${message}`) : [];
}

test("a workload needs nothing but selectors", () => {
  expect(accepted(workload("{selectors: ['unix:uid:1000']}"))).toMatchObject({
    selectors: ["unix:uid:1000"],
    id: undefined,
    class: "service",
    x509TtlMs: 900_000,
    rotateAfterMs: 450_000,
    jwtTtlMs: 300_000,
    admin: false,
  });
});

test.each([
  ["gateway", 24, 4],
  ["data", 72, 1],
  ["legacy", 168, 12],
])("the class %s lives %i hours and is renewed after %i", (name, ttlHours, rotateHours) => {
  expect(accepted(workload(`{selectors: ['unix:uid:1'], class: ${name}}`))).toMatchObject({
    x509TtlMs: ttlHours * 3_600_000,
    rotateAfterMs: rotateHours * 3_600_000,
  });
});

test("a short lifetime is renewed at its half, whatever the class", () => {
  expect(accepted(workload("{selectors: ['unix:uid:1'], class: legacy, x509Ttl: 1h}"))).toMatchObject({ rotateAfterMs: 1_800_000 });
});

describe("what a workload may not be is refused with its line", () => {
  test.each([
    ["{selectors: []}", "RESOURCE_INVALID_VALUE"],
    ["{}", "RESOURCE_MISSING_FIELD"],
    ["{selectors: [uid]}", "RESOURCE_INVALID_VALUE"],
    ["{selectors: ['unix:uid:1', 'unix:uid:1']}", "RESOURCE_INVALID_VALUE"],
    ["{selectors: ['unix:uid:1'], id: 'spiffe://EXAMPLE.org/web'}", "RESOURCE_INVALID_VALUE"],
    ["{selectors: ['unix:uid:1'], id: 'spiffe://example.org'}", "RESOURCE_INVALID_VALUE"],
    ["{selectors: ['unix:uid:1'], x509Ttl: 2h}", "RESOURCE_INVALID_VALUE"],
    ["{selectors: ['unix:uid:1'], x509Ttl: 10m, rotateAfter: 10m}", "RESOURCE_INVALID_VALUE"],
    ["{selectors: ['unix:uid:1'], x509Ttl: soon}", "RESOURCE_INVALID_VALUE"],
    ["{selectors: ['unix:uid:1'], dnsNames: ['*.*.org']}", "RESOURCE_INVALID_VALUE"],
    ["{selectors: ['unix:uid:1'], agents: ['*']}", "RESOURCE_INVALID_VALUE"],
    ["{selectors: ['unix:uid:1'], ttl: 1h}", "RESOURCE_UNKNOWN_FIELD"],
  ])("%s", (spec, code) => {
    expect(problemsOf(workload(spec))).toEqual([expect.stringMatching(new RegExp(`^4 ${code} `))]);
  });
  test("a version that does not exist", () => {
    expect(problemsOf(workload("{selectors: ['unix:uid:1']}").replace("v1alpha1", "v2"))[0]).toMatch("RESOURCE_UNSUPPORTED_VERSION");
  });
});

test("a trust domain is named by its metadata and needs no setting", () => {
  expect(accepted(trustDomain("{}"))).toMatchObject({ name: "example.org", federation: [], idTemplate: "/{namespace}/{name}" });
});

test("a trust domain states keys, relations and rules", () => {
  const spec = `
  x509: {keyType: ec-p384, ttl: 30d}
  federation:
    - {trustDomain: other.org, url: 'https://other.org/bundle', profile: https_spiffe, serverId: 'spiffe://other.org/endpoint'}
  registration:
    - {name: own-paths, expression: 'workload.path.startsWith("/shop/")', message: only the shop}
  denied: {serials: ['0aff'], spiffeIds: ['spiffe://example.org/shop/gone']}`;
  expect(accepted(trustDomain(spec))).toMatchObject({
    x509: { keyType: "ec-p384", ttlMs: 30 * 86_400_000 },
    jwt: { keyType: undefined },
    federation: [{ endpoint: { trustDomain: "other.org", serverId: "spiffe://other.org/endpoint" } }],
    registration: [{ name: "own-paths", message: "only the shop" }],
    denied: { serials: ["0aff"], authorityIds: [] },
  });
});

test.each([
  ["{x509: {keyType: ed25519}}"],
  ["{x509: {ttl: 5s}}"],
  ["{federation: [{trustDomain: other.org, url: 'http://other.org', profile: https_web}]}"],
  ["{federation: [{trustDomain: other.org, url: 'https://other.org', profile: https_spiffe}]}"],
  ["{idTemplate: '/fixed'}"],
  ["{idTemplate: '/{name}/'}"],
  ["{denied: {serials: ['00ff']}}"],
  ["{denied: {serials: ['F0']}}"],
  ["{nodes: {x509Authorities: none}}"],
])("a trust domain may not have %s", (spec) => {
  expect(problemsOf(trustDomain(spec))).toEqual([expect.stringContaining("RESOURCE_INVALID_VALUE")]);
});

test("a trust domain's name is one", () => {
  expect(problemsOf(trustDomain("{}", "Example.org"))).toEqual([expect.stringMatching(/^3 .*`metadata\.name`/)]);
});

test("documents of other kinds are none of its business", () => {
  expect(parse("apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n").kind).toBe("other");
  expect(parse("apiVersion: vigil.dev/v1alpha1\nkind: Response\nmetadata: {name: x}\n").kind).toBe("other");
});

/** A document of any of Vigil's kinds. */
function parseVigil(kind: string, spec: string): { readonly kind: string; readonly diagnostics?: readonly Diagnostic[] } {
  if (kind === "Workload") return parse(workload(spec));
  if (kind === "TrustDomain") return parse(trustDomain(spec));
  const [document] = readDocuments(`apiVersion: vigil.dev/v1alpha1\nkind: ${kind}\nmetadata: {name: x}\nspec: ${spec}`, "x.yaml").documents;
  if (document === undefined) return expect.fail("no document");
  return kind === "RuntimePolicy" ? parseRuntimePolicy(document) : parseAccessResource(document);
}

/** Fields that hold lists of mappings. */
const LISTS: ReadonlySet<string> = new Set([
  ...["federation", "registration", "issuance", "to", "from", "grants", "matchExpressions"],
  ...["variables", "conditions", "exceptions"],
]);

describe("the schemas that are shown are what is read", () => {
  /** Names of the fields that the parser knows at a place: it lists them when one is unknown. */
  function knownAt(kind: string, path: readonly string[]): readonly string[] {
    const listed = path.reduceRight((text, step) => `{${step}: ${LISTS.has(step) ? `[${text}]` : text}}`, "{zzzzzzzzzzzz: 1}");
    const parsed = parseVigil(kind, listed);
    const hint = parsed.diagnostics?.find(({ code }) => code === "RESOURCE_UNKNOWN_FIELD")?.hint;
    return [...(hint ?? "").matchAll(/`(\w+)`/g)].map(([, name = ""]) => name).sort();
  }
  function* nodes(schema: Schema, path: readonly string[]): Generator<readonly [readonly string[], readonly string[]]> {
    const { properties } = schema.items ?? schema;
    if (properties === undefined) return;
    yield [path, [...properties.keys()].sort()];
    for (const [name, child] of properties) yield* nodes(child, [...path, name]);
  }
  const cases = vigilKinds().flatMap(({ kind, schema }) => {
    const spec = schema.properties?.get("spec");
    return spec === undefined ? [] : [...nodes(spec, [])].map(([path, names]) => ({ kind, path, names }));
  });
  test.each(cases)("$kind spec $path", ({ kind, path, names }) => {
    expect(knownAt(kind, path)).toEqual(names);
  });
});
