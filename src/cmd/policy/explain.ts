/** `vigil policy explain`: a policy in sentences, with its expressions as they are written. */
import { closestName } from "../../lib/suggestion.ts";
import { isPolicy } from "../../resource/access-resource.ts";
import type { LabelSelector } from "../../resource/label-selector.ts";
import type { MatchResources, ResourceRule } from "../../resource/match-resources.ts";
import { EXIT, type ExitCode } from "../command.ts";
import { noteDiagnostics, noteError } from "../notes.ts";
import { readPolicySet } from "../policy-set.ts";
import type { Terminal } from "../terminal.ts";
import { type Binding, type DescribedPolicy, describePolicies, nameOf, type Policy } from "./described-policy.ts";
import { accessLines, accessNames, accessResourcesOf } from "./explain-access-text.ts";

export async function explainPolicies(names: readonly string[], sources: readonly string[], terminal: Terminal): Promise<ExitCode> {
  const set = await readPolicySet(sources);
  noteDiagnostics(terminal, set.diagnostics);
  const policies = describePolicies(set);
  const access = accessResourcesOf(set.others);
  noteDiagnostics(terminal, access.diagnostics);
  for (const [index, name] of names.entries()) {
    const found = policies.filter(({ policy }) => policy.metadata.name === name || nameOf(policy) === name);
    const about = access.resources.filter((resource) => isPolicy(resource) && accessNames(resource).includes(name));
    if (found.length === 0 && about.length === 0) {
      const meant = closestName(name, [
        ...policies.map(({ policy }) => nameOf(policy)),
        ...access.resources.filter(isPolicy).flatMap(accessNames),
      ]);
      noteError(terminal, `no policy \`${name}\``, meant === undefined ? "`vigil policy list` shows them" : `did you mean \`${meant}\`?`);
      return EXIT.unable;
    }
    if (index > 0) terminal.print("");
    for (const described of found) terminal.print(explain(described, terminal).join("\n"));
    for (const resource of about) terminal.print(accessLines(resource, access.resources, terminal).join("\n"));
  }
  return EXIT.yes;
}

function explain(described: DescribedPolicy, terminal: Terminal): readonly string[] {
  const { policy, title, description, severity, exceptions } = described;
  const section = (name: string, lines: readonly string[]): readonly string[] =>
    lines.length === 0 ? [] : ["", `${terminal.style("bold", name)}`, ...lines.map((line) => `  ${line}`)];
  const dim = (text: string): string => terminal.style("dim", text);
  return [
    `${terminal.style("bold", nameOf(policy))}  ${dim([policy.kind, severity].filter((part) => part !== "").join(", "))}`,
    ...[title, description].filter((text) => text !== ""),
    dim(`${policy.document.file}:${policy.document.line}`),
    ...section("Is about", matchLines(policy.matchConstraints)),
    ...section("Only where", expressionLines(policy.matchConditions)),
    ...section("Is in force", forceLines(described)),
    ...section("With the variables", expressionLines(policy.variables)),
    ...section("Rules", ruleLines(policy)),
    ...section("When it cannot be evaluated", [policy.failurePolicy === "Fail" ? "the request is denied" : "the request is let through"]),
    ...section(
      "Exceptions",
      exceptions.map(({ metadata, expiresAtMs }) => {
        const end = expiresAtMs === undefined ? "without end" : `until ${new Date(expiresAtMs).toISOString()}`;
        return `${metadata.namespace}/${metadata.name}, ${end}`;
      }),
    ),
  ];
}

function matchLines({ resourceRules, excludeResourceRules, namespaceSelector, objectSelector }: MatchResources): readonly string[] {
  return [
    ...resourceRules.map(ruleText),
    ...excludeResourceRules.map((rule) => `but not ${ruleText(rule)}`),
    ...selectorLines("in namespaces", namespaceSelector),
    ...selectorLines("objects", objectSelector),
  ];
}

function ruleText({ operations, resources, apiGroups, apiVersions, resourceNames, scope }: ResourceRule): string {
  const groups = apiGroups.map((group) => group || "core").join(", ");
  const names = resourceNames.length === 0 ? "" : ` named ${resourceNames.join(", ")}`;
  const scoped = scope === "*" ? "" : `, ${scope === "Cluster" ? "cluster-scoped" : "namespaced"} ones`;
  return `${operations.join(", ")} of ${resources.join(", ")} (${groups}/${apiVersions.join(", ")})${names}${scoped}`;
}

function selectorLines(what: string, { matchLabels, matchExpressions }: LabelSelector): readonly string[] {
  const labels = Object.entries(matchLabels).map(([key, value]) => `${key} is ${value}`);
  const requirements = matchExpressions.map(({ key, operator, values }) =>
    operator === "Exists"
      ? `${key} exists`
      : operator === "DoesNotExist"
        ? `${key} does not exist`
        : `${key} ${operator === "In" ? "is" : "is not"} ${values.join(" or ")}`,
  );
  const all = [...labels, ...requirements];
  return all.length === 0 ? [] : [`${what} where ${all.join(" and ")}`];
}

function forceLines({ policy, bindings, actions }: DescribedPolicy): readonly string[] {
  if (policy.kind === "ValidatingPolicy" || policy.kind === "MutatingPolicy") return [`everywhere: ${actions.join(", ")}`];
  if (bindings.length === 0) return ["not: no binding names it"];
  return bindings.flatMap(bindingLines);
}

function bindingLines(binding: Binding): readonly string[] {
  const actions = "validationActions" in binding ? binding.validationActions.join(", ") : "mutate";
  const { paramRef, matchResources, metadata } = binding;
  const param = paramRef?.name === undefined ? "those selected" : [paramRef.namespace, paramRef.name].filter(Boolean).join("/");
  const params = paramRef === undefined ? [] : [`  with the parameters ${param} (${paramRef.parameterNotFoundAction} without)`];
  const narrowed = matchResources === undefined ? [] : matchLines(matchResources).map((line) => `  ${line}`);
  return [`by ${metadata.name}: ${actions}`, ...params, ...narrowed];
}

const expressionLines = (expressions: Policy["variables"]): readonly string[] =>
  expressions.flatMap(({ name, expression }) => [`${name}:`, ...indented(expression.text)]);

function ruleLines(policy: Policy): readonly string[] {
  if ("mutations" in policy) {
    return policy.mutations.flatMap(({ patchType, expression }, index) => [`${index + 1}. ${patchType}`, ...indented(expression.text)]);
  }
  return policy.validations.flatMap(({ message, messageExpression, expression, reason }, index) => [
    `${index + 1}. ${message ?? messageExpression?.text ?? "must be true"} (${reason})`,
    ...indented(expression.text),
  ]);
}

const indented = (text: string): readonly string[] =>
  text
    .trim()
    .split("\n")
    .map((line) => `    ${line}`);
