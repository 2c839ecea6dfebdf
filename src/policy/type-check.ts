/**
 * Checks expressions against the kinds that policies are about. At run time objects have no declared type, as in Kubernetes; a
 * field that the kind does not have is therefore no error of the policy, but a warning to its author.
 */
import type { Environment } from "../cel/environment.ts";
import { type CelType, type FieldType, objectType, type TypeProvider } from "../cel/type.ts";
import type { Diagnostic } from "../lib/diagnostic.ts";
import { sortDiagnostics } from "../lib/diagnostic.ts";
import type { Kinds } from "../resource/kinds.ts";
import type { KnownKind } from "../resource/kubernetes-kinds.ts";
import type { MatchResources } from "../resource/match-resources.ts";
import type { PolicyResource } from "../resource/policy-resource.ts";
import { joinApiVersion } from "./equivalent-resource.ts";
import { ExpressionCompiler } from "./expression-compiler.ts";
import { createPolicyEnvironments, type PolicyEnvironments } from "./policy-environment.ts";

/** A policy is checked against this many kinds, as in Kubernetes. */
const MAX_KINDS = 10;

type Policy = Exclude<PolicyResource, { readonly policyName: string } | { readonly kind: "PolicyException" }>;

/** Warnings about expressions that do not fit the kinds which their policy names. Policies that do not compile at all are left out. */
export function checkTypes(resources: readonly PolicyResource[], kinds: Kinds): readonly Diagnostic[] {
  const environments = createPolicyEnvironments({ nowMs: () => 0, random: () => 0, parseYaml: () => null });
  const warnings = resources.filter(isPolicy).flatMap((policy) => checkPolicy(policy, kinds, environments));
  return sortDiagnostics(warnings);
}

const isPolicy = (resource: PolicyResource): resource is Policy => resource.kind !== "PolicyException" && !("policyName" in resource);

function checkPolicy(policy: Policy, kinds: Kinds, environments: PolicyEnvironments): readonly Diagnostic[] {
  if ("evaluation" in policy && policy.evaluation.mode === "JSON") return [];
  const environment = environmentFor(policy, environments);
  if (problemsIn(policy, environment).length > 0) return [];
  const [first, ...others] = kindsMatched(policy.matchConstraints, kinds)
    .slice(0, MAX_KINDS)
    .map((kind) => unknownFields(policy, withTypes(environment, policy, kind, kinds)));
  // What one of several kinds has may stand behind a condition on the kind.
  const everywhere = (problem: Diagnostic): boolean => others.every((problems) => problems.some((other) => isAtSamePlace(problem, other)));
  return (first ?? []).filter(everywhere).map((problem) => ({ ...problem, severity: "warning" }));
}

const isAtSamePlace = (a: Diagnostic, b: Diagnostic): boolean => a.file === b.file && a.line === b.line && a.column === b.column;

/** Only these are certain mistakes: types of fields say more than is true of the dynamic values at run time. */
const unknownFields = (policy: Policy, environment: Environment): readonly Diagnostic[] =>
  problemsIn(policy, environment).filter(({ code }) => code === "CEL_UNKNOWN_FIELD");

function environmentFor(policy: Policy, environments: PolicyEnvironments): Environment {
  switch (policy.kind) {
    case "ValidatingAdmissionPolicy":
    case "MutatingAdmissionPolicy":
      return environments.kubernetes({ mutation: policy.kind === "MutatingAdmissionPolicy", hasParams: policy.paramKind !== undefined });
    default:
      return environments.kyverno({ mutation: policy.kind === "MutatingPolicy", namespace: policy.namespace });
  }
}

function withTypes(environment: Environment, policy: Policy, kind: KnownKind, kinds: Kinds): Environment {
  const declared = environment.declarations.types;
  const types: TypeProvider = {
    fieldsOf: (name) => declared.fieldsOf(name) ?? withPlainNames(kinds.types.fieldsOf(name)),
    findType: (name) => declared.findType(name) ?? kinds.types.findType(name),
  };
  const object = objectType(kind.type.typeName);
  return environment.extend({ types, variables: { object, oldObject: object, ...paramsType(policy, kinds) } });
}

/** `object.metadata.namespace` is written so although `namespace` is a reserved word that types escape. */
function withPlainNames(fields: ReadonlyMap<string, FieldType> | undefined): ReadonlyMap<string, FieldType> | undefined {
  if (fields === undefined) return undefined;
  const plain = [...fields].flatMap(([, field]) => (field.jsonName === undefined ? [] : [[field.jsonName, field] as const]));
  return plain.length === 0 ? fields : new Map([...fields, ...plain]);
}

function paramsType(policy: Policy, kinds: Kinds): Readonly<Record<string, CelType>> {
  const params = "paramKind" in policy ? policy.paramKind : undefined;
  const known = kinds
    .all()
    .find(({ group, version, kind }) => joinApiVersion(group, version) === params?.apiVersion && kind === params.kind);
  return known === undefined ? {} : { params: objectType(known.type.typeName) };
}

/** What does not compile in this environment. */
function problemsIn(policy: Policy, environment: Environment): readonly Diagnostic[] {
  const compiler = new ExpressionCompiler(environment);
  const seesVariables = policy.kind === "MutatingPolicy";
  if (seesVariables) compiler.compileVariables(policy.variables);
  compiler.conditions(policy.matchConditions);
  if (!seesVariables) compiler.compileVariables(policy.variables);
  if ("validations" in policy) {
    for (const { expression, messageExpression } of policy.validations) {
      compiler.compile(expression);
      if (messageExpression !== undefined) compiler.compile(messageExpression);
    }
  } else {
    for (const { expression } of policy.mutations) compiler.compile(expression);
  }
  if ("auditAnnotations" in policy) compiler.annotations(policy.auditAnnotations);
  return compiler.problems;
}

/** The kinds that the rules name: those with a wildcard or a subresource name none. */
function kindsMatched({ resourceRules }: MatchResources, kinds: Kinds): readonly KnownKind[] {
  return kinds
    .all()
    .filter(({ group, version, type }) =>
      resourceRules.some(
        ({ apiGroups, apiVersions, resources }) =>
          apiGroups.includes(group) && apiVersions.includes(version) && resources.includes(type.plural),
      ),
    );
}
