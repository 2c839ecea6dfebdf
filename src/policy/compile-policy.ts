/** From resources to the policies that the judge runs. */

import type { CompileOptions } from "../cel/program.ts";
import { BOOL, listType, STRING } from "../cel/type.ts";
import type { Diagnostic } from "../lib/diagnostic.ts";
import { isJsonObject } from "../lib/json.ts";
import type { MatchResources } from "../resource/match-resources.ts";
import { type Metadata, policyNote } from "../resource/metadata.ts";
import type { MutatingAdmissionPolicy, Mutation } from "../resource/mutating-admission-policy.ts";
import type { MutatingPolicy, MutationTarget } from "../resource/mutating-policy.ts";
import type { PolicyException } from "../resource/policy-exception.ts";
import type { ValidatingAdmissionPolicy, Validation } from "../resource/validating-admission-policy.ts";
import type { ValidationAction } from "../resource/validating-admission-policy-binding.ts";
import type { ValidatingPolicy } from "../resource/validating-policy.ts";
import { type AutogenName, deriveMutating, deriveValidating } from "./autogen.ts";
import type {
  CompiledBinding,
  CompiledException,
  CompiledMutation,
  CompiledPolicy,
  CompiledTarget,
  CompiledValidation,
  MutateEffect,
  PolicyKind,
  ValidateEffect,
} from "./compiled-policy.ts";
import { ExpressionCompiler } from "./expression-compiler.ts";
import { memberOf } from "./json-equals.ts";
import { APPLY_CONFIGURATION, JSON_PATCH } from "./policy-declarations.ts";
import type { PolicyEnvironments } from "./policy-environment.ts";
import { structNameMismatch } from "./struct-names.ts";

export interface CompileContext {
  readonly environments: PolicyEnvironments;
  readonly backend: CompileOptions["backend"];
  /** Receives what does not compile. */
  readonly diagnostics: Diagnostic[];
}

const ALWAYS: CompiledPolicy["runsAt"] = { admission: true, background: true };

export function compileAdmissionPolicy(
  policy: ValidatingAdmissionPolicy | MutatingAdmissionPolicy,
  bindings: readonly CompiledBinding[],
  context: CompileContext,
): CompiledPolicy {
  const mutation = policy.kind === "MutatingAdmissionPolicy";
  const compiler = new ExpressionCompiler(
    context.environments.kubernetes({ mutation, hasParams: policy.paramKind !== undefined }),
    context.backend,
  );
  // Match conditions do not see variables.
  const conditions = compiler.conditions(policy.matchConditions);
  compiler.compileVariables(policy.variables);
  const effect =
    policy.kind === "ValidatingAdmissionPolicy"
      ? validateEffect(policy, compiler)
      : { ...mutateEffect(policy.mutations, compiler), reinvocationPolicy: policy.reinvocationPolicy };
  return finish(compiler, context, {
    kind: policy.kind,
    ...identityOf(policy.metadata, undefined),
    constraints: policy.matchConstraints,
    conditions,
    variables: compiler.lazy,
    failurePolicy: policy.failurePolicy,
    effect,
    paramKind: policy.paramKind,
    bindings,
    exceptions: [],
    runsAt: ALWAYS,
    mode: "Kubernetes",
  });
}

/** A policy of Kyverno's and what it implies for Pod controllers, with the exceptions that name it. */
export function compileKyvernoPolicy(
  policy: ValidatingPolicy | MutatingPolicy,
  exceptions: readonly PolicyException[],
  context: CompileContext,
): readonly CompiledPolicy[] {
  const own = { name: undefined, policy };
  if (policy.kind === "ValidatingPolicy") {
    const derived = policy.evaluation.mode === "JSON" ? [] : deriveValidating(policy);
    return [own, ...derived].map((variant) => compileVariant(variant.policy, variant.name, exceptions, context));
  }
  return [own, ...deriveMutating(policy)].map((variant) => compileVariant(variant.policy, variant.name, exceptions, context));
}

function compileVariant(
  policy: ValidatingPolicy | MutatingPolicy,
  autogen: AutogenName | undefined,
  exceptions: readonly PolicyException[],
  context: CompileContext,
): CompiledPolicy {
  const mutation = policy.kind === "MutatingPolicy";
  const compiler = new ExpressionCompiler(context.environments.kyverno({ mutation, namespace: policy.namespace }), context.backend);
  // Kyverno binds variables before the conditions of mutating policies, but not before those of validating ones.
  if (mutation) compiler.compileVariables(policy.variables);
  const conditions = compiler.conditions(policy.matchConditions);
  const exempting = exceptions.map((exception) => compileException(exception, compiler));
  if (!mutation) compiler.compileVariables(policy.variables);
  const effect = mutation ? kyvernoMutateEffect(policy, compiler) : validateEffect(policy, compiler);
  const actions: readonly ValidationAction[] = mutation ? ["Deny"] : policy.validationActions;
  return finish(compiler, context, {
    kind: policyKind(policy),
    ...identityOf(policy.metadata, policy.namespace),
    autogen,
    constraints: constraintsOf(policy),
    conditions,
    variables: compiler.lazy,
    failurePolicy: policy.failurePolicy,
    effect,
    paramKind: undefined,
    bindings: [{ name: "", matchResources: undefined, paramRef: undefined, actions }],
    exceptions: exempting,
    runsAt: { admission: policy.evaluation.admission, background: policy.evaluation.background },
    mode: policy.evaluation.mode,
  });
}

/** The kind as exceptions and people name it. */
export function policyKind(policy: ValidatingPolicy | MutatingPolicy): PolicyKind {
  if (policy.kind === "ValidatingPolicy") return policy.namespace === undefined ? "ValidatingPolicy" : "NamespacedValidatingPolicy";
  return policy.namespace === undefined ? "MutatingPolicy" : "NamespacedMutatingPolicy";
}

/** Kyverno matches nothing without rules, where Kubernetes matches everything. */
function constraintsOf(policy: ValidatingPolicy | MutatingPolicy): MatchResources | undefined {
  return policy.matchConstraints.resourceRules.length === 0 ? undefined : policy.matchConstraints;
}

function identityOf(
  metadata: Metadata,
  namespace: string | undefined,
): Pick<CompiledPolicy, "name" | "namespace" | "autogen" | "severity" | "category" | "isScored"> {
  return {
    name: metadata.name,
    namespace: namespace ?? "",
    autogen: undefined,
    severity: policyNote(metadata, "severity"),
    category: policyNote(metadata, "category"),
    isScored: policyNote(metadata, "scored") !== "false",
  };
}

/** Hands the problems over; a policy that has any is broken as a whole. */
function finish(compiler: ExpressionCompiler, context: CompileContext, policy: CompiledPolicy): CompiledPolicy {
  const errors = compiler.problems.filter(({ severity }) => severity === "error");
  context.diagnostics.push(...compiler.problems);
  const [first] = errors;
  if (first === undefined) return policy;
  const phase = policy.effect.kind === "mutate" ? "mutate" : "validate";
  const message = `does not compile: ${first.message} (${first.file}:${first.line}:${first.column})`;
  // Whether its conditions hold is not known either.
  return { ...policy, conditions: [], exceptions: [], effect: { kind: "broken", phase, message } };
}

function validateEffect(policy: ValidatingAdmissionPolicy | ValidatingPolicy, compiler: ExpressionCompiler): ValidateEffect {
  return {
    kind: "validate",
    validations: policy.validations.flatMap((validation) => compileValidation(validation, compiler)),
    auditAnnotations: compiler.annotations(policy.auditAnnotations),
  };
}

function compileValidation(
  { expression, message, messageExpression, reason }: Validation,
  compiler: ExpressionCompiler,
): readonly CompiledValidation[] {
  const condition = compiler.compile(expression, BOOL);
  const text = messageExpression === undefined ? undefined : compiler.compile(messageExpression, STRING);
  return condition === undefined ? [] : [{ ...condition, message, messageExpression: text, reason }];
}

function mutateEffect(mutations: readonly Mutation[], compiler: ExpressionCompiler): MutateEffect {
  return {
    kind: "mutate",
    mutations: mutations.flatMap((mutation) => compileMutation(mutation, compiler)),
    auditAnnotations: [],
    reinvocationPolicy: "Never",
    replacesAtomics: false,
    target: undefined,
    mutatesExisting: false,
  };
}

function kyvernoMutateEffect(policy: MutatingPolicy, compiler: ExpressionCompiler): MutateEffect {
  return {
    ...mutateEffect(policy.mutations, compiler),
    auditAnnotations: compiler.annotations(policy.auditAnnotations),
    reinvocationPolicy: policy.reinvocationPolicy,
    replacesAtomics: usesServerSideApply(policy),
    target: policy.target === undefined ? undefined : compileTarget(policy.target, compiler),
    mutatesExisting: policy.mutateExisting,
  };
}

/** `spec.evaluation.useServerSideApply`. */
function usesServerSideApply(policy: MutatingPolicy): boolean {
  const spec = policy.document.value["spec"];
  const evaluation = isJsonObject(spec) ? memberOf(spec, "evaluation") : undefined;
  return isJsonObject(evaluation) && memberOf(evaluation, "useServerSideApply") === true;
}

function compileMutation({ patchType, expression }: Mutation, compiler: ExpressionCompiler): readonly CompiledMutation[] {
  const compiled = compiler.compile(expression, patchType === "ApplyConfiguration" ? APPLY_CONFIGURATION : listType(JSON_PATCH));
  return compiled === undefined ? [] : [{ ...compiled, patchType, typeMismatch: structNameMismatch(compiled.program.checked) }];
}

function compileTarget({ constraints, expression, conditions }: MutationTarget, compiler: ExpressionCompiler): CompiledTarget {
  return {
    constraints,
    expression: expression === undefined ? undefined : compiler.compile(expression),
    conditions: compiler.conditions(conditions),
  };
}

function compileException(exception: PolicyException, compiler: ExpressionCompiler): CompiledException {
  const { metadata, matchConditions, images, allowedValues, reportResult, expiresAtMs } = exception;
  const priority = Number(metadata.labels["polex.kyverno.io/priority"] ?? 0);
  return {
    name: metadata.name,
    namespace: metadata.namespace,
    priority: Number.isInteger(priority) ? priority : 0,
    conditions: compiler.conditions(matchConditions),
    images,
    allowedValues,
    reportResult,
    expiresAtMs,
  };
}
