/** Which requests a policy is about: `admissionregistration.k8s.io` MatchResources, with the defaults filled in. */
import { EVERYTHING, type LabelSelector, labelSelector } from "./label-selector.ts";
import { checked, type Field, type Fields, listOf, oneOf, record, required, type Shape, text, withDefault } from "./shape.ts";

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

export const NO_RESOURCES: MatchResources = {
  namespaceSelector: EVERYTHING,
  objectSelector: EVERYTHING,
  resourceRules: [],
  excludeResourceRules: [],
  matchPolicy: "Equivalent",
};

const operation: Shape<RuleOperation> = oneOf("CREATE", "UPDATE", "DELETE", "CONNECT", "*");

/** With `list` as the field of the four lists that say what a rule is about. */
function ruleShape(list: <T>(item: Shape<T>) => Field<readonly T[]>): Shape<ResourceRule> {
  return record<ResourceRule>({
    resourceNames: withDefault(listOf(text), []),
    operations: list(operation),
    apiGroups: list(text),
    apiVersions: list(text),
    resources: list(text),
    scope: withDefault(oneOf("Cluster", "Namespaced", "*"), "*"),
  });
}

function matchFields(rule: Shape<ResourceRule>): Fields<MatchResources> {
  return {
    namespaceSelector: withDefault(labelSelector, EVERYTHING),
    objectSelector: withDefault(labelSelector, EVERYTHING),
    resourceRules: withDefault(listOf(rule), []),
    excludeResourceRules: withDefault(listOf(rule), []),
    matchPolicy: withDefault(oneOf("Exact", "Equivalent"), "Equivalent"),
  };
}

/** As the API server takes it: a rule that leaves out what it is about is refused. */
export const matchResources: Shape<MatchResources> = record(matchFields(ruleShape((item) => required(listOf(item, { min: 1 })))));

/** The constraints of a policy: there must be a rule. */
export const matchConstraints: Shape<MatchResources> = checked(matchResources, ({ resourceRules }, spot) => {
  if (resourceRules.length === 0) spot.report("RESOURCE_MISSING_FIELD", `expected at least one item in \`${spot.name}.resourceRules\``);
});

/** As Kyverno takes it: what a rule leaves out is empty, and matches nothing. */
export const looseMatchFields: Fields<MatchResources> = matchFields(ruleShape((item) => withDefault(listOf(item), [])));

export const looseMatchResources: Shape<MatchResources> = record(looseMatchFields);
