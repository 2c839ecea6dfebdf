/** One policy, through one of its bindings, on a subject that its constraints match. */
import { createFrame, type Frame } from "../cel/frame.ts";
import type { CompiledBinding, CompiledException, CompiledPolicy } from "./compiled-policy.ts";
import type { Bindings } from "./evaluation.ts";
import { exemptionFor } from "./exempt.ts";
import { mutate } from "./mutate.ts";
import type { PolicyResult, Skipped } from "./policy-result.ts";
import type { Review, World } from "./review.ts";
import { checkConditions, describeError } from "./run-expression.ts";
import { withoutSecrets } from "./shown-evidence.ts";
import type { Snapshot } from "./snapshot.ts";
import { type Finding, nothingToShow, validate } from "./validate.ts";

/** What a policy is judged in. */
export interface Scene {
  readonly snapshot: Snapshot;
  readonly review: Review;
  readonly world: World;
  /** What the expressions see of the review. */
  readonly bindings: Bindings;
}

export function judgePolicy(policy: CompiledPolicy, binding: CompiledBinding, scene: Scene): PolicyResult {
  const { bindings, review, world } = scene;
  if (policy.effect.kind === "broken") return failed(policy, binding, review, unusable(policy.effect.message));
  if (policy.exceptions.length === 0) return judgeConditions(policy, binding, scene, createFrame(bindings));
  const exemption = exemptionFor(policy, createFrame(bindings), world.nowMs);
  switch (exemption.kind) {
    case "full":
      return passedOver(policy, binding, review, exempted(exemption.exceptions, exemption.reportResult), 0);
    case "error":
      return failed(policy, binding, review, unusable(exemption.message));
    case "partial": {
      const exceptions = { allowedImages: exemption.images, allowedValues: exemption.values };
      return judgeConditions(policy, binding, scene, createFrame({ ...bindings, exceptions }));
    }
    default:
      return judgeConditions(policy, binding, scene, createFrame(bindings));
  }
}

function judgeConditions(policy: CompiledPolicy, binding: CompiledBinding, scene: Scene, frame: Frame): PolicyResult {
  const conditions = checkConditions(policy.conditions, frame);
  if (conditions.kind === "met") return applyEffect(policy, binding, scene, frame);
  if (conditions.kind === "unmet") return passedOver(policy, binding, scene.review, unmet(conditions.condition), frame.cost);
  const { condition, error } = conditions;
  if (policy.failurePolicy === "Ignore") return passedOver(policy, binding, scene.review, unmet(condition.name), frame.cost);
  const finding = { ...unusable(describeError(condition, error)), rule: condition.name, failed: condition, errorAt: error.start };
  return failed(policy, binding, scene.review, finding, frame.cost);
}

function applyEffect(policy: CompiledPolicy, binding: CompiledBinding, { snapshot, review }: Scene, frame: Frame): PolicyResult {
  const { effect } = policy;
  if (effect.kind === "validate") {
    const { findings, annotations } = validate(policy, effect, frame);
    return { policy, binding, findings: shown(findings, review), annotations, skipped: undefined, cost: frame.cost, object: review.object };
  }
  if (effect.kind === "broken" || review.object === null) return passed(policy, binding, review, frame.cost);
  const { findings, annotations, object } = mutate(policy, effect, review.object, frame, snapshot.schemaOf(review.kind));
  return { policy, binding, findings: shown(findings, review), annotations, skipped: undefined, cost: frame.cost, object };
}

const shown = (findings: readonly Finding[], review: Review): readonly Finding[] =>
  findings.length === 0 ? findings : findings.map((finding) => withoutSecrets(finding, review));

const NONE: readonly never[] = [];

const passed = (policy: CompiledPolicy, binding: CompiledBinding, { object }: Review, cost: number): PolicyResult => ({
  policy,
  binding,
  findings: NONE,
  annotations: NONE,
  skipped: undefined,
  cost,
  object,
});

const passedOver = (policy: CompiledPolicy, binding: CompiledBinding, review: Review, skipped: Skipped, cost: number): PolicyResult => ({
  ...passed(policy, binding, review, cost),
  skipped,
});

/** The result of a policy that cannot be evaluated. */
export const failed = (
  policy: CompiledPolicy,
  binding: CompiledBinding,
  review: Review,
  finding: Finding,
  cost: number = 0,
): PolicyResult => ({
  ...passed(policy, binding, review, cost),
  findings: shown([finding], review),
});

/** The finding about a policy or binding that cannot be used at all. */
export const unusable = (message: string): Finding => ({
  kind: "error",
  rule: "",
  message,
  reason: "Invalid",
  index: 0,
  failed: undefined,
  errorAt: -1,
  explain: nothingToShow,
});

const unmet = (condition: string): Skipped => ({
  message: `match condition \`${condition}\` does not hold`,
  rule: condition,
  exception: "",
  passes: false,
});

function exempted(exceptions: readonly CompiledException[], reportResult: "skip" | "pass"): Skipped {
  const exception = exceptions.map(({ namespace, name }) => (namespace === "" ? name : `${namespace}/${name}`)).join(", ");
  const passes = reportResult === "pass";
  return {
    message: `rule is ${passes ? "passed" : "skipped"} due to policy exception: ${exception}`,
    rule: "exception",
    exception,
    passes,
  };
}
