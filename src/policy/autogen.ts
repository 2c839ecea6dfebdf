/**
 * What Kyverno derives from a policy about Pods for the controllers that make Pods. It rewrites expressions as text, without
 * knowing CEL; so does this, in order to derive the same policies.
 */
import type { Expression, NamedExpression } from "../resource/expression.ts";
import type { MatchResources, ResourceRule } from "../resource/match-resources.ts";
import type { MutatingPolicy } from "../resource/mutating-policy.ts";
import type { ValidatingPolicy } from "../resource/validating-policy.ts";
import { selectsEverything } from "./label-match.ts";
import { rewriteExpression, type TextEdit } from "./source-rewrite.ts";

export type AutogenName = "defaults" | "cronjobs";

export interface Derived<P> {
  readonly name: AutogenName;
  readonly policy: P;
}

const CONTROLLERS: Readonly<Record<string, { readonly group: string; readonly template: AutogenName }>> = {
  daemonsets: { group: "apps", template: "defaults" },
  deployments: { group: "apps", template: "defaults" },
  replicasets: { group: "apps", template: "defaults" },
  statefulsets: { group: "apps", template: "defaults" },
  jobs: { group: "batch", template: "defaults" },
  cronjobs: { group: "batch", template: "cronjobs" },
};

/** Where the Pod is inside a controller. */
const TEMPLATE_PATH: Readonly<Record<AutogenName, string>> = { defaults: "spec.template", cronjobs: "spec.jobTemplate.spec.template" };

/** The policies that a ValidatingPolicy about Pods implies for Pod controllers; none for other policies. */
export function deriveValidating(policy: ValidatingPolicy): readonly Derived<ValidatingPolicy>[] {
  return derive(policy, (name, matchConstraints) => {
    const rewrite = (expression: Expression): Expression =>
      rewriteExpression(expression, validatingEdits(expression.text, TEMPLATE_PATH[name]));
    return {
      ...policy,
      matchConstraints,
      matchConditions: rewriteNamed(policy.matchConditions, rewrite),
      variables: rewriteNamed(policy.variables, rewrite),
      validations: policy.validations.map((validation) => ({
        ...validation,
        expression: rewrite(validation.expression),
        messageExpression: validation.messageExpression === undefined ? undefined : rewrite(validation.messageExpression),
      })),
      auditAnnotations: policy.auditAnnotations.map((annotation) => ({
        ...annotation,
        valueExpression: rewrite(annotation.valueExpression),
      })),
    };
  });
}

/** The policies that a MutatingPolicy about Pods implies for Pod controllers. Only conditions and apply configurations are rewritten. */
export function deriveMutating(policy: MutatingPolicy): readonly Derived<MutatingPolicy>[] {
  return derive(policy, (name, matchConstraints) => {
    const rewrite = (expression: Expression): Expression => rewriteMutation(expression, name);
    return {
      ...policy,
      matchConstraints,
      matchConditions: rewriteNamed(policy.matchConditions, rewrite),
      mutations: policy.mutations.map((mutation) =>
        mutation.patchType === "ApplyConfiguration" ? { ...mutation, expression: rewrite(mutation.expression) } : mutation,
      ),
    };
  });
}

const rewriteNamed = (
  expressions: readonly NamedExpression[],
  rewrite: (expression: Expression) => Expression,
): readonly NamedExpression[] => expressions.map(({ name, expression }) => ({ name, expression: rewrite(expression) }));

function derive<P extends ValidatingPolicy | MutatingPolicy>(
  policy: P,
  rewritten: (name: AutogenName, constraints: MatchResources) => P,
): readonly Derived<P>[] {
  const rule = podRule(policy.matchConstraints);
  if (rule === undefined) return [];
  const controllers = policy.autogen.podControllers ?? Object.keys(CONTROLLERS);
  const names: readonly AutogenName[] = ["defaults", "cronjobs"];
  return names.flatMap((name) => {
    const resourceRules = controllerRules(rule, controllers, name);
    if (resourceRules.length === 0) return [];
    const { namespaceSelector, objectSelector, matchPolicy } = policy.matchConstraints;
    return { name, policy: rewritten(name, { namespaceSelector, objectSelector, matchPolicy, resourceRules, excludeResourceRules: [] }) };
  });
}

/** The rule of constraints that are about Pods and nothing else: one rule, no names, no object selector, no exclusions. */
function podRule({ objectSelector, excludeResourceRules, resourceRules }: MatchResources): ResourceRule | undefined {
  const [rule] = resourceRules;
  if (rule === undefined || resourceRules.length !== 1 || excludeResourceRules.length !== 0 || !selectsEverything(objectSelector))
    return undefined;
  const { resourceNames, apiGroups, apiVersions, resources } = rule;
  const isAlone = (list: readonly string[], item: string): boolean => list.length === 1 && list[0] === item;
  return resourceNames.length === 0 && isAlone(apiGroups, "") && isAlone(apiVersions, "v1") && isAlone(resources, "pods")
    ? rule
    : undefined;
}

/** One rule per API group. */
function controllerRules(rule: ResourceRule, controllers: readonly string[], name: AutogenName): readonly ResourceRule[] {
  const byGroup = Object.groupBy(
    [...new Set(controllers)]
      .filter((controller) => Object.hasOwn(CONTROLLERS, controller) && CONTROLLERS[controller]?.template === name)
      .sort(),
    (controller) => CONTROLLERS[controller]?.group ?? "",
  );
  return Object.entries(byGroup).map(([group, resources]) => ({
    resourceNames: [],
    operations: rule.operations,
    apiGroups: [group],
    apiVersions: ["v1"],
    resources: resources ?? [],
    scope: "*",
  }));
}

/** `object.spec` and `object.metadata` lead into the template, but `object.metadata.namespace` does not: templates have none. */
const validatingEdits = (text: string, template: string): readonly TextEdit[] =>
  [...text.matchAll(/(?<=object\.|oldObject\.)(spec|metadata)(?!\.namespace(?![A-Za-z0-9_]))/g)].map((match) =>
    insertion(match.index, `${template}.`),
  );

const insertion = (at: number, text: string): TextEdit => ({ start: at, end: at, text });

function rewriteMutation(expression: Expression, name: AutogenName): Expression {
  const paths = /(?<=\b(?:object|oldObject|Object)\.)(?:spec|metadata\.labels|metadata\.annotations)/g;
  const edits = [...expression.text.matchAll(paths)].map((match) => insertion(match.index, `${TEMPLATE_PATH[name]}.`));
  const led = rewriteExpression(expression, edits);
  return rewriteExpression(led, wrapperEdits(led.text, name));
}

const WRAPPERS: Readonly<Record<AutogenName, string>> = {
  defaults: "spec: Object.spec{template: Object.spec.template{",
  cronjobs:
    "spec: Object.spec{jobTemplate: Object.spec.jobTemplate{spec: Object.spec.jobTemplate.spec{template: Object.spec.jobTemplate.spec.template{",
};

/** An expression that begins with `Object{…}` makes that the template of an outer object. */
function wrapperEdits(text: string, name: AutogenName): readonly TextEdit[] {
  const opening = /^\s*Object[ \t\r\n]*\{/.exec(text);
  if (opening === null) return [];
  const start = opening[0].length;
  const end = closingBrace(text, start);
  if (end <= start) return [];
  const wrapper = WRAPPERS[name];
  return [insertion(start, wrapper), insertion(end, "}".repeat(wrapper.split("{").length - 1))];
}

/** The brace that closes the one before `start`, or -1. Braces inside strings count: Kyverno counts them too. */
function closingBrace(text: string, start: number): number {
  let depth = 1;
  for (let index = start; index < text.length; index++) {
    if (text[index] === "{") depth++;
    else if (text[index] === "}" && --depth === 0) return index;
  }
  return -1;
}
