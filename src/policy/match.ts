/**
 * Which requests a policy is about: resource rules, exclusions, names, and the selectors for namespaces and objects, as the API
 * server decides it. What depends only on the shape of a request is decided once per shape (`reachOf`).
 */
import { isJsonObject, type JsonObject } from "../lib/json.ts";
import type { LabelSelector } from "../resource/label-selector.ts";
import type { MatchResources, ResourceRule } from "../resource/match-resources.ts";
import { equivalentsOf } from "./equivalent-resource.ts";
import { memberOf } from "./json-equals.ts";
import { type Labels, selectorKeys, selects, selectsEverything } from "./label-match.ts";
import { isNamespaceResource, type RequestShape, ruleCovers, ruleNames } from "./resource-rule.ts";
import type { GroupVersionResource, Review, World } from "./review.ts";

/** How constraints reach the requests of one shape. */
export interface Reach {
  readonly constraints: MatchResources;
  /** The rules that cover the shape; not empty. */
  readonly covering: readonly Covering[];
  /** Exclusions that cover the shape and depend on the name. */
  readonly excluding: readonly Covering[];
  /** The answer for every request of the shape when neither names nor selectors have a say. */
  readonly certain: Match | undefined;
}

export interface Covering {
  /** undefined when there are no rules, which means all requests. */
  readonly rule: ResourceRule | undefined;
  /** The equivalent resource as which the policy sees the object; undefined for the requested one. */
  readonly as: GroupVersionResource | undefined;
}

export type Match =
  | { readonly kind: "yes"; readonly as: GroupVersionResource | undefined }
  | { readonly kind: "no" }
  /** The namespace's labels are asked for and not known. */
  | { readonly kind: "unknown"; readonly message: string };

const NO: Match = { kind: "no" };
const YES: Match = { kind: "yes", as: undefined };

/** How constraints reach requests of a shape, or undefined when they never do. An empty list of rules means all requests. */
export function reachOf(constraints: MatchResources, shape: RequestShape): Reach | undefined {
  const covering =
    constraints.resourceRules.length === 0
      ? [{ rule: undefined, as: undefined }]
      : coveringRules(constraints.resourceRules, constraints, shape);
  if (covering.length === 0) return undefined;
  const excluding = coveringRules(constraints.excludeResourceRules, constraints, shape);
  if (excluding.some(({ rule }) => rule?.resourceNames.length === 0)) return undefined;
  const isCertain =
    excluding.length === 0 &&
    (covering[0]?.rule?.resourceNames.length ?? 0) === 0 &&
    selectsEverything(constraints.namespaceSelector) &&
    selectsEverything(constraints.objectSelector);
  const [first] = covering;
  return { constraints, covering, excluding, certain: isCertain ? { kind: "yes", as: first?.as } : undefined };
}

/** Rules about the resource itself first, then those about an equivalent version. */
function coveringRules(rules: readonly ResourceRule[], constraints: MatchResources, shape: RequestShape): readonly Covering[] {
  const cover = (resource: GroupVersionResource, as: GroupVersionResource | undefined): readonly Covering[] =>
    rules.filter((rule) => ruleCovers(rule, shape, resource)).map((rule) => ({ rule, as }));
  const exact = cover(shape.resource, undefined);
  if (constraints.matchPolicy === "Exact") return exact;
  return [...exact, ...equivalentsOf(shape.resource).flatMap((resource) => cover(resource, resource))];
}

/** Whether the constraints match this request, whose shape they reach. */
export function matchReview(reach: Reach, review: Review, world: World): Match {
  if (reach.certain !== undefined) return reach.certain;
  const covered = reach.covering.find(({ rule }) => rule === undefined || ruleNames(rule, review));
  if (covered === undefined) return NO;
  const yes: Match = covered.as === undefined ? YES : { kind: "yes", as: covered.as };
  if (reach.excluding.some(({ rule }) => rule !== undefined && ruleNames(rule, review))) return NO;
  const { namespaceSelector, objectSelector } = reach.constraints;
  if (!objectMatches(objectSelector, review)) return NO;
  const inNamespace = namespaceMatches(namespaceSelector, review, world);
  if (inNamespace === undefined) return { kind: "unknown", message: `the labels of namespace \`${review.namespace}\` are not known` };
  return inNamespace ? yes : NO;
}

/** The selector holds for the object or for the old object. */
function objectMatches(selector: LabelSelector, review: Review): boolean {
  if (selectsEverything(selector)) return true;
  return [review.object, review.oldObject].some((object) => object !== null && selects(selector, labelsOf(object)));
}

/** undefined when the answer depends on labels that are not known. */
function namespaceMatches(selector: LabelSelector, review: Review, world: World): boolean | undefined {
  if (selectsEverything(selector)) return true;
  if (isNamespaceResource(review.resource)) return selects(selector, labelsOf(review.object ?? review.oldObject ?? {}));
  if (review.namespace === "") return true;
  const namespace = world.namespace(review.namespace);
  if (namespace !== undefined) return selects(selector, labelsOf(namespace));
  // The API server puts this one label on every namespace.
  const certain: Labels = { [NAME_LABEL]: review.namespace };
  return selectorKeys(selector).every((key) => key === NAME_LABEL) ? selects(selector, certain) : undefined;
}

const NAME_LABEL = "kubernetes.io/metadata.name";
const NO_LABELS: JsonObject = {};

/** `metadata.labels`, empty when there are none. */
export function labelsOf(object: JsonObject): JsonObject {
  const metadata = memberOf(object, "metadata");
  const labels = isJsonObject(metadata) ? memberOf(metadata, "labels") : undefined;
  return isJsonObject(labels) ? labels : NO_LABELS;
}
