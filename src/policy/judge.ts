/** The one evaluator: the webhook, the command line, the background audit and the tests ask the same functions. */
import type { JsonObject } from "../lib/json.ts";
import type { CompiledPolicy } from "./compiled-policy.ts";
import { DecisionDraft } from "./decide.ts";
import type { Decision } from "./decision.ts";
import { type Bindings, bindingsOf, type UnknownNamespaces, withBareNamespaces } from "./evaluation.ts";
import { diff } from "./json-diff.ts";
import { judgeCandidate } from "./judge-candidate.ts";
import { type Judged, judgePolicy } from "./judge-policy.ts";
import type { Candidate } from "./policy-index.ts";
import type { PolicyResult } from "./policy-result.ts";
import { shapeOf } from "./resource-rule.ts";
import type { Review, World } from "./review.ts";
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

export interface TimedResult {
  readonly result: PolicyResult;
  readonly durationUs: number;
}

/**
 * Decides a review. The same snapshot, review and world always give the same decision, but for durations. Never throws on an
 * expected path; what cannot be evaluated is decided by its policy's failurePolicy.
 */
export function judge(snapshot: Snapshot, review: Review, world: World, options: JudgeOptions): Decision {
  const startUs = options.clockUs?.() ?? 0;
  const { results, object } = judgePolicies(snapshot, review, world, options);
  return decisionOf(snapshot, results, object === review.object ? [] : diff(review.object, object), options, startUs);
}

/** Decides about a JSON document of any kind, by the policies whose evaluation mode is JSON. */
export function judgeDocument(snapshot: Snapshot, document: JsonObject, world: World, options: Omit<JudgeOptions, "phase"> = {}): Decision {
  const startUs = options.clockUs?.() ?? 0;
  const results = judgeDocumentPolicies(snapshot, document, world, options);
  return decisionOf(snapshot, results, [], options, startUs);
}

function decisionOf(
  snapshot: Snapshot,
  results: readonly TimedResult[],
  patch: Decision["patch"],
  { clockUs }: Omit<JudgeOptions, "phase">,
  startUs: number,
): Decision {
  const draft = new DecisionDraft();
  for (const { result, durationUs } of results) draft.add(result, durationUs);
  return draft.finish(patch, snapshot.id, clockUs === undefined ? 0 : clockUs() - startUs);
}

/** What comes of every policy that matches, in policy order, and the object as the mutating ones leave it. */
export function judgePolicies(
  snapshot: Snapshot,
  review: Review,
  world: World,
  options: JudgeOptions,
): { readonly results: readonly TimedResult[]; readonly object: JsonObject | null } {
  snapshot.clock.nowMs = world.nowMs;
  const seen = options.unknownNamespaces === "bare" ? withBareNamespaces(world) : world;
  const bindings = bindingsOf(review, world, options.unknownNamespaces ?? "refuse");
  const run = new Run(snapshot, review, seen, bindings, options);
  if (options.phase !== "validate") run.mutate();
  if (options.phase !== "mutate") run.validate();
  return { results: run.results, object: run.review.object };
}

/** What comes of the policies about JSON documents. */
export function judgeDocumentPolicies(
  snapshot: Snapshot,
  document: JsonObject,
  world: World,
  { clockUs }: Omit<JudgeOptions, "phase">,
): readonly TimedResult[] {
  snapshot.clock.nowMs = world.nowMs;
  const exceptions = { allowedImages: [], allowedValues: [] };
  const bindings = { ...world.bindings, object: document, oldObject: null, request: null, namespaceObject: null, exceptions };
  let beforeUs = clockUs?.() ?? 0;
  return snapshot.json.flatMap((policy) =>
    policy.bindings.map((binding) => {
      const { result } = judgePolicy({ policy, binding, bindings, object: document, schema: undefined, nowMs: world.nowMs });
      const afterUs = clockUs?.() ?? 0;
      const durationUs = afterUs - beforeUs;
      beforeUs = afterUs;
      return { result, durationUs };
    }),
  );
}

/** One pass over the policies of a review. */
class Run {
  readonly results: TimedResult[] = [];
  /** The review with the object as it is by now. */
  review: Review;
  readonly #snapshot: Snapshot;
  readonly #world: World;
  readonly #options: JudgeOptions;
  #bindings: Bindings;
  #beforeUs: number;

  constructor(snapshot: Snapshot, review: Review, world: World, bindings: Bindings, options: JudgeOptions) {
    this.#snapshot = snapshot;
    this.review = review;
    this.#world = world;
    this.#bindings = bindings;
    this.#options = options;
    this.#beforeUs = options.clockUs?.() ?? 0;
  }

  validate(): void {
    for (const candidate of this.#snapshot.validating.candidatesFor(shapeOf(this.review))) {
      if (!runs(candidate.policy, this.#options.trigger)) continue;
      for (const judged of this.#judge(candidate)) this.#add(judged);
    }
  }

  /** Runs the policies in order; then again, once, those that ask for it and after which the object was changed. */
  mutate(): void {
    const candidates = this.#snapshot.mutating
      .candidatesFor(shapeOf(this.review))
      .filter(({ policy }) => runs(policy, this.#options.trigger));
    const left = new Map<Candidate, JsonObject | null>();
    for (const candidate of candidates) {
      this.#mutateBy(candidate);
      if (isReinvoked(candidate.policy)) left.set(candidate, this.review.object);
    }
    for (const [candidate, object] of left) if (object !== this.review.object) this.#mutateBy(candidate, false);
  }

  /** Each binding goes on from what the one before it made. */
  #mutateBy(candidate: Candidate, isReported = true): void {
    for (const binding of candidate.bindings) {
      for (const judged of this.#judge({ ...candidate, bindings: [binding] })) {
        this.#replaceObject(judged.object);
        if (isReported || judged.result.findings.length > 0) this.#add(judged);
      }
    }
  }

  #judge(candidate: Candidate): readonly Judged[] {
    return judgeCandidate(candidate, { snapshot: this.#snapshot, review: this.review, world: this.#world, bindings: this.#bindings });
  }

  #replaceObject(object: JsonObject | null): void {
    if (object === this.review.object) return;
    this.review = { ...this.review, object };
    this.#bindings = { ...this.#bindings, object };
  }

  #add({ result }: Judged): void {
    const { clockUs } = this.#options;
    if (clockUs === undefined) {
      this.results.push({ result, durationUs: 0 });
      return;
    }
    const afterUs = clockUs();
    this.results.push({ result, durationUs: afterUs - this.#beforeUs });
    this.#beforeUs = afterUs;
  }
}

function runs({ runsAt }: CompiledPolicy, trigger: JudgeOptions["trigger"] = "admission"): boolean {
  return trigger === "any" || runsAt[trigger];
}

const isReinvoked = ({ effect }: CompiledPolicy): boolean => effect.kind === "mutate" && effect.reinvocationPolicy === "IfNeeded";
