/** The rules of many policies as the few rules of one webhook: the same requests, within what the API server accepts in one list. */
import type { CompiledPolicy } from "../policy/compiled-policy.ts";
import type { ResourceRule } from "../resource/match-resources.ts";

/** RuleWithOperations of `admissionregistration.k8s.io/v1`: it has no resource names. */
export type WebhookRule = Omit<ResourceRule, "resourceNames">;

const EVERYTHING: WebhookRule = { operations: ["*"], apiGroups: ["*"], apiVersions: ["*"], resources: ["*/*"], scope: "*" };

/** What policies that are in force at admission are about. A policy without rules is about everything. */
export function rulesOfPolicies(policies: readonly CompiledPolicy[]): readonly WebhookRule[] {
  return policies.flatMap(({ constraints, bindings, runsAt }) => {
    if (constraints === undefined || bindings.length === 0 || !runsAt.admission) return [];
    if (constraints.resourceRules.length === 0) return [EVERYTHING];
    return constraints.resourceRules.map(({ operations, apiGroups, apiVersions, resources, scope }) => ({
      operations,
      apiGroups,
      apiVersions,
      resources,
      scope,
    }));
  });
}

/** Rules that together reach exactly the requests that `rules` reach, whatever their names; in a stable order. */
export function unionOfRules(rules: readonly WebhookRule[]): readonly WebhookRule[] {
  const merged = mergeBy("resources", mergeBy("operations", rules.map(normalise)));
  const widest = merged.filter(
    (rule, index) => !merged.some((other, at) => at !== index && includes(other, rule) && (at < index || !includes(rule, other))),
  );
  return widest.toSorted((a, b) => compareText(keyOf(a), keyOf(b)));
}

function normalise({ operations, apiGroups, apiVersions, resources, scope }: WebhookRule): WebhookRule {
  return {
    operations: items(operations),
    apiGroups: items(apiGroups),
    apiVersions: items(apiVersions),
    resources: patterns(resources),
    scope,
  };
}

/** Each item once, in order; `*` stands alone. */
function items<T extends string>(list: readonly T[]): readonly T[] {
  const all = list.filter((item) => item === "*");
  return (all.length > 0 ? all.slice(0, 1) : [...new Set(list)]).toSorted(compareText);
}

/** Each pattern once, without those that another one includes: the API server refuses such lists. */
function patterns(list: readonly string[]): readonly string[] {
  const unique = [...new Set(list)];
  return unique.filter((pattern) => !unique.some((other) => other !== pattern && includesPattern(other, pattern))).toSorted(compareText);
}

/** Makes one rule of those that differ in one list only. */
function mergeBy(list: "operations" | "resources", rules: readonly WebhookRule[]): readonly WebhookRule[] {
  const groups = Map.groupBy(rules, (rule) => keyOf({ ...rule, [list]: [] }));
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    return first === undefined ? [] : [normalise({ ...first, [list]: group.flatMap((rule) => rule[list]) })];
  });
}

const keyOf = ({ apiGroups, resources, apiVersions, operations, scope }: WebhookRule): string =>
  JSON.stringify([apiGroups, resources, apiVersions, operations, scope]);

/** Whether every request that `inner` reaches is reached by `outer`. */
function includes(outer: WebhookRule, inner: WebhookRule): boolean {
  const holds = (a: readonly string[], b: readonly string[]): boolean => a.includes("*") || b.every((item) => a.includes(item));
  return (
    (outer.scope === "*" || outer.scope === inner.scope) &&
    holds(outer.operations, inner.operations) &&
    holds(outer.apiGroups, inner.apiGroups) &&
    holds(outer.apiVersions, inner.apiVersions) &&
    inner.resources.every((pattern) => outer.resources.some((other) => includesPattern(other, pattern)))
  );
}

/** Of `resource` or `resource/subresource` with a wildcard on either side; a wildcard subresource includes the resource itself. */
function includesPattern(outer: string, inner: string): boolean {
  const [outerMain = "", outerSub = ""] = outer.split("/", 2);
  const [innerMain = "", innerSub = ""] = inner.split("/", 2);
  return (outerMain === "*" || outerMain === innerMain) && (outerSub === "*" || outerSub === innerSub);
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
