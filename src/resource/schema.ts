/** Structural schemas of Kubernetes objects: what structured merge, type declarations and manifest checks read. */

/** One node. Immutable; recursion (JSONSchemaProps) is through getters of `properties`, so walk with a bound. */
export interface Schema {
  readonly type: "object" | "array" | "string" | "integer" | "number" | "boolean" | "any";
  /** `int32`, `int64`, `date-time`, `byte`, `duration`, … */
  readonly format?: string;
  /** The name of the definition this node stands for: `io.k8s.api.core.v1.PodSpec`. */
  readonly name?: string;
  /** The first sentence of the documentation. */
  readonly description?: string;
  readonly nullable?: boolean;
  /** x-kubernetes-int-or-string. */
  readonly intOrString?: boolean;
  /** x-kubernetes-preserve-unknown-fields: fields that are not declared are allowed. */
  readonly preserveUnknown?: boolean;
  /** x-kubernetes-embedded-resource. */
  readonly embeddedResource?: boolean;
  /** Of an array; default `atomic`. */
  readonly listType?: "atomic" | "set" | "map";
  /** Not empty when listType is `map`. */
  readonly listMapKeys?: readonly string[];
  /** Of an object; default `granular`. */
  readonly mapType?: "atomic" | "granular";
  readonly properties?: ReadonlyMap<string, Schema>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly additionalProperties?: Schema;
  readonly enum?: readonly string[];
  /** The value that an absent field counts as; kept for the keys of `map` lists (`protocol: TCP`), which merging compares. */
  readonly default?: string;
}
