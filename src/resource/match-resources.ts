/** Which requests a policy is about: `admissionregistration.k8s.io` MatchResources, with the defaults filled in. */
import type { LabelSelector } from "./label-selector.ts";

export interface MatchResources {
  /** Default: selects every namespace. */
  readonly namespaceSelector: LabelSelector;
  /** Default: selects every object. */
  readonly objectSelector: LabelSelector;
  readonly resourceRules: readonly ResourceRule[];
  readonly excludeResourceRules: readonly ResourceRule[];
  /** Default `Equivalent`. */
  readonly matchPolicy: "Exact" | "Equivalent";
}

export type RuleOperation = "CREATE" | "UPDATE" | "DELETE" | "CONNECT" | "*";
export type RuleScope = "Cluster" | "Namespaced" | "*";

/** NamedRuleWithOperations. `*` in a list means all; `pods/status` and wildcards on either side of the slash reach subresources. */
export interface ResourceRule {
  /** Empty means every name. */
  readonly resourceNames: readonly string[];
  readonly operations: readonly RuleOperation[];
  readonly apiGroups: readonly string[];
  readonly apiVersions: readonly string[];
  readonly resources: readonly string[];
  /** Default `*`. */
  readonly scope: RuleScope;
}
