/** What all policies judged on one review share: the bindings of their expressions. */

import { parseTimestamp } from "../cel/runtime/timestamp.ts";
import type { CelValue } from "../cel/value.ts";
import { isJsonObject, type JsonObject } from "../lib/json.ts";
import { memberOf } from "./json-equals.ts";
import { isNamespaceResource } from "./resource-rule.ts";
import type { Review, World } from "./review.ts";

/**
 * What policies see of a namespace that the world does not know: `refuse` makes it an error for those that ask, `bare` gives it no
 * labels but its name, and makes it null in expressions, as Kyverno's command line does.
 */
export type UnknownNamespaces = "refuse" | "bare";

const NO_EXCEPTIONS = { allowedImages: [], allowedValues: [] };

export type Bindings = Readonly<Record<string, CelValue>>;

/** The bindings of a review. `namespaceObject` is not among them when its namespace is not known and that is to be an error. */
export function bindingsOf(review: Review, world: World, unknownNamespaces: UnknownNamespaces): Bindings {
  const namespace = namespaceObject(review, world);
  const bindings = {
    ...world.bindings,
    object: review.object,
    oldObject: review.oldObject,
    request: review.request,
    exceptions: NO_EXCEPTIONS,
  };
  if (namespace !== undefined) return { ...bindings, namespaceObject: namespace };
  return unknownNamespaces === "bare" ? { ...bindings, namespaceObject: null } : bindings;
}

/** null for what is in no namespace, undefined for a namespace that is not known. */
function namespaceObject(review: Review, world: World): CelValue | undefined {
  if (review.namespace === "" || isNamespaceResource(review.resource)) return null;
  const namespace = world.namespace(review.namespace);
  return namespace === undefined ? undefined : withTimestamps(namespace);
}

/** The namespace as it is declared: with its times as timestamps, which are texts in JSON. */
function withTimestamps(namespace: JsonObject): CelValue {
  const metadata = namespace["metadata"];
  if (!isJsonObject(metadata)) return namespace;
  const times = ["creationTimestamp", "deletionTimestamp"].flatMap((key) => {
    const text = memberOf(metadata, key);
    return typeof text === "string" ? [[key, parseTimestamp(text)] as const] : [];
  });
  return times.length === 0 ? namespace : { ...namespace, metadata: { ...metadata, ...Object.fromEntries(times) } };
}

/** The world as a judge sees it that knows every namespace at least by name. */
export function withBareNamespaces(world: World): World {
  return {
    namespace: (name) => world.namespace(name) ?? { metadata: { name, labels: { "kubernetes.io/metadata.name": name } } },
    objects: (apiVersion, kind, namespace) => world.objects(apiVersion, kind, namespace),
    bindings: world.bindings,
    nowMs: world.nowMs,
  };
}
