/** From policies as they were read to what judges by them. */
import { CelError, type CelValue } from "../cel/value.ts";
import type { Diagnostic } from "../lib/diagnostic.ts";
import type { ObjectReviewOptions } from "../policy/review-of.ts";
import { compileSnapshot, type Snapshot, type SnapshotOptions } from "../policy/snapshot.ts";
import { type CustomKind, isCustomResourceDefinition, parseCustomKinds } from "../resource/crd.ts";
import type { Document } from "../resource/document.ts";
import { kubernetesSchemas, resourceTypeOf } from "../resource/kubernetes-kinds.ts";
import type { PolicySet } from "./policy-set.ts";
import { readOneValue } from "./read-input.ts";

export interface CompiledPolicies {
  readonly snapshot: Snapshot;
  /** What is wrong with the files and with what they say. */
  readonly diagnostics: readonly Diagnostic[];
  /** Knows the built-in kinds and those that definitions among the files add. */
  readonly resourceTypeOf: ObjectReviewOptions["resourceTypeOf"];
}

/** Compiles a set; `definitions` are further documents among which CustomResourceDefinitions may be. */
export function compilePolicySet(
  set: PolicySet,
  unboundPolicies: NonNullable<SnapshotOptions["unboundPolicies"]>,
  definitions: readonly Document[] = [],
): CompiledPolicies {
  const custom = customKinds([...set.others, ...definitions]);
  const { snapshot, diagnostics } = compileSnapshot(set.resources, {
    schemaOf: ({ group, version, kind }) =>
      kubernetesSchemas({ group, version, kind }) ?? custom.get(`${group}/${version} ${kind}`)?.schema,
    random: Math.random,
    parseYaml,
    unboundPolicies,
  });
  return {
    snapshot,
    diagnostics: [...set.diagnostics, ...diagnostics],
    resourceTypeOf: (gvk) => resourceTypeOf(gvk) ?? custom.get(`${gvk.group}/${gvk.version} ${gvk.kind}`)?.type,
  };
}

/** A definition that cannot be read is judged as a manifest like any other; its kind is then unknown. */
function customKinds(documents: readonly Document[]): ReadonlyMap<string, CustomKind> {
  const kinds = documents.filter(isCustomResourceDefinition).flatMap((document) => {
    const parsed = parseCustomKinds(document);
    return parsed.ok ? parsed.value : [];
  });
  return new Map(kinds.map((kind) => [`${kind.group}/${kind.version} ${kind.kind}`, kind]));
}

/** For Kyverno's `yaml.parse`. */
export function parseYaml(text: string): CelValue {
  const read = readOneValue(text, "<yaml>");
  return read.ok ? read.value.value : new CelError("CEL_INVALID_ARGUMENT", read.error[0]?.message ?? "expected one YAML document");
}
