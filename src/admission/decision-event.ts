/** Reviews and their decisions as events: one for every verdict that matters, and one for every allowed review. */
import type { Severity } from "../event/event-stamp.ts";
import type { DecisionFields } from "../event/producer.ts";
import type { Decision, Verdict } from "../policy/decision.ts";
import type { Review } from "../policy/review.ts";
import type { Phase } from "./admission-response.ts";

type Noted = Verdict & { readonly outcome: DecisionFields["verdict"] };

const isNoted = (verdict: Verdict): verdict is Noted => verdict.outcome !== "allow" && verdict.outcome !== "skip";

const SEVERITIES: { readonly [verdict in DecisionFields["verdict"]]: Severity } = { allow: 1, audit: 2, warn: 2, deny: 3, error: 4 };
const STATED_SEVERITIES: ReadonlyMap<string, Severity> = new Map([
  ["info", 1],
  ["low", 2],
  ["medium", 3],
  ["high", 4],
  ["critical", 5],
]);

/** Events of a decision. A mutating review is noted as allowed only when it changed the object: the validating one follows it. */
export function eventsOfDecision(review: Review, decision: Decision, phase: Phase): readonly DecisionFields[] {
  const shared = sharedFields(review, decision.snapshotId);
  const events: DecisionFields[] = decision.verdicts.filter(isNoted).map((verdict) => ({ ...shared, ...verdictFields(verdict) }));
  if (decision.allowed && (phase === "validate" || decision.patch.length > 0)) {
    events.push({
      ...shared,
      ...ALLOW,
      message: phase === "mutate" ? `${decision.patch.length} changes` : "",
      latencyUs: decision.durationUs,
    });
  }
  return events;
}

/** The event of a review that no policy decided: break-glass, or a failure of Vigil. */
export function eventOutsidePolicy(
  review: Review,
  fields: Pick<DecisionFields, "verdict" | "reasonCode" | "message" | "severity">,
): DecisionFields {
  return { ...sharedFields(review, ""), ...ALLOW, ...fields };
}

const ALLOW = {
  verdict: "allow",
  severity: 1,
  policy: "",
  rule: "",
  reasonCode: "",
  message: "",
  latencyUs: 0,
  evidence: [],
  source: "",
} as const;

function verdictFields(verdict: Noted) {
  const { outcome, policy, policyNamespace, source, severity } = verdict;
  return {
    verdict: outcome,
    severity: STATED_SEVERITIES.get(severity ?? "") ?? SEVERITIES[outcome],
    policy: policyNamespace === "" ? policy : `${policyNamespace}/${policy}`,
    rule: verdict.rule ?? "",
    reasonCode: verdict.isError ? "POLICY_ERROR" : (verdict.reason ?? ""),
    message: verdict.message,
    latencyUs: verdict.durationUs,
    evidence: verdict.evidence ?? [],
    source: source === undefined ? "" : `${source.file}:${source.line}:${source.column}`,
  };
}

function sharedFields(review: Review, snapshotId: string) {
  return {
    point: "admission",
    mode: review.dryRun ? "dry-run" : "enforce",
    policyDigest: snapshotId,
    action: review.operation.toLowerCase(),
    object: objectName(review),
    subject: review.userInfo.username,
    auditId: review.uid,
  } as const;
}

/** `Pod shop/debug`; a name that the API server has yet to make ends in `*`. */
function objectName({ kind, subResource, namespace, name, object }: Review): string {
  const metadata = object?.["metadata"];
  const prefix = typeof metadata === "object" && metadata !== null && "generateName" in metadata ? String(metadata["generateName"]) : "";
  const known = name === "" ? `${prefix}*` : name;
  const path = namespace === "" || (kind.group === "" && kind.kind === "Namespace") ? known : `${namespace}/${known}`;
  return `${kind.kind}${subResource === "" ? "" : `/${subResource}`} ${path}`;
}
