/** The world of a suite: what its files say that exists beside the subjects. */
import { globalContext } from "../../cel/library/kyverno/global-context.ts";
import { httpContext } from "../../cel/library/kyverno/http.ts";
import { imageDataContext } from "../../cel/library/kyverno/image-data.ts";
import type { Lookup, Missing } from "../../cel/library/kyverno/lookup.ts";
import { type ResourceKind, type ResourceSource, resourceContext } from "../../cel/library/kyverno/resource.ts";
import type { CelValue } from "../../cel/value.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../lib/json.ts";
import { err, ok } from "../../lib/result.ts";
import { splitApiVersion } from "../equivalent-resource.ts";
import { memberOf } from "../json-equals.ts";
import { selects } from "../label-match.ts";
import { labelsOf } from "../match.ts";
import type { World } from "../review.ts";
import { guessPlural, type ObjectReviewOptions, reviewOfObject } from "../review-of.ts";
import { projectEntry } from "./global-context-entry.ts";
import type { Suite } from "./load-suite.ts";

type TypeOf = ObjectReviewOptions["resourceTypeOf"];

/** When the tests of the world take place: exceptions that expire later still hold. */
const NOW_MS = Date.UTC(2026, 0, 1);

export function suiteWorld(suite: Suite, resourceTypeOf: TypeOf): World {
  const shown = visibleObjects(suite);
  const objects = shown.flatMap((object) => {
    const review = reviewOfObject(object, { resourceTypeOf });
    return review.ok && review.value.object !== null ? [review.value.object] : [];
  });
  const images = suite.context.images;
  const bindings: Readonly<Record<string, CelValue>> = {
    resource: resourceContext(resourceSource(objects, resourceTypeOf, suite.cluster !== undefined)),
    http: httpContext({ request: ({ method, url }) => httpResponse(suite, method, url) }),
    globalContext: globalContext({ get: (name, projection) => globalEntry(suite, name, projection) }),
    image: imageDataContext({ get: (image) => found(images.get(image), "it is not in the context") }),
  };
  return {
    namespace: (name) => suite.values.namespaces.get(name) ?? (suite.cluster === undefined ? undefined : namespaceOf(objects, name)),
    objects: (apiVersion, kind, namespace) =>
      objects.filter(
        (object) =>
          object["apiVersion"] === apiVersion &&
          object["kind"] === kind &&
          (namespace === "" || metadataOf(object, "namespace") === namespace),
      ),
    bindings,
    nowMs: NOW_MS,
  };
}

/** With a cluster, policies see the subjects and targets, too. */
function visibleObjects({ context, cluster, params, subjects, targets }: Suite): readonly JsonObject[] {
  const always = [...params, ...context.resources, ...targets];
  return cluster === undefined ? always : [...always, ...cluster.resources, ...subjects];
}

const metadataOf = (object: JsonObject, key: string): string => {
  const metadata = memberOf(object, "metadata");
  const value = isJsonObject(metadata) ? memberOf(metadata, key) : undefined;
  return typeof value === "string" ? value : "";
};

const namespaceOf = (objects: readonly JsonObject[], name: string): JsonObject | undefined =>
  objects.find((object) => object["kind"] === "Namespace" && metadataOf(object, "name") === name);

const unknown = (reason: string): Missing => ({ reason, ageMs: null });

const found = (value: JsonValue | undefined, reason: string): Lookup => (value === undefined ? err(unknown(reason)) : ok(value));

function resourceSource(objects: readonly JsonObject[], resourceTypeOf: TypeOf, isCluster: boolean): ResourceSource {
  const pluralOf = (object: JsonObject): string => {
    const kind = String(object["kind"]);
    return resourceTypeOf({ ...splitApiVersion(String(object["apiVersion"])), kind })?.plural ?? guessPlural(kind);
  };
  const ofKind = ({ apiVersion, resource }: ResourceKind): readonly JsonObject[] =>
    objects.filter((object) => object["apiVersion"] === apiVersion && pluralOf(object) === resource);
  return {
    get: (kind, namespace, name) =>
      ok(ofKind(kind).find((object) => metadataOf(object, "namespace") === namespace && metadataOf(object, "name") === name) ?? null),
    list: (kind, namespace, labels) => {
      const all = ofKind(kind);
      if (all.length === 0 && !isCluster) return err(unknown("it is not in the context"));
      const near = all.filter((object) => (namespace === "" && isCluster) || metadataOf(object, "namespace") === namespace);
      return ok({ items: near.filter((object) => selects({ matchLabels: labels, matchExpressions: [] }, labelsOf(object))) });
    },
    post: () => err(unknown("nothing can be created in a test")),
    resourceOf: (apiVersion, kind) => resourceTypeOf({ ...splitApiVersion(apiVersion), kind })?.plural ?? guessPlural(kind),
  };
}

function httpResponse({ test }: Suite, method: string, url: string): Lookup {
  const matching = test.httpResponses.filter((response) => response.url === url && (response.method === "" || response.method === method));
  const response = matching.find((candidate) => candidate.method !== "") ?? matching[0];
  return response === undefined
    ? err(unknown("it is not among `apiCallResponses`"))
    : ok({ body: response.body, statusCode: response.statusCode });
}

function globalEntry(suite: Suite, name: string, projection: string | null): Lookup {
  const entry = suite.test.globalContext.find((candidate) => candidate.name === name);
  if (entry === undefined) return ok(null);
  const files = entry.resourceFiles?.flatMap((path) => suite.globalContextFiles.get(path) ?? []);
  const value = projectEntry(entry, entry.data ?? entry.resources ?? files ?? null);
  if (!value.ok) return err(unknown(value.error));
  if (projection === null || projection === "") return ok(value.value);
  return found(isJsonObject(value.value) ? memberOf(value.value, projection) : undefined, `it has no projection \`${projection}\``);
}
