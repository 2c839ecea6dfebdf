import { expect, test } from "vitest";
import type { JsonObject } from "../lib/json.ts";
import type { LabelSelector } from "../resource/label-selector.ts";
import type { MatchResources, ResourceRule } from "../resource/match-resources.ts";
import { matchReview, reachOf } from "./match.ts";
import { shapeOf } from "./resource-rule.ts";
import type { Review, World } from "./review.ts";

const ANY: LabelSelector = { matchLabels: {}, matchExpressions: [] };

const rule = (fields: Partial<ResourceRule>): ResourceRule => ({
  resourceNames: [],
  operations: ["CREATE"],
  apiGroups: ["apps"],
  apiVersions: ["v1"],
  resources: ["deployments"],
  scope: "*",
  ...fields,
});

const about = (fields: Partial<MatchResources>): MatchResources => ({
  namespaceSelector: ANY,
  objectSelector: ANY,
  resourceRules: [rule({})],
  excludeResourceRules: [],
  matchPolicy: "Equivalent",
  ...fields,
});

const review = (fields: Partial<Review>): Review => ({
  uid: "u",
  operation: "CREATE",
  kind: { group: "apps", version: "v1", kind: "Deployment" },
  resource: { group: "apps", version: "v1", resource: "deployments" },
  subResource: "",
  requestKind: { group: "apps", version: "v1", kind: "Deployment" },
  requestResource: { group: "apps", version: "v1", resource: "deployments" },
  requestSubResource: "",
  name: "web",
  namespace: "shop",
  userInfo: { username: "u" },
  object: { metadata: { labels: { app: "web" } } },
  oldObject: null,
  options: null,
  dryRun: false,
  request: {},
  ...fields,
});

const worldOf = (namespaces: { readonly [name: string]: JsonObject }): World => ({
  namespace: (name) => (Object.hasOwn(namespaces, name) ? { metadata: { name, labels: namespaces[name] ?? {} } } : undefined),
  objects: () => [],
  bindings: {},
  nowMs: 0,
});

function outcome(constraints: MatchResources, subject: Review, world: World = worldOf({ shop: { env: "prod" } })): string {
  const reach = reachOf(constraints, shapeOf(subject));
  return reach === undefined ? "no" : matchReview(reach, subject, world).kind;
}

interface Case {
  readonly name: string;
  readonly constraints: Partial<MatchResources>;
  readonly review?: Partial<Review>;
  readonly kind: "yes" | "no" | "unknown";
}

const pods = { group: "", version: "v1", resource: "pods" };
const namespaces = { group: "", version: "v1", resource: "namespaces" };
const labels = (matchLabels: { readonly [key: string]: string }): LabelSelector => ({ matchLabels, matchExpressions: [] });
const requires = (key: string, operator: "In" | "NotIn" | "Exists" | "DoesNotExist", values: readonly string[] = []): LabelSelector => ({
  matchLabels: {},
  matchExpressions: [{ key, operator, values }],
});

test.each<Case>([
  { name: "its own resource", constraints: {}, kind: "yes" },
  { name: "no rules at all", constraints: { resourceRules: [] }, kind: "yes" },
  { name: "another operation", constraints: {}, review: { operation: "DELETE" }, kind: "no" },
  { name: "any operation", constraints: { resourceRules: [rule({ operations: ["*"] })] }, review: { operation: "DELETE" }, kind: "yes" },
  { name: "another group", constraints: { resourceRules: [rule({ apiGroups: [""] })] }, kind: "no" },
  { name: "any group and version", constraints: { resourceRules: [rule({ apiGroups: ["*"], apiVersions: ["*"] })] }, kind: "yes" },
  { name: "any resource", constraints: { resourceRules: [rule({ resources: ["*"] })] }, kind: "yes" },
  {
    name: "any resource, but no subresource",
    constraints: { resourceRules: [rule({ resources: ["*"] })] },
    review: { subResource: "scale" },
    kind: "no",
  },
  {
    name: "any subresource of it",
    constraints: { resourceRules: [rule({ resources: ["deployments/*"] })] },
    review: { subResource: "scale" },
    kind: "yes",
  },
  {
    name: "the resource itself through its subresources",
    constraints: { resourceRules: [rule({ resources: ["deployments/*"] })] },
    kind: "yes",
  },
  {
    name: "one subresource of any",
    constraints: { resourceRules: [rule({ resources: ["*/scale"] })] },
    review: { subResource: "scale" },
    kind: "yes",
  },
  {
    name: "another subresource",
    constraints: { resourceRules: [rule({ resources: ["*/scale"] })] },
    review: { subResource: "status" },
    kind: "no",
  },
  { name: "everything", constraints: { resourceRules: [rule({ resources: ["*/*"] })] }, review: { subResource: "status" }, kind: "yes" },
  { name: "namespaced ones only", constraints: { resourceRules: [rule({ scope: "Namespaced" })] }, kind: "yes" },
  { name: "cluster-scoped ones only", constraints: { resourceRules: [rule({ scope: "Cluster" })] }, kind: "no" },
  {
    name: "a Namespace is cluster-scoped",
    constraints: { resourceRules: [rule({ scope: "Cluster", apiGroups: [""], resources: ["namespaces"] })] },
    review: { resource: namespaces, namespace: "shop", name: "shop" },
    kind: "yes",
  },
  { name: "its name", constraints: { resourceRules: [rule({ resourceNames: ["web"] })] }, kind: "yes" },
  { name: "another name", constraints: { resourceRules: [rule({ resourceNames: ["api"] })] }, kind: "no" },
  {
    name: "the prefix of a name to be generated",
    constraints: { resourceRules: [rule({ resourceNames: ["web"] })] },
    review: { name: "", object: { metadata: { generateName: "web-" } } },
    kind: "yes",
  },
  { name: "excluded", constraints: { excludeResourceRules: [rule({})] }, kind: "no" },
  { name: "excluded by name", constraints: { excludeResourceRules: [rule({ resourceNames: ["web"] })] }, kind: "no" },
  { name: "another name excluded", constraints: { excludeResourceRules: [rule({ resourceNames: ["api"] })] }, kind: "yes" },
  { name: "its labels", constraints: { objectSelector: labels({ app: "web" }) }, kind: "yes" },
  { name: "other labels", constraints: { objectSelector: labels({ app: "api" }) }, kind: "no" },
  {
    name: "the labels of the old object",
    constraints: { objectSelector: labels({ app: "api" }) },
    review: { oldObject: { metadata: { labels: { app: "api" } } } },
    kind: "yes",
  },
  { name: "no object at all", constraints: { objectSelector: requires("x", "DoesNotExist") }, review: { object: null }, kind: "no" },
  { name: "one of the values", constraints: { objectSelector: requires("app", "In", ["web", "api"]) }, kind: "yes" },
  { name: "none of the values", constraints: { objectSelector: requires("app", "NotIn", ["web"]) }, kind: "no" },
  { name: "a label that is absent", constraints: { objectSelector: requires("tier", "NotIn", ["web"]) }, kind: "yes" },
  { name: "a label that must exist", constraints: { objectSelector: requires("tier", "Exists") }, kind: "no" },
  { name: "a label of the prototype", constraints: { objectSelector: requires("toString", "Exists") }, kind: "no" },
  { name: "the labels of its namespace", constraints: { namespaceSelector: labels({ env: "prod" }) }, kind: "yes" },
  { name: "other labels of its namespace", constraints: { namespaceSelector: labels({ env: "dev" }) }, kind: "no" },
  {
    name: "an unknown namespace",
    constraints: { namespaceSelector: labels({ env: "dev" }) },
    review: { namespace: "other" },
    kind: "unknown",
  },
  {
    name: "an unknown namespace by its name",
    constraints: { namespaceSelector: requires("kubernetes.io/metadata.name", "NotIn", ["kube-system"]) },
    review: { namespace: "other" },
    kind: "yes",
  },
  {
    name: "an unknown namespace, but other rules",
    constraints: { namespaceSelector: labels({ env: "dev" }), objectSelector: labels({ app: "api" }) },
    review: { namespace: "other" },
    kind: "no",
  },
  {
    name: "what is in no namespace",
    constraints: { namespaceSelector: labels({ env: "dev" }), resourceRules: [rule({ apiGroups: [""], resources: ["nodes"] })] },
    review: { resource: { group: "", version: "v1", resource: "nodes" }, namespace: "" },
    kind: "yes",
  },
  {
    name: "a new Namespace by its own labels",
    constraints: { namespaceSelector: labels({ app: "web" }), resourceRules: [rule({ apiGroups: [""], resources: ["namespaces"] })] },
    review: { resource: namespaces, namespace: "new", name: "new" },
    kind: "yes",
  },
  {
    name: "an equivalent version",
    constraints: {},
    review: { resource: { group: "extensions", version: "v1beta1", resource: "deployments" } },
    kind: "yes",
  },
  {
    name: "an equivalent version where exactly is meant",
    constraints: { matchPolicy: "Exact" },
    review: { resource: { group: "extensions", version: "v1beta1", resource: "deployments" } },
    kind: "no",
  },
  { name: "a resource that has no equivalents", constraints: {}, review: { resource: pods }, kind: "no" },
])("constraints match a request as the API server decides it: $name", ({ constraints, review: fields, kind }) => {
  expect(outcome(about(constraints), review(fields ?? {}))).toBe(kind);
});

test("a policy sees an object of an equivalent version as the version that it is about", () => {
  const subject = review({ resource: { group: "extensions", version: "v1beta1", resource: "deployments" } });
  const reach = reachOf(about({}), shapeOf(subject));
  expect(reach === undefined ? undefined : matchReview(reach, subject, worldOf({}))).toStrictEqual({
    kind: "yes",
    as: { group: "apps", version: "v1", resource: "deployments" },
  });
});

test("only names and selectors make a match depend on more than the shape of the request", () => {
  const shape = shapeOf(review({}));
  expect(reachOf(about({}), shape)?.certain).toStrictEqual({ kind: "yes", as: undefined });
  expect(reachOf(about({ objectSelector: labels({ a: "b" }) }), shape)?.certain).toBeUndefined();
  expect(reachOf(about({ resourceRules: [rule({ resourceNames: ["web"] })] }), shape)?.certain).toBeUndefined();
});
