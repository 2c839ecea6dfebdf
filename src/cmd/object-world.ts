/** A world that consists of given objects: those beside the policies, and those among the manifests that are checked. */
import { globalContext } from "../cel/library/kyverno/global-context.ts";
import { httpContext } from "../cel/library/kyverno/http.ts";
import { imageDataContext } from "../cel/library/kyverno/image-data.ts";
import type { Lookup } from "../cel/library/kyverno/lookup.ts";
import { type ResourceKind, type ResourceSource, resourceContext } from "../cel/library/kyverno/resource.ts";
import type { JsonObject, JsonValue } from "../lib/json.ts";
import { err, ok } from "../lib/result.ts";
import { splitApiVersion } from "../policy/equivalent-resource.ts";
import { selects } from "../policy/label-match.ts";
import { labelsOf } from "../policy/match.ts";
import type { World } from "../policy/review.ts";
import { guessPlural, type ObjectReviewOptions } from "../policy/review-of.ts";

type TypeOf = ObjectReviewOptions["resourceTypeOf"];

/** Of two objects with one name the later counts, so that somebody's own parameters take the place of the shipped ones. */
export function worldOf(objects: Iterable<JsonObject>, resourceTypeOf: TypeOf, nowMs: number): World {
  const byKind = indexByKind(objects);
  const ofKind = (apiVersion: string, kind: string): readonly JsonObject[] => [...(byKind.get(`${apiVersion} ${kind}`)?.values() ?? [])];
  return {
    namespace: (name) => byKind.get("v1 Namespace")?.get(`/${name}`),
    objects: (apiVersion, kind, namespace) => inNamespace(ofKind(apiVersion, kind), namespace),
    bindings: {
      resource: resourceContext(sourceOf(byKind, resourceTypeOf)),
      http: httpContext({ request: () => notConnected }),
      globalContext: globalContext({ get: () => ok(null) }),
      image: imageDataContext({ get: () => notConnected }),
    },
    nowMs,
  };
}

/** By `apiVersion kind`, then by `namespace/name`. */
type KindIndex = ReadonlyMap<string, ReadonlyMap<string, JsonObject>>;

function indexByKind(objects: Iterable<JsonObject>): KindIndex {
  const byKind = new Map<string, Map<string, JsonObject>>();
  for (const object of objects) {
    const key = `${object["apiVersion"]} ${object["kind"]}`;
    const named = byKind.get(key) ?? new Map<string, JsonObject>();
    const { name, namespace } = metadataOf(object);
    named.set(`${namespace}/${name}`, object);
    byKind.set(key, named);
  }
  return byKind;
}

const inNamespace = (objects: readonly JsonObject[], namespace: string): readonly JsonObject[] =>
  namespace === "" ? objects : objects.filter((object) => metadataOf(object).namespace === namespace);

const notConnected: Lookup = err({ reason: "no cluster is connected", ageMs: null });

/** Answers Kyverno's `resource` functions. What is not among the objects is not known to be absent. */
function sourceOf(byKind: KindIndex, resourceTypeOf: TypeOf): ResourceSource {
  const pluralOf = (apiVersion: string, kind: string): string =>
    resourceTypeOf({ ...splitApiVersion(apiVersion), kind })?.plural ?? guessPlural(kind);
  const ofResource = ({ apiVersion, resource }: ResourceKind): readonly JsonObject[] =>
    [...byKind].flatMap(([key, named]) => {
      const [version = "", kind = ""] = key.split(" ");
      return version === apiVersion && pluralOf(version, kind) === resource ? [...named.values()] : [];
    });
  return {
    get: (kind, namespace, name) => {
      const found = inNamespace(ofResource(kind), namespace).find((object) => metadataOf(object).name === name);
      return found === undefined ? notConnected : ok(found);
    },
    list: (kind, namespace, matchLabels) => {
      const known = ofResource(kind);
      if (known.length === 0) return notConnected;
      const selector = { matchLabels, matchExpressions: [] };
      return ok({ items: inNamespace(known, namespace).filter((object) => selects(selector, labelsOf(object))) });
    },
    post: () => notConnected,
    resourceOf: pluralOf,
  };
}

/** Name and namespace, empty where the object has none. */
export function metadataOf({ metadata }: JsonObject): { readonly name: string; readonly namespace: string } {
  const fields: JsonObject = typeof metadata === "object" && metadata !== null && !isList(metadata) ? metadata : {};
  const text = (value: JsonValue | undefined): string => (typeof value === "string" ? value : "");
  return { name: text(fields["name"]) || text(fields["generateName"]), namespace: text(fields["namespace"]) };
}

const isList = (value: JsonObject | readonly JsonValue[]): value is readonly JsonValue[] => Array.isArray(value);
