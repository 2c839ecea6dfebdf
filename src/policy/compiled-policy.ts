/** Policies as the judge runs them: one shape for all kinds. Immutable. */
import type { LazyScope, Program } from "../cel/program.ts";
import type { Expression } from "../resource/expression.ts";
import type { MatchResources } from "../resource/match-resources.ts";
import type { ReinvocationPolicy } from "../resource/mutating-admission-policy.ts";
import type { FailurePolicy, ParamKind, ValidationReason } from "../resource/validating-admission-policy.ts";
import type { ParamRef, ValidationAction } from "../resource/validating-admission-policy-binding.ts";
import type { AutogenName } from "./autogen.ts";

export interface CompiledPolicy {
  readonly kind: PolicyKind;
  readonly name: string;
  /** Empty for cluster-scoped policies. */
  readonly namespace: string;
  /** Set for what Kyverno derives for Pod controllers. */
  readonly autogen: AutogenName | undefined;
  readonly severity: string | undefined;
  readonly category: string | undefined;
  /** Whether what it finds counts as failing; Kyverno's reports call it a warning otherwise. */
  readonly isScored: boolean;
  /** Which requests it is about; undefined when it is about none. */
  readonly constraints: MatchResources | undefined;
  readonly conditions: readonly CompiledCondition[];
  readonly variables: LazyScope | undefined;
  readonly failurePolicy: FailurePolicy;
  readonly effect: ValidateEffect | MutateEffect | BrokenEffect;
  readonly paramKind: ParamKind | undefined;
  /** What brings it into force; Kyverno's kinds have one binding of their own, without a name. */
  readonly bindings: readonly CompiledBinding[];
  readonly exceptions: readonly CompiledException[];
  readonly runsAt: { readonly admission: boolean; readonly background: boolean };
  /** What is judged: Kubernetes objects, or any JSON document. */
  readonly mode: "Kubernetes" | "JSON";
}

export type PolicyKind =
  | "ValidatingAdmissionPolicy"
  | "MutatingAdmissionPolicy"
  | "ValidatingPolicy"
  | "NamespacedValidatingPolicy"
  | "MutatingPolicy"
  | "NamespacedMutatingPolicy";

export interface CompiledExpression {
  readonly expression: Expression;
  readonly program: Program;
}

export interface CompiledCondition extends CompiledExpression {
  readonly name: string;
}

export interface ValidateEffect {
  readonly kind: "validate";
  readonly validations: readonly CompiledValidation[];
  readonly auditAnnotations: readonly CompiledAnnotation[];
}

export interface CompiledValidation extends CompiledExpression {
  readonly message: string | undefined;
  readonly messageExpression: CompiledExpression | undefined;
  readonly reason: ValidationReason;
}

export interface CompiledAnnotation extends CompiledExpression {
  readonly key: string;
}

export interface MutateEffect {
  readonly kind: "mutate";
  readonly mutations: readonly CompiledMutation[];
  readonly auditAnnotations: readonly CompiledAnnotation[];
  readonly reinvocationPolicy: ReinvocationPolicy;
  /** Whether apply configurations may replace atomic lists and objects. */
  readonly replacesAtomics: boolean;
  readonly target: CompiledTarget | undefined;
  readonly mutatesExisting: boolean;
}

export interface CompiledMutation extends CompiledExpression {
  readonly patchType: "ApplyConfiguration" | "JSONPatch";
  /** What is wrong with the names of the types that the expression makes: an error of every evaluation, as in Kubernetes. */
  readonly typeMismatch: string | undefined;
}

/** Which existing objects a trigger changes. */
export interface CompiledTarget {
  readonly constraints: MatchResources;
  readonly expression: CompiledExpression | undefined;
  readonly conditions: readonly CompiledCondition[];
}

/** What does not compile is never silently absent: its failure policy decides about everything that it matches. */
export interface BrokenEffect {
  readonly kind: "broken";
  readonly phase: "validate" | "mutate";
  readonly message: string;
}

export interface CompiledBinding {
  /** Empty for Kyverno's kinds. */
  readonly name: string;
  readonly matchResources: MatchResources | undefined;
  readonly paramRef: ParamRef | undefined;
  readonly actions: readonly ValidationAction[];
}

export interface CompiledException {
  readonly name: string;
  readonly namespace: string;
  readonly priority: number;
  readonly conditions: readonly CompiledCondition[];
  readonly images: readonly string[];
  readonly allowedValues: readonly string[];
  readonly reportResult: "skip" | "pass";
  readonly expiresAtMs: number | undefined;
}

/** An exception without images and values exempts from the whole policy. */
export const isFullExemption = ({ images, allowedValues }: CompiledException): boolean => images.length === 0 && allowedValues.length === 0;

export const isKyvernoKind = (kind: PolicyKind): boolean => !kind.endsWith("AdmissionPolicy");
