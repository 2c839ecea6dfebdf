import type { Frame } from "../cel/frame.ts";
import { type CompiledException, type CompiledPolicy, isFullExemption } from "./compiled-policy.ts";
import { checkConditions, describeError } from "./run-expression.ts";

export type Exemption =
  | { readonly kind: "none" }
  /** The policy says nothing about this subject. */
  | { readonly kind: "full"; readonly exceptions: readonly CompiledException[]; readonly reportResult: "skip" | "pass" }
  /** The policy is evaluated, and reads what is allowed from `exceptions`. */
  | { readonly kind: "partial"; readonly images: readonly string[]; readonly values: readonly string[] }
  | { readonly kind: "error"; readonly message: string };

const NONE: Exemption = { kind: "none" };

/**
 * What the exceptions of a policy allow this subject. An exception whose conditions cannot be evaluated is an error, unless
 * another one exempts in full; a policy that ignores failures ignores such an exception.
 */
export function exemptionFor(policy: CompiledPolicy, frame: Frame, nowMs: number): Exemption {
  if (policy.exceptions.length === 0) return NONE;
  const matched: CompiledException[] = [];
  let problem: Exemption = NONE;
  for (const exception of policy.exceptions) {
    if (exception.expiresAtMs !== undefined && exception.expiresAtMs <= nowMs) continue;
    const conditions = checkConditions(exception.conditions, frame);
    if (conditions.kind === "met") matched.push(exception);
    else if (conditions.kind === "error" && policy.failurePolicy === "Fail" && problem.kind === "none") {
      problem = { kind: "error", message: `exception \`${exception.name}\`: ${describeError(conditions.condition, conditions.error)}` };
    }
  }
  if (matched.some(isFullExemption)) {
    const [first, ...others] = matched;
    const decisive = others.reduce((best, other) => (other.priority > (best?.priority ?? 0) ? other : best), first);
    return { kind: "full", exceptions: matched, reportResult: decisive?.reportResult ?? "skip" };
  }
  if (problem.kind === "error" || matched.length === 0) return problem;
  return {
    kind: "partial",
    images: matched.flatMap(({ images }) => images),
    values: matched.flatMap(({ allowedValues }) => allowedValues),
  };
}
