/**
 * From the body of a request to the body of its answer: what the webhook does once HTTP is out of the way. Synchronous, and total:
 * whatever the body contains and whatever a policy does, there is an answer.
 */
import type { DecisionFields } from "../event/producer.ts";
import { messageOf } from "../lib/error.ts";
import { parseStrictJson } from "../lib/strict-json.ts";
import type { Decision } from "../policy/decision.ts";
import type { Review } from "../policy/review.ts";
import { reviewOfAdmissionRequest } from "../policy/review-of.ts";
import type { AdmissionMetrics } from "./admission-metrics.ts";
import { encodeAllowed, encodeAllowedWithWarning, encodeDecision, encodeDenied, type Phase } from "./admission-response.ts";
import type { BreakGlassOpening } from "./break-glass.ts";
import { eventOutsidePolicy, eventsOfDecision } from "./decision-event.ts";
import { isExcluded } from "./exclusion.ts";
import { encodeRefusal, type Refusal } from "./refusal.ts";

/** Judges a review by the snapshot in force; undefined while none is. */
export type Decide = (review: Review, phase: Phase) => Decision | undefined;

export interface WebhookOptions {
  readonly decide: Decide;
  /** Namespaces that are never judged (`excludedNamespaces`). */
  readonly excluded: ReadonlySet<string>;
  readonly breakGlass: () => BreakGlassOpening | undefined;
  /**
   * What an unexpected failure of Vigil itself becomes: `deny` answers with a denial; `refuse` answers HTTP 500, so that
   * the failurePolicy of the webhook configuration decides.
   */
  readonly onFailure: "deny" | "refuse";
  /** Takes events; must not block or throw. */
  readonly emit: (event: DecisionFields) => void;
  readonly metrics: AdmissionMetrics;
  /** Milliseconds of a steady clock. */
  readonly steadyMs: () => number;
}

/** The answer to one request. */
export interface Reply {
  readonly status: number;
  readonly body: string;
}

const MS_PER_SECOND = 1000;
const OK = 200;
const INTERNAL_ERROR = 500;

/** Answers one body in its phase. UNTRUSTED: `body`. */
export type AnswerReview = (body: Uint8Array, phase: Phase) => Reply;

export function createWebhook(options: WebhookOptions): AnswerReview {
  const { metrics, steadyMs } = options;
  return (body, phase) => {
    const startMs = steadyMs();
    const json = parseStrictJson(body);
    if (!json.ok) return refuse(metrics, json.error);
    const review = reviewOfAdmissionRequest(json.value);
    if (!review.ok) return refuse(metrics, review.error);
    const reply = answer(options, review.value, phase);
    metrics.reviewSeconds.observe((steadyMs() - startMs) / MS_PER_SECOND, phase);
    return reply;
  };
}

/** The reply of a refusal, counted. */
export function refuse(metrics: AdmissionMetrics, refusal: Refusal): Reply {
  metrics.refusals.increment(refusal.code);
  return encodeRefusal(refusal);
}

function answer(options: WebhookOptions, review: Review, phase: Phase): Reply {
  const { metrics } = options;
  if (isExcluded(review, options.excluded)) {
    metrics.reviews.increment(phase, "excluded");
    return { status: OK, body: encodeAllowed(review.uid) };
  }
  const opening = options.breakGlass();
  if (opening !== undefined) return allowByBreakGlass(options, review, phase, opening);
  try {
    return answerByPolicy(options, review, phase);
  } catch (thrown) {
    return answerFailure(options, review, phase, thrown);
  }
}

function answerByPolicy({ decide, metrics, emit }: WebhookOptions, review: Review, phase: Phase): Reply {
  const decision = decide(review, phase);
  if (decision === undefined) return refuse(metrics, NOT_READY);
  const body = encodeDecision(review.uid, decision, phase);
  metrics.reviews.increment(phase, decision.allowed ? "allow" : "deny");
  for (const { policyKind, outcome } of decision.verdicts) metrics.verdicts.increment(policyKind, outcome);
  for (const event of eventsOfDecision(review, decision, phase)) emit(event);
  return { status: OK, body };
}

const NOT_READY: Refusal = {
  code: "ADMISSION_NOT_READY",
  message: "no policies are in force yet",
  hint: "see the status of the policies: what does not compile is reported there",
};

function allowByBreakGlass({ metrics, emit }: WebhookOptions, review: Review, phase: Phase, opening: BreakGlassOpening): Reply {
  metrics.reviews.increment(phase, "break-glass");
  const until = new Date(opening.expiresAtMs).toISOString();
  const message = `vigil: break-glass is open until ${until}, no policy was asked (${opening.openedBy}: ${opening.reason})`;
  // The validating request follows the mutating one: one event per object is enough.
  if (phase === "validate") emit(eventOutsidePolicy(review, { verdict: "allow", reasonCode: "BREAK_GLASS", message, severity: 4 }));
  return { status: OK, body: encodeAllowedWithWarning(review.uid, message) };
}

/** A failure of Vigil, not of a policy: the judge threw. */
function answerFailure(options: WebhookOptions, review: Review, phase: Phase, thrown: unknown): Reply {
  const { metrics, emit, onFailure } = options;
  metrics.reviews.increment(phase, "error");
  emit(eventOutsidePolicy(review, { verdict: "error", reasonCode: "ADMISSION_FAILED", message: messageOf(thrown), severity: 4 }));
  const refusal: Refusal = {
    code: "ADMISSION_FAILED",
    message: "vigil failed to judge the request",
    hint: `the event of the request \`${review.uid}\` says why`,
  };
  if (onFailure === "refuse") return refuse(metrics, refusal);
  return { status: OK, body: encodeDenied(review.uid, INTERNAL_ERROR, "InternalError", `${refusal.message}: ${refusal.hint}`) };
}
