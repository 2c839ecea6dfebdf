/** Policies and objects for tests, written as YAML. */
import type { Diagnostic } from "../src/lib/diagnostic.ts";
import { isJsonObject, type JsonObject } from "../src/lib/json.ts";
import type { Review, World } from "../src/policy/review.ts";
import { type ObjectReviewOptions, reviewOfObject } from "../src/policy/review-of.ts";
import { compileSnapshot, type Snapshot, type SnapshotOptions } from "../src/policy/snapshot.ts";
import { readDocuments } from "../src/resource/document.ts";
import { BUILT_IN_KINDS } from "../src/resource/kinds.ts";
import { type PolicyResource, parsePolicyResource } from "../src/resource/policy-resource.ts";

export function objectsOf(yaml: string): readonly JsonObject[] {
  const { documents, diagnostics } = readDocuments(yaml, "<test>");
  if (diagnostics.length > 0) throw new Error(JSON.stringify(diagnostics));
  return documents.map(({ value }) => value);
}

export function objectOf(yaml: string): JsonObject {
  const [object] = objectsOf(yaml);
  if (object === undefined) throw new Error("no document");
  return object;
}

export function resourcesOf(yaml: string): readonly PolicyResource[] {
  return readDocuments(yaml, "policy.yaml").documents.map((document) => {
    const parsed = parsePolicyResource(document);
    if (parsed.kind !== "policy") throw new Error(JSON.stringify(parsed));
    return parsed.resource;
  });
}

export const compile = (
  yaml: string,
  options: Partial<SnapshotOptions> = {},
): { readonly snapshot: Snapshot; readonly diagnostics: readonly Diagnostic[] } =>
  compileSnapshot(resourcesOf(yaml), { schemaOf: BUILT_IN_KINDS.schemaOf, random: () => 0, parseYaml: () => null, ...options });

/** The snapshot of policies that compile. */
export function snapshotOf(yaml: string, options: Partial<SnapshotOptions> = {}): Snapshot {
  const { snapshot, diagnostics } = compile(yaml, options);
  const errors = diagnostics.filter(({ severity }) => severity === "error");
  if (errors.length > 0) throw new Error(JSON.stringify(errors));
  return snapshot;
}

export function reviewOf(yaml: string, options: Partial<ObjectReviewOptions> = {}): Review {
  const review = reviewOfObject(objectOf(yaml), { resourceTypeOf: BUILT_IN_KINDS.resourceTypeOf, ...options });
  if (!review.ok) throw new Error(review.error.message);
  return review.value;
}

/** A world of these objects, at the given time. */
export function worldOf(yaml: string = "", nowMs: number = Date.UTC(2026, 0, 1)): World {
  const objects = objectsOf(yaml);
  const metadataOf = (object: JsonObject): JsonObject => (isJsonObject(object["metadata"]) ? object["metadata"] : {});
  return {
    namespace: (name) => objects.find((object) => object["kind"] === "Namespace" && metadataOf(object)["name"] === name),
    objects: (apiVersion, kind, namespace) =>
      objects.filter(
        (object) =>
          object["apiVersion"] === apiVersion &&
          object["kind"] === kind &&
          (namespace === "" || metadataOf(object)["namespace"] === namespace),
      ),
    bindings: {},
    nowMs,
  };
}
