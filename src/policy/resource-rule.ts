/** Resource rules as the API server reads them (`admissionregistration.k8s.io`, NamedRuleWithOperations). */
import { isJsonObject, type JsonValue } from "../lib/json.ts";
import type { ResourceRule } from "../resource/match-resources.ts";
import { memberOf } from "./json-equals.ts";
import type { GroupVersionResource, Operation, Review } from "./review.ts";

/** What of a request the rules ask about, apart from its name: requests of one shape reach the same policies. */
export interface RequestShape {
  readonly resource: GroupVersionResource;
  readonly subResource: string;
  readonly operation: Operation;
  readonly isNamespaced: boolean;
}

/** A Namespace is cluster-scoped although requests for it carry its name as their namespace. */
export const isNamespaceResource = ({ group, resource }: GroupVersionResource): boolean => group === "" && resource === "namespaces";

export const shapeOf = (review: Review): RequestShape => ({
  resource: review.resource,
  subResource: review.subResource,
  operation: review.operation,
  isNamespaced: review.namespace !== "" && !isNamespaceResource(review.resource),
});

/** Equal for requests of one shape. */
export const shapeKey = ({ resource, subResource, operation, isNamespaced }: RequestShape): string =>
  `${resource.group}/${resource.version}/${resource.resource}/${subResource}/${operation}/${isNamespaced}`;

/** Whether the rule is about requests of this shape, whatever their names. */
export function ruleCovers(rule: ResourceRule, shape: RequestShape, resource: GroupVersionResource): boolean {
  return (
    (rule.scope === "*" || (rule.scope === "Namespaced") === shape.isNamespaced) &&
    holds(rule.operations, shape.operation) &&
    holds(rule.apiGroups, resource.group) &&
    holds(rule.apiVersions, resource.version) &&
    rule.resources.some((pattern) => coversResource(pattern, resource.resource, shape.subResource))
  );
}

const holds = (list: readonly string[], item: string): boolean => list.includes("*") || list.includes(item);

// A pattern is `pods`, `pods/status`, or has a wildcard on either side of the slash; `*` alone does not reach subresources.
function coversResource(pattern: string, resource: string, subResource: string): boolean {
  const slash = pattern.indexOf("/");
  const main = slash === -1 ? pattern : pattern.slice(0, slash);
  const sub = slash === -1 ? "" : pattern.slice(slash + 1);
  return (main === "*" || main === resource) && (sub === "*" || sub === subResource);
}

/** Whether the rule is about an object of that name. A name that the server has yet to generate matches by its prefix. */
export function ruleNames(rule: ResourceRule, review: Review): boolean {
  if (rule.resourceNames.length === 0) return true;
  if (review.name !== "") return rule.resourceNames.includes(review.name);
  const prefix = generateNameOf(review.object);
  return prefix !== undefined && rule.resourceNames.some((name) => prefix.startsWith(name));
}

function generateNameOf(object: JsonValue): string | undefined {
  const metadata = isJsonObject(object) ? memberOf(object, "metadata") : undefined;
  const prefix = isJsonObject(metadata) ? memberOf(metadata, "generateName") : undefined;
  return typeof prefix === "string" ? prefix : undefined;
}
