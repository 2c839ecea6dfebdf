/** The validations of one policy on one review: what they find, and what they say to the audit log. */
import { type Frame, RUNTIME_BUDGET } from "../cel/frame.ts";
import { CelError, type CelValue } from "../cel/value.ts";
import type { CompiledAnnotation, CompiledExpression, CompiledPolicy, CompiledValidation, ValidateEffect } from "./compiled-policy.ts";
import { isKyvernoKind } from "./compiled-policy.ts";
import { cut, describeError, runExpression } from "./run-expression.ts";
import { evidenceFor, type ShownEvidence } from "./shown-evidence.ts";

/** One thing that does not hold, or cannot be told. */
export interface Finding {
  readonly kind: "fail" | "error";
  /** `validations[2]`, `auditAnnotations[key]`, the name of a match condition. */
  readonly rule: string;
  readonly message: string;
  readonly reason: string;
  /** Position among the validations, 0 for what is none. */
  readonly index: number;
  readonly failed: CompiledExpression | undefined;
  /** Where in the text of `failed` the error is, -1 when that is not known. */
  readonly errorAt: number;
  /** Finds the values that decided, by evaluating again. */
  readonly explain: () => ShownEvidence;
}

export interface Validated {
  /** Empty when everything holds. */
  readonly findings: readonly Finding[];
  readonly annotations: readonly (readonly [key: string, value: string])[];
}

/** The longest text that a messageExpression may make, in bytes in Kubernetes, in UTF-16 units here. */
const MAX_MESSAGE = 5 * 1024;
const MAX_ANNOTATION = 10 * 1024;

const NOTHING_FOUND: Validated = { findings: [], annotations: [] };

/** Runs all validations, as Kubernetes does; those of Kyverno's kinds until the first that does not hold. */
export function validate(policy: CompiledPolicy, effect: ValidateEffect, frame: Frame): Validated {
  const findings: Finding[] = [];
  const budget = frame.cost + RUNTIME_BUDGET;
  const stopsAtFirst = isKyvernoKind(policy.kind);
  for (let index = 0; index < effect.validations.length; index++) {
    const validation = effect.validations[index];
    if (validation === undefined) break;
    const value = runExpression(validation, frame, budget);
    if (value === true) continue;
    findings.push(findingOf(policy, validation, index, value, frame, budget));
    if (stopsAtFirst || frame.cost >= budget) break;
  }
  if (effect.auditAnnotations.length === 0) return findings.length === 0 ? NOTHING_FOUND : { findings, annotations: [] };
  const { annotations, failures } = annotate(effect.auditAnnotations, frame);
  return { findings: [...findings, ...failures], annotations };
}

function findingOf(
  policy: CompiledPolicy,
  validation: CompiledValidation,
  index: number,
  value: CelValue,
  frame: Frame,
  budget: number,
): Finding {
  const rule = `validations[${index}]`;
  if (value === false) {
    const message = isKyvernoKind(policy.kind)
      ? kyvernoMessage(validation, index, frame, budget)
      : kubernetesMessage(validation, frame, budget);
    const reason = isKyvernoKind(policy.kind) ? "Forbidden" : validation.reason;
    return { kind: "fail", rule, message, reason, index, failed: validation, errorAt: -1, explain: () => evidenceFor(validation, frame) };
  }
  const error = value instanceof CelError ? value : new CelError("CEL_NOT_BOOL", "a validation must be true or false");
  return { ...errorFinding(rule, index, validation, error), explain: () => evidenceFor(validation, frame) };
}

export const errorFinding = (rule: string, index: number, failed: CompiledExpression, error: CelError): Finding => ({
  kind: "error",
  rule,
  message: describeError(failed, error),
  reason: "Invalid",
  index,
  failed,
  errorAt: error.start,
  explain: nothingToShow,
});

/** For findings that no values decided. */
export const nothingToShow = (): ShownEvidence => [];

/** The messageExpression unless it fails or its text is unfit, then the message, then the expression. */
function kubernetesMessage({ expression, message, messageExpression }: CompiledValidation, frame: Frame, budget: number): string {
  if (messageExpression !== undefined) {
    const value = runExpression(messageExpression, frame, budget);
    const text = typeof value === "string" ? value.trim() : "";
    if (text !== "" && text.length <= MAX_MESSAGE && !text.includes("\n")) return text;
  }
  const fixed = message?.trim() ?? "";
  return fixed === "" ? `failed expression: ${expression.text.trim()}` : fixed;
}

function kyvernoMessage({ message, messageExpression }: CompiledValidation, index: number, frame: Frame, budget: number): string {
  if (messageExpression !== undefined) {
    const value = runExpression(messageExpression, frame, budget);
    if (value instanceof CelError) return `failed to evaluate message expression: ${value.message}`;
    if (typeof value === "string" && value !== "") return cut(value, MAX_MESSAGE);
  }
  return message === undefined || message === "" ? `CEL expression validation failed at index ${index}` : message;
}

/** What is said to the audit log; texts that are empty and null say nothing. */
export function annotate(
  auditAnnotations: readonly CompiledAnnotation[],
  frame: Frame,
): { readonly annotations: Validated["annotations"]; readonly failures: readonly Finding[] } {
  const annotations: [key: string, value: string][] = [];
  const failures: Finding[] = [];
  for (const annotation of auditAnnotations) {
    const value = runExpression(annotation, frame, frame.cost + RUNTIME_BUDGET);
    if (typeof value === "string") {
      const text = value.trim().slice(0, MAX_ANNOTATION);
      if (text !== "") annotations.push([annotation.key, text]);
    } else if (value !== null) {
      const error = value instanceof CelError ? value : new CelError("CEL_INVALID_ARGUMENT", "an audit annotation must be a text or null");
      failures.push(errorFinding(`auditAnnotations[${annotation.key}]`, 0, annotation, error));
    }
  }
  return { annotations, failures };
}
