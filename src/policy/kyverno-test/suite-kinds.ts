/** The kinds that a suite knows: those of Kubernetes, and those that its CustomResourceDefinitions define. */
import { isJsonObject, type JsonObject } from "../../lib/json.ts";
import { kubernetesSchemas, resourceTypeOf } from "../../resource/kubernetes-kinds.ts";
import type { Schema } from "../../resource/schema.ts";
import type { GroupVersionKind } from "../review.ts";
import type { ResourceType } from "../review-of.ts";

export interface SuiteKinds {
  readonly resourceTypeOf: (kind: GroupVersionKind) => ResourceType | undefined;
  readonly schemaOf: (kind: GroupVersionKind) => Schema | undefined;
}

export function suiteKinds(definitions: readonly JsonObject[]): SuiteKinds {
  const defined = new Map(definitions.flatMap(definedKind));
  return {
    resourceTypeOf: (kind) => defined.get(`${kind.group}/${kind.kind}`) ?? resourceTypeOf(kind),
    schemaOf: kubernetesSchemas,
  };
}

function definedKind({ spec }: JsonObject): readonly (readonly [string, ResourceType])[] {
  if (!isJsonObject(spec) || !isJsonObject(spec["names"])) return [];
  const { kind, plural } = spec["names"];
  if (typeof kind !== "string" || typeof plural !== "string") return [];
  return [[`${String(spec["group"])}/${kind}`, { plural, namespaced: spec["scope"] === "Namespaced" }]];
}
