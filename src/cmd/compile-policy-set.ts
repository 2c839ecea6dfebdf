/** From policies as they were read to what judges by them. */
import { CelError, type CelValue } from "../cel/value.ts";
import type { Diagnostic } from "../lib/diagnostic.ts";
import { compileSnapshot, type Snapshot, type SnapshotOptions } from "../policy/snapshot.ts";
import { isCustomResourceDefinition, parseCustomKinds } from "../resource/crd.ts";
import type { Document } from "../resource/document.ts";
import { type Kinds, withCustomKinds } from "../resource/kinds.ts";
import type { PolicySet } from "./policy-set.ts";
import { readOneValue } from "./read-input.ts";

export interface CompiledPolicies {
  readonly snapshot: Snapshot;
  /** What is wrong with the files and with what they say. */
  readonly diagnostics: readonly Diagnostic[];
  /** Knows the built-in kinds and those that definitions among the files add. */
  readonly kinds: Kinds;
  readonly resourceTypeOf: Kinds["resourceTypeOf"];
}

/** Compiles a set; `definitions` are further documents among which CustomResourceDefinitions may be. */
export function compilePolicySet(
  set: PolicySet,
  unboundPolicies: NonNullable<SnapshotOptions["unboundPolicies"]>,
  definitions: readonly Document[] = [],
): CompiledPolicies {
  const kinds = kindsOf([...set.others, ...definitions]);
  const { snapshot, diagnostics } = compileSnapshot(set.resources, {
    schemaOf: kinds.schemaOf,
    random: Math.random,
    parseYaml,
    unboundPolicies,
  });
  return { snapshot, diagnostics: [...set.diagnostics, ...diagnostics], kinds, resourceTypeOf: kinds.resourceTypeOf };
}

/** A definition that cannot be read is judged as a manifest like any other; its kind is then unknown. */
function kindsOf(documents: readonly Document[]): Kinds {
  const custom = documents.filter(isCustomResourceDefinition).flatMap((document) => {
    const parsed = parseCustomKinds(document);
    return parsed.ok ? parsed.value : [];
  });
  return withCustomKinds(custom);
}

/** For Kyverno's `yaml.parse`. */
export function parseYaml(text: string): CelValue {
  const read = readOneValue(text, "<yaml>");
  return read.ok ? read.value.value : new CelError("CEL_INVALID_ARGUMENT", read.error[0]?.message ?? "expected one YAML document");
}
