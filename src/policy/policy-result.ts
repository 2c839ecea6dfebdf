/** What came of one policy (with one of its bindings) on one review, and the verdicts that say so. */
import type { JsonObject } from "../lib/json.ts";
import type { CompiledBinding, CompiledPolicy } from "./compiled-policy.ts";
import { isKyvernoKind } from "./compiled-policy.ts";
import type { Outcome, Verdict } from "./decision.ts";
import type { Finding } from "./validate.ts";

export interface PolicyResult {
  readonly policy: CompiledPolicy;
  readonly binding: CompiledBinding;
  readonly findings: readonly Finding[];
  readonly annotations: readonly (readonly [key: string, value: string])[];
  /** Why the policy did not apply, when it did not. */
  readonly skipped: Skipped | undefined;
  /** CEL cost units. */
  readonly cost: number;
  /** The object as a mutating policy leaves it. */
  readonly object: JsonObject | null;
}

export interface Skipped {
  readonly message: string;
  /** A match condition's name, or empty. */
  readonly rule: string;
  /** The exception that exempted the subject; empty when there is none. */
  readonly exception: string;
  /** Whether an exempted subject is reported as passing. */
  readonly passes: boolean;
}

/** What a finding of this result leads to. */
export function outcomeOf({ policy, binding }: PolicyResult, finding: Finding): Outcome {
  if (finding.kind === "error" && policy.failurePolicy === "Ignore") return "error";
  if (binding.actions.includes("Deny")) return "deny";
  return binding.actions.includes("Warn") ? "warn" : "audit";
}

/** The verdict of a policy that found nothing: it was fine, or did not apply. */
export function passVerdict({ policy, binding, skipped, cost }: PolicyResult, durationUs: number): Verdict {
  const verdict: Verdict = {
    outcome: skipped === undefined || skipped.passes ? "allow" : "skip",
    policy: policy.name,
    policyKind: policy.kind,
    policyNamespace: policy.namespace,
    message: skipped?.message ?? "",
    isError: false,
    cost,
    durationUs,
  };
  if (binding.name === "" && skipped === undefined) return verdict;
  return { ...verdict, ...named("binding", binding.name), ...named("rule", skipped?.rule), ...named("exception", skipped?.exception) };
}

/** The verdict on one finding; `explained` adds the values that decided. */
export function verdictOn(result: PolicyResult, finding: Finding, durationUs: number, explained: boolean): Verdict {
  const { policy, binding, cost } = result;
  const verdict: Verdict = {
    outcome: outcomeOf(result, finding),
    policy: policy.name,
    policyKind: policy.kind,
    policyNamespace: policy.namespace,
    ...named("binding", binding.name),
    rule: policy.autogen === undefined ? finding.rule : `autogen-${policy.autogen}/${finding.rule}`,
    message: finding.message,
    reason: finding.reason,
    isError: finding.kind === "error",
    cost,
    durationUs,
    ...sourceOf(finding),
    ...named("severity", policy.severity),
    ...named("category", policy.category),
  };
  return explained ? withEvidence(verdict, finding.explain) : verdict;
}

/** Finding the evidence costs more than judging: it is done when the evidence is first read. */
function withEvidence(verdict: Verdict, explain: Finding["explain"]): Verdict {
  let evidence: Verdict["evidence"];
  const get = (): Verdict["evidence"] => {
    evidence ??= explain();
    return evidence;
  };
  return Object.defineProperty(verdict, "evidence", { enumerable: true, configurable: true, get });
}

function sourceOf({ failed, errorAt }: Finding): Pick<Verdict, "source"> {
  if (failed === undefined) return {};
  const { source } = failed.expression;
  const { line, column } = source.locate(Math.max(0, errorAt));
  return { source: { file: source.file, line, column } };
}

const named = <K extends string>(key: K, value: string | undefined): { readonly [key in K]?: string } =>
  // A computed key has the type string; that it is K is what the signature says.
  value === undefined || value === "" ? {} : ({ [key]: value } as { readonly [key in K]?: string });

/** What the API server is told when this finding denies. */
export function denialText({ policy, binding }: PolicyResult, finding: Finding): string {
  if (isKyvernoKind(policy.kind)) return kyvernoText(policy, finding);
  const subject = policy.kind === "ValidatingAdmissionPolicy" ? "ValidatingAdmissionPolicy" : "policy";
  const through = binding.name === "" ? "" : ` with binding '${binding.name}'`;
  return `${subject} '${policy.name}'${through} denied request: ${finding.message}`;
}

/** What the client is told when this finding warns. */
export function warningText({ policy, binding }: PolicyResult, finding: Finding): string {
  if (isKyvernoKind(policy.kind)) return kyvernoText(policy, finding);
  return `Validation failed for ${policy.kind} '${policy.name}' with binding '${binding.name}': ${finding.message}`;
}

const kyvernoText = (policy: CompiledPolicy, finding: Finding): string =>
  `Policy ${policy.name} ${finding.kind === "error" ? "error" : "failed"}: ${finding.message}`;
