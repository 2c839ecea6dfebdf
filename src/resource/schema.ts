/** Structural schemas of Kubernetes objects: what structured merge, type declarations and manifest checks read. */
import type { JsonValue } from "../lib/json.ts";

/** One node. Immutable; a schema may contain itself (JSONSchemaProps does), so walk it along a value or with a bound. */
export interface Schema {
  readonly type: "object" | "array" | "string" | "integer" | "number" | "boolean" | "any";
  /** `int32`, `int64`, `date-time`, `byte`, `duration`, …; `quantity` is a string or a number such as `500m`. */
  readonly format?: string | undefined;
  /** The name of the definition this node stands for: `io.k8s.api.core.v1.PodSpec`. */
  readonly name?: string | undefined;
  /** The first sentence of the documentation. */
  readonly description?: string | undefined;
  readonly nullable?: boolean | undefined;
  /** x-kubernetes-int-or-string. */
  readonly intOrString?: boolean | undefined;
  /** x-kubernetes-preserve-unknown-fields: fields that are not declared are allowed. */
  readonly preserveUnknown?: boolean | undefined;
  /** x-kubernetes-embedded-resource. */
  readonly embeddedResource?: boolean | undefined;
  /** Of an array; default `atomic`. */
  readonly listType?: "atomic" | "set" | "map" | undefined;
  /** Not empty when listType is `map`. */
  readonly listMapKeys?: readonly string[] | undefined;
  /** Of an object; default `granular`. */
  readonly mapType?: "atomic" | "granular" | undefined;
  readonly properties?: ReadonlyMap<string, Schema> | undefined;
  readonly required?: readonly string[] | undefined;
  readonly items?: Schema | undefined;
  readonly additionalProperties?: Schema | undefined;
  readonly enum?: readonly JsonValue[] | undefined;
  /** The value that an absent field counts as; merging compares it for the keys of `map` lists (`protocol: TCP`). */
  readonly default?: JsonValue | undefined;
}
