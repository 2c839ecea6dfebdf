/** The one evaluator: the webhook, the command line, the background audit and the tests ask the same functions. */
import type { JsonObject } from "../lib/json.ts";
import type { CompiledPolicy } from "./compiled-policy.ts";
import { DecisionDraft } from "./decide.ts";
import type { Decision } from "./decision.ts";
import { bindingsOf, type UnknownNamespaces, withBareNamespaces } from "./evaluation.ts";
import { diff } from "./json-diff.ts";
import { judgeCandidate, type Report } from "./judge-candidate.ts";
import { judgePolicy, type Scene } from "./judge-policy.ts";
import type { Candidate } from "./policy-index.ts";
import { shapeOf } from "./resource-rule.ts";
import type { Review, World } from "./review.ts";
import { reviewOfDocument } from "./review-of.ts";
import type { Snapshot } from "./snapshot.ts";

export interface JudgeOptions {
  /** `admit` mutates and then validates what came of it, as the API server does with both webhooks. */
  readonly phase: "validate" | "mutate" | "admit";
  /**
   * On whose behalf: `admission` leaves out policies that only watch existing objects, `background` those that only watch
   * requests, `any` none. Default `admission`.
   */
  readonly trigger?: "admission" | "background" | "any";
  /** A clock in microseconds, for durations; without one they are 0. */
  readonly clockUs?: () => number;
  /** Default `refuse`. */
  readonly unknownNamespaces?: UnknownNamespaces;
}

/**
 * Decides a review. The same snapshot, review and world always give the same decision, but for durations. Never throws on an
 * expected path; what cannot be evaluated is decided by its policy's failurePolicy.
 */
export function judge(snapshot: Snapshot, review: Review, world: World, options: JudgeOptions): Decision {
  const draft = new DecisionDraft(options.clockUs);
  const object = judgePolicies(snapshot, review, world, options, (result) => draft.add(result));
  return draft.finish(snapshot.id, object === review.object ? [] : diff(review.object, object));
}

/** Decides about a JSON document of any kind, by the policies whose evaluation mode is JSON. */
export function judgeDocument(
  snapshot: Snapshot,
  document: JsonObject,
  world: World,
  options: Pick<JudgeOptions, "clockUs"> = {},
): Decision {
  const draft = new DecisionDraft(options.clockUs);
  judgeDocumentPolicies(snapshot, document, world, (result) => draft.add(result));
  return draft.finish(snapshot.id, []);
}

/** Reports what comes of every policy that matches, in policy order; returns the object as the mutating ones leave it. */
export function judgePolicies(snapshot: Snapshot, review: Review, world: World, options: JudgeOptions, report: Report): JsonObject | null {
  snapshot.clock.nowMs = world.nowMs;
  const { phase, trigger = "admission", unknownNamespaces = "refuse" } = options;
  const scene: Scene = {
    snapshot,
    review,
    world: unknownNamespaces === "bare" ? withBareNamespaces(world) : world,
    bindings: bindingsOf(review, world, unknownNamespaces),
  };
  const mutated = phase === "validate" ? scene : mutateReview(scene, trigger, report);
  if (phase !== "mutate") validateReview(mutated, trigger, report);
  return mutated.review.object;
}

/** Reports what comes of the policies about JSON documents. */
export function judgeDocumentPolicies(snapshot: Snapshot, document: JsonObject, world: World, report: Report): void {
  snapshot.clock.nowMs = world.nowMs;
  const review = reviewOfDocument(document);
  const bindings = { ...bindingsOf(review, world, "bare"), request: null };
  for (const policy of snapshot.json) {
    for (const binding of policy.bindings) report(judgePolicy(policy, binding, { snapshot, review, world, bindings }));
  }
}

type Trigger = NonNullable<JudgeOptions["trigger"]>;

const runs = ({ runsAt }: CompiledPolicy, trigger: Trigger): boolean => trigger === "any" || runsAt[trigger];

function validateReview(scene: Scene, trigger: Trigger, report: Report): void {
  for (const candidate of scene.snapshot.validating.candidatesFor(shapeOf(scene.review))) {
    if (runs(candidate.policy, trigger)) judgeCandidate(candidate, scene, report);
  }
}

/** Runs the policies in order; then again, once, those that ask for it and after which the object was changed. */
function mutateReview(scene: Scene, trigger: Trigger, report: Report): Scene {
  const candidates = scene.snapshot.mutating
    .candidatesFor(shapeOf(scene.review))
    .filter(({ policy }) => runs(policy, trigger) && !hasTarget(policy));
  const left = new Map<Candidate, JsonObject | null>();
  let current = scene;
  for (const candidate of candidates) {
    current = mutateBy(candidate, current, report);
    if (isReinvoked(candidate.policy)) left.set(candidate, current.review.object);
  }
  // Of a second run only what fails is news.
  const reportFindings: Report = (result) => {
    if (result.findings.length > 0) report(result);
  };
  for (const [candidate, object] of left) if (object !== current.review.object) current = mutateBy(candidate, current, reportFindings);
  return current;
}

/** Each binding goes on from what the one before it made. */
function mutateBy(candidate: Candidate, scene: Scene, report: Report): Scene {
  let current = scene;
  for (const binding of candidate.bindings) {
    judgeCandidate({ ...candidate, bindings: [binding] }, current, (result) => {
      current = withObject(current, result.object);
      report(result);
    });
  }
  return current;
}

const withObject = (scene: Scene, object: JsonObject | null): Scene =>
  object === scene.review.object ? scene : { ...scene, review: { ...scene.review, object }, bindings: { ...scene.bindings, object } };

const isReinvoked = ({ effect }: CompiledPolicy): boolean => effect.kind === "mutate" && effect.reinvocationPolicy === "IfNeeded";

/** Policies with targets change other objects than the one that is requested. */
const hasTarget = ({ effect }: CompiledPolicy): boolean => effect.kind === "mutate" && effect.target !== undefined;
