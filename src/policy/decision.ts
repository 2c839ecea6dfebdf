/** The outcome of judging a review: what the webhook answers, the command line prints, and the event store keeps. */

/**
 * Outcome of one policy (or of one rule of it) for one review:
 * `allow` all rules hold · `deny`, `warn`, `audit` a rule failed, with that action · `skip` did not apply (why in `message`) ·
 * `error` could not judge, and failurePolicy says ignore (with Fail it is a `deny` whose `isError` is true).
 */
export type Outcome = "allow" | "deny" | "warn" | "audit" | "skip" | "error";

/** One verdict. INVARIANT: plain data, JSON-serialisable. */
export interface Verdict {
  readonly outcome: Outcome;
  /** The policy's name. */
  readonly policy: string;
  /** `ValidatingAdmissionPolicy`, `ValidatingPolicy`, … */
  readonly policyKind: string;
  /** Empty for cluster-scoped policies. */
  readonly policyNamespace: string;
  /** The binding that brought the policy into force, where the kind has bindings. */
  readonly binding?: string;
  /** The rule that decided: `validations[2]`, a match condition's or variable's name; with autogen `autogen-defaults/validations[0]`. */
  readonly rule?: string;
  /** For people. Never the whole expression when something better is known. */
  readonly message: string;
  /** `Forbidden`, `Invalid`, … (Kubernetes StatusReason), when the rule failed. */
  readonly reason?: string;
  /** True when the policy could not be evaluated rather than said no. */
  readonly isError: boolean;
  /** The exception that exempted the subject, when outcome is skip for that reason. */
  readonly exception?: string;
  /** The values that decided, for `vigil events why`: sub-expression → its value as JSON text (cut at 200 characters). Only for the first rules that failed, and found when it is first read. */
  readonly evidence?: readonly { readonly expression: string; readonly value: string }[];
  /** CEL cost units used by the policy for this review. */
  readonly cost: number;
  readonly durationUs: number;
  /** Where the rule is written. */
  readonly source?: { readonly file: string; readonly line: number; readonly column: number };
  readonly severity?: string;
  readonly category?: string;
}

export interface Decision {
  readonly allowed: boolean;
  /** HTTP status for a denial (403, or what the reason of the policy says); 200 when allowed. */
  readonly code: number;
  /** The text for the API server when denied: the first deny in policy order, others counted. */
  readonly message: string;
  readonly reason: string;
  /** Every policy that matched, in policy order; `skip` only for exceptions and match conditions. */
  readonly verdicts: readonly Verdict[];
  /** Text of `warn` outcomes, for AdmissionResponse.warnings. */
  readonly warnings: readonly string[];
  readonly auditAnnotations: { readonly [key: string]: string };
  /** RFC 6902 operations that turn the object as received into the object as mutated; empty when nothing changed. */
  readonly patch: readonly JsonPatchOperation[];
  readonly snapshotId: string;
  readonly durationUs: number;
}

export interface JsonPatchOperation {
  readonly op: "add" | "remove" | "replace" | "copy" | "move" | "test";
  /** RFC 6901 pointer. */
  readonly path: string;
  readonly from?: string;
  readonly value?: unknown;
}
