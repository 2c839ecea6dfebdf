/**
 * All extension libraries by the family that they come from. Each list is complete for its family: it is what an environment
 * of that family has beyond the standard library, so families overlap. Libraries of one name are variants of one library;
 * an environment takes one of them.
 */
import type { Library } from "../declaration.ts";
import type { CelValue } from "../value.ts";

/** The extensions of cel-go at their newest versions: strings, lists, sets, math, encoders, regex, network. */
export const extensionLibraries: readonly Library[] = [];

/** Everything that the API server of Kubernetes 1.36 enables in policies. */
export const kubernetesLibraries: readonly Library[] = [];

/** What Kyverno's functions need of the outside; the language itself reads no clock and no randomness. */
export interface KyvernoOptions {
  /** Milliseconds since the epoch, for `time.now()`. */
  readonly nowMs: () => number;
  /** A number in [0, 1), for `random()`. */
  readonly random: () => number;
  /** One YAML document as JSON, or a `CelError`, for `yaml.parse`. */
  readonly parseYaml: (text: string) => CelValue;
  /** The namespace of a namespaced policy: its `resource` functions take no namespace and stay inside this one. */
  readonly namespace?: string;
}

/** Everything that Kyverno enables in its policies. */
export function kyvernoLibraries(_options: KyvernoOptions): readonly Library[] {
  return kubernetesLibraries;
}
