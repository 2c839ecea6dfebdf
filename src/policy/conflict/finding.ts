/** What the analysis of policies finds. */
import type { PolicyOrigin } from "../access/access-rule.ts";
import type { Ground } from "../access/decide-access.ts";
import type { Call } from "../access/endpoint.ts";

export type FindingKind =
  /** An allow and a deny for the same calls. */
  | "contradiction"
  /** A rule that never decides, since another is always asked before it. */
  | "shadowed"
  /** A rule without which nothing would change, since another of its tier says the same. */
  | "redundant"
  /** A rule that matches no call, or nobody whom the inventory has. */
  | "dead";

export interface Finding {
  readonly kind: FindingKind;
  readonly severity: "error" | "warning" | "note";
  /** The rule that the finding is about. */
  readonly rule: PolicyOrigin;
  /** The rule that it is compared with. */
  readonly against: PolicyOrigin | undefined;
  /** One line, lower case. */
  readonly message: string;
  /** A call for which it is so; undefined where it is about all calls and none was found that shows it. */
  readonly witness: Witness | undefined;
}

/** A call, and what `decideAccess` said of it when it was really asked. */
export interface Witness {
  readonly call: Call;
  readonly verdict: "allow" | "deny";
  readonly ground: Ground;
}

export interface Conflicts {
  /** The gravest first, then by place in the files. */
  readonly findings: readonly Finding[];
  readonly rules: number;
  /** Pairs of rules that meet in who and where, and whose conditions cannot be compared. */
  readonly unknown: number;
  /** False when there were more pairs to compare than the limit: some findings may be missing, none is wrong. */
  readonly isComplete: boolean;
}
