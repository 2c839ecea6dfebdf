/** What the analysis of policies finds. */
import type { Direction, PolicyOrigin } from "../access/access-rule.ts";
import type { Ground } from "../access/decide-access.ts";
import type { Call } from "../access/endpoint.ts";
import type { PathStep } from "./call-graph.ts";

export type FindingKind =
  /** An allow and a deny for the same calls. */
  | "contradiction"
  /** A rule that never decides, since another is always asked before it. */
  | "shadowed"
  /** A rule without which nothing would change, since another of its tier says the same. */
  | "redundant"
  /** A rule that matches no call, or nobody whom the inventory has. */
  | "dead"
  /** A call that was seen and that no policy allows. */
  | "gap"
  /** An allow that no call has used. */
  | "unused"
  /** Two allows for the same calls that give one label of them different values. */
  | "label-clash";

export interface Finding {
  readonly kind: FindingKind;
  readonly severity: "error" | "warning" | "note";
  /** The rule that the finding is about. */
  readonly rule: PolicyOrigin;
  /** Of the rule: an AccessPolicy may have one for each. */
  readonly direction: Direction;
  /** The rule that it is compared with. */
  readonly against: PolicyOrigin | undefined;
  /** One line, lower case. */
  readonly message: string;
  /** A call for which it is so; undefined where it is about all calls and none was found that shows it. */
  readonly witness: Witness | undefined;
}

/** Whether two findings about one rule say the same. INVARIANT: the same other rule makes the same example. */
export const sameFinding = (a: Finding | undefined, b: Finding | undefined): boolean =>
  a?.kind === b?.kind &&
  a?.against === b?.against &&
  a?.message === b?.message &&
  a?.witness?.verdict === b?.witness?.verdict &&
  a?.witness?.ground.origin === b?.witness?.ground.origin &&
  a?.witness?.ground.tier === b?.witness?.ground.tier &&
  a?.witness?.ground.direction === b?.witness?.ground.direction;

/** A call, and what `decideAccess` said of it when it was really asked. */
export interface Witness {
  readonly call: Call;
  readonly verdict: "allow" | "deny";
  readonly ground: Ground;
}

export interface Conflicts {
  /** The gravest first, then by place in the files. */
  readonly findings: readonly Finding[];
  /** Those that were not found, or were found otherwise, when the same analysis examined last; and those that are not found any more. */
  readonly appeared: readonly Finding[];
  readonly gone: readonly Finding[];
  /** For findings about calls that were seen: how they come about, from whom nobody calls to the call in question. */
  readonly paths: ReadonlyMap<Finding, readonly PathStep[]>;
  readonly rules: number;
  /** Pairs of rules that meet in who and where, and whose conditions cannot be compared. */
  readonly unknown: number;
  /** Calls that were seen, of which it cannot be said whether a policy allows them: its condition asks what nobody saw. */
  readonly unknownCalls: number;
  /** False when there were more pairs to compare than the limit: some findings may be missing, none is wrong. */
  readonly isComplete: boolean;
}
