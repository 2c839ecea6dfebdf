/** MutatingPolicy and NamespacedMutatingPolicy of `policies.kyverno.io` v1, v1beta1 and v1alpha1. */
import type { Document } from "./document.ts";
import {
  type AuditAnnotation,
  auditAnnotations,
  type Expression,
  expression,
  matchConditions,
  type NamedExpression,
  variables,
} from "./expression.ts";
import { looseMatchFields, looseMatchResources, type MatchResources, NO_RESOURCES } from "./match-resources.ts";
import type { Metadata } from "./metadata.ts";
import { type Mutation, mutations, type ReinvocationPolicy, reinvocationPolicy } from "./mutating-admission-policy.ts";
import { flag, optional, record, type Shape, withDefault } from "./shape.ts";
import { type FailurePolicy, failurePolicy } from "./validating-admission-policy.ts";
import {
  type Autogen,
  autogenShape,
  type Evaluation,
  evaluationFields,
  type Switch,
  switchOf,
  type WrittenAutogen,
  type WrittenEvaluation,
  type WrittenWebhook,
  writtenWebhook,
} from "./validating-policy.ts";

export interface MutatingPolicy {
  readonly kind: "MutatingPolicy";
  readonly document: Document;
  readonly metadata: Metadata;
  /** Set for NamespacedMutatingPolicy: only objects of this namespace are changed. */
  readonly namespace: string | undefined;
  /** Without constraints nothing is matched (evaluation mode JSON needs none). */
  readonly matchConstraints: MatchResources;
  readonly matchConditions: readonly NamedExpression[];
  readonly variables: readonly NamedExpression[];
  readonly mutations: readonly Mutation[];
  readonly auditAnnotations: readonly AuditAnnotation[];
  /** Which existing objects a trigger changes; undefined when the trigger itself is changed. */
  readonly target: MutationTarget | undefined;
  readonly failurePolicy: FailurePolicy;
  /** Default `Never`. */
  readonly reinvocationPolicy: ReinvocationPolicy;
  readonly evaluation: Evaluation;
  /** Whether objects that exist already are changed. Default false. */
  readonly mutateExisting: boolean;
  /** Whether apply configurations may replace atomic fields, as server-side apply does. Default false. */
  readonly useServerSideApply: boolean;
  readonly autogen: Autogen;
  /** 1 to 30, undefined for the webhook's default. */
  readonly timeoutSeconds: number | undefined;
}

export interface MutationTarget {
  readonly constraints: MatchResources;
  /** Yields the targets instead of `constraints`. */
  readonly expression: Expression | undefined;
  readonly conditions: readonly NamedExpression[];
}

interface WrittenMutatingEvaluation extends WrittenEvaluation {
  readonly mutateExisting: Switch;
  readonly useServerSideApply: boolean;
}

interface WrittenTarget extends MatchResources {
  readonly expression: Expression | undefined;
}

type Flattened = "target" | "evaluation" | "mutateExisting" | "useServerSideApply" | "autogen" | "timeoutSeconds";
type Spec = Omit<MutatingPolicy, "kind" | "document" | "metadata" | "namespace">;
interface WrittenSpec extends Omit<Spec, Flattened> {
  readonly targetMatchConstraints: WrittenTarget | undefined;
  readonly targetMatchConditions: readonly NamedExpression[];
  readonly evaluation: WrittenMutatingEvaluation | undefined;
  readonly autogen: WrittenAutogen | undefined;
  readonly webhookConfiguration: WrittenWebhook | undefined;
}

const evaluation: Shape<WrittenMutatingEvaluation> = record<WrittenMutatingEvaluation>(
  {
    ...evaluationFields,
    mutateExisting: withDefault(switchOf(false), { enabled: false }),
    useServerSideApply: withDefault(flag, false),
  },
  ["skipBackgroundRequests"],
);

const writtenSpec: Shape<WrittenSpec> = record<WrittenSpec>({
  matchConstraints: withDefault(looseMatchResources, NO_RESOURCES),
  matchConditions: withDefault(matchConditions, []),
  variables: withDefault(variables, []),
  mutations: withDefault(mutations, []),
  auditAnnotations: withDefault(auditAnnotations, []),
  targetMatchConstraints: optional(record<WrittenTarget>({ ...looseMatchFields, expression: optional(expression) })),
  targetMatchConditions: withDefault(matchConditions, []),
  failurePolicy: withDefault(failurePolicy, "Fail"),
  reinvocationPolicy: withDefault(reinvocationPolicy, "Never"),
  evaluation: optional(evaluation),
  autogen: optional(autogenShape("mutatingAdmissionPolicy")),
  webhookConfiguration: optional(writtenWebhook),
});

export const mutatingPolicySpec: Shape<Spec> = (value, spot) => {
  const written = writtenSpec(value, spot);
  if (written === undefined) return undefined;
  const { targetMatchConstraints, targetMatchConditions, evaluation: judged, autogen, webhookConfiguration, ...rest } = written;
  return {
    ...rest,
    target: targetMatchConstraints === undefined ? undefined : targetOf(targetMatchConstraints, targetMatchConditions),
    evaluation: {
      mode: judged?.mode ?? "Kubernetes",
      admission: judged?.admission.enabled ?? true,
      background: judged?.background.enabled ?? true,
    },
    mutateExisting: judged?.mutateExisting.enabled ?? false,
    useServerSideApply: judged?.useServerSideApply ?? false,
    autogen: { podControllers: autogen?.podControllers?.controllers },
    timeoutSeconds: webhookConfiguration?.timeoutSeconds,
  };
};

function targetOf({ expression: targets, ...constraints }: WrittenTarget, conditions: readonly NamedExpression[]): MutationTarget {
  return { constraints, expression: targets, conditions };
}
