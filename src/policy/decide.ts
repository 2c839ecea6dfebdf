/** From what came of each policy to the one decision. */
import type { Decision, JsonPatchOperation, Verdict } from "./decision.ts";
import { denialText, outcomeOf, type PolicyResult, passVerdict, verdictOn, warningText } from "./policy-result.ts";
import type { Finding } from "./validate.ts";

/** A flood of denials must not cost more than it has to: only the first findings of a decision are explained. */
const MAX_EXPLAINED = 3;

/** Collects results in policy order. */
export class DecisionDraft {
  readonly #verdicts: Verdict[] = [];
  readonly #warnings: string[] = [];
  readonly #annotations = new Map<string, string[]>();
  readonly #failures: { readonly [key: string]: unknown }[] = [];
  #denials = 0;
  #message = "";
  #reason = "";

  #explained = 0;
  readonly #clockUs: (() => number) | undefined;
  readonly #startUs: number;
  #beforeUs: number;

  /** With a clock in microseconds, every result took the time since the one before it. */
  constructor(clockUs: (() => number) | undefined) {
    this.#clockUs = clockUs;
    this.#startUs = clockUs?.() ?? 0;
    this.#beforeUs = this.#startUs;
  }

  add(result: PolicyResult): void {
    const durationUs = this.#lap();
    if (result.findings.length === 0) this.#verdicts.push(passVerdict(result, durationUs));
    for (const finding of result.findings) {
      this.#verdicts.push(verdictOn(result, finding, durationUs, this.#explained++ < MAX_EXPLAINED));
      this.#addFinding(result, finding);
    }
    for (const [key, value] of result.annotations) this.#annotate(`${result.policy.name}/${key}`, value);
  }

  #lap(): number {
    if (this.#clockUs === undefined) return 0;
    const afterUs = this.#clockUs();
    const durationUs = afterUs - this.#beforeUs;
    this.#beforeUs = afterUs;
    return durationUs;
  }

  #addFinding(result: PolicyResult, finding: Finding): void {
    const { policy, binding } = result;
    const outcome = outcomeOf(result, finding);
    if (outcome === "error") return;
    if (outcome === "deny") {
      if (this.#denials++ === 0) {
        this.#message = denialText(result, finding);
        this.#reason = finding.reason;
      }
    }
    if (binding.actions.includes("Warn")) this.#warnings.push(warningText(result, finding));
    if (binding.actions.includes("Audit")) {
      this.#failures.push({
        message: finding.message,
        policy: policy.name,
        binding: binding.name,
        expressionIndex: finding.index,
        validationActions: binding.actions,
      });
    }
  }

  /** Equal values of several bindings count once; others are joined, as the API server does. */
  #annotate(key: string, value: string): void {
    const values = this.#annotations.get(key) ?? [];
    if (!values.includes(value)) this.#annotations.set(key, [...values, value]);
  }

  finish(snapshotId: string, patch: readonly JsonPatchOperation[]): Decision {
    const allowed = this.#denials === 0;
    const others = this.#denials > 1 ? ` (and ${this.#denials - 1} more)` : "";
    return {
      allowed,
      code: allowed ? 200 : (STATUS_CODES[this.#reason] ?? 422),
      message: this.#message + others,
      reason: this.#reason,
      verdicts: this.#verdicts,
      warnings: this.#warnings,
      auditAnnotations: this.#auditAnnotations(),
      patch: allowed ? patch : [],
      snapshotId,
      durationUs: this.#clockUs === undefined ? 0 : this.#clockUs() - this.#startUs,
    };
  }

  #auditAnnotations(): { readonly [key: string]: string } {
    if (this.#annotations.size === 0 && this.#failures.length === 0) return NO_ANNOTATIONS;
    const annotations = Object.fromEntries([...this.#annotations].map(([key, values]) => [key, values.join(", ")]));
    return this.#failures.length === 0 ? annotations : { ...annotations, [FAILURE_ANNOTATION]: JSON.stringify(this.#failures) };
  }
}

const NO_ANNOTATIONS = {};
/** The key under which the API server records what `Audit` lets through. */
const FAILURE_ANNOTATION = "validation.policy.admission.k8s.io/validation_failure";

const STATUS_CODES: { readonly [reason: string]: number } = { Unauthorized: 401, Forbidden: 403, RequestEntityTooLarge: 413, Invalid: 422 };
