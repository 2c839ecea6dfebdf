/** ValidatingPolicy and NamespacedValidatingPolicy of `policies.kyverno.io` v1, v1beta1 and v1alpha1. */
import type { Document } from "./document.ts";
import { type AuditAnnotation, auditAnnotations, matchConditions, type NamedExpression, variables } from "./expression.ts";
import { looseMatchResources, type MatchResources, NO_RESOURCES } from "./match-resources.ts";
import type { Metadata } from "./metadata.ts";
import { type Fields, flag, integer, listOf, nonEmptyText, oneOf, optional, record, type Shape, withDefault } from "./shape.ts";
import { type FailurePolicy, failurePolicy, type Validation, validations } from "./validating-admission-policy.ts";
import type { ValidationAction } from "./validating-admission-policy-binding.ts";

export interface ValidatingPolicy {
  readonly kind: "ValidatingPolicy";
  readonly document: Document;
  readonly metadata: Metadata;
  /** Set for NamespacedValidatingPolicy: only objects of this namespace are judged. */
  readonly namespace: string | undefined;
  /** Without constraints nothing is matched (evaluation mode JSON needs none). */
  readonly matchConstraints: MatchResources;
  readonly matchConditions: readonly NamedExpression[];
  readonly variables: readonly NamedExpression[];
  readonly validations: readonly Validation[];
  readonly auditAnnotations: readonly AuditAnnotation[];
  readonly failurePolicy: FailurePolicy;
  /** Default `[Deny]`. */
  readonly validationActions: readonly ValidationAction[];
  readonly evaluation: Evaluation;
  readonly autogen: Autogen;
  /** 1 to 30, undefined for the webhook's default. */
  readonly timeoutSeconds: number | undefined;
}

export interface Evaluation {
  /** What is judged: Kubernetes objects (default) or any JSON document. */
  readonly mode: EvaluationMode;
  /** Whether admission requests are judged. Default true. */
  readonly admission: boolean;
  /** Whether existing objects are judged. Default true. */
  readonly background: boolean;
}

export type EvaluationMode = "Kubernetes" | "JSON";

export interface Autogen {
  /** The pod controllers that a policy about Pods is extended to, as written; undefined for Kyverno's default (all). */
  readonly podControllers: readonly string[] | undefined;
}

export interface Switch {
  readonly enabled: boolean;
}

/** `{enabled: …}` of which the absence means `value`. */
export const switchOf = (value: boolean): Shape<Switch> => record<Switch>({ enabled: withDefault(flag, value) });

export interface WrittenEvaluation {
  readonly mode: EvaluationMode;
  readonly admission: Switch;
  readonly background: Switch;
}

export const evaluationFields: Fields<WrittenEvaluation> = {
  mode: withDefault(oneOf("Kubernetes", "JSON"), "Kubernetes"),
  admission: withDefault(switchOf(true), { enabled: true }),
  background: withDefault(switchOf(true), { enabled: true }),
};

interface WrittenPodControllers {
  readonly controllers: readonly string[] | undefined;
}

export interface WrittenAutogen {
  readonly podControllers: WrittenPodControllers | undefined;
}

const podControllers: Shape<WrittenPodControllers> = record<WrittenPodControllers>({ controllers: optional(listOf(nonEmptyText)) });

/** With `ignored` as the field that asks for a native policy to be generated: Vigil enforces the policy itself. */
export const autogenShape = (ignored: string): Shape<WrittenAutogen> =>
  record<WrittenAutogen>({ podControllers: optional(podControllers) }, [ignored]);

export interface WrittenWebhook {
  readonly timeoutSeconds: number | undefined;
}

export const writtenWebhook: Shape<WrittenWebhook> = record<WrittenWebhook>({ timeoutSeconds: optional(integer(1, 30)) });

type Flattened = "evaluation" | "autogen" | "timeoutSeconds";
type Spec = Omit<ValidatingPolicy, "kind" | "document" | "metadata" | "namespace">;
interface WrittenSpec extends Omit<Spec, Flattened> {
  readonly evaluation: WrittenEvaluation | undefined;
  readonly autogen: WrittenAutogen | undefined;
  readonly webhookConfiguration: WrittenWebhook | undefined;
}

const writtenSpec: Shape<WrittenSpec> = record<WrittenSpec>({
  matchConstraints: withDefault(looseMatchResources, NO_RESOURCES),
  matchConditions: withDefault(matchConditions, []),
  variables: withDefault(variables, []),
  validations: withDefault(validations, []),
  auditAnnotations: withDefault(auditAnnotations, []),
  failurePolicy: withDefault(failurePolicy, "Fail"),
  validationActions: withDefault(listOf(oneOf<ValidationAction>("Deny", "Warn", "Audit")), []),
  evaluation: optional(record(evaluationFields)),
  autogen: optional(autogenShape("validatingAdmissionPolicy")),
  webhookConfiguration: optional(writtenWebhook),
});

export const validatingPolicySpec: Shape<Spec> = (value, spot) => {
  const written = writtenSpec(value, spot);
  if (written === undefined) return undefined;
  const { evaluation, autogen, webhookConfiguration, validationActions, ...rest } = written;
  return {
    ...rest,
    validationActions: validationActions.length === 0 ? ["Deny"] : validationActions,
    evaluation: {
      mode: evaluation?.mode ?? "Kubernetes",
      admission: evaluation?.admission.enabled ?? true,
      background: evaluation?.background.enabled ?? true,
    },
    autogen: { podControllers: autogen?.podControllers?.controllers },
    timeoutSeconds: webhookConfiguration?.timeoutSeconds,
  };
};
