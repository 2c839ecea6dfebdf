/** One policy, through one of its bindings, on one subject that its constraints match. */
import { createFrame, type Frame } from "../cel/frame.ts";
import type { JsonObject } from "../lib/json.ts";
import type { Schema } from "../resource/schema.ts";
import type { CompiledBinding, CompiledException, CompiledPolicy } from "./compiled-policy.ts";
import type { Bindings } from "./evaluation.ts";
import { exemptionFor } from "./exempt.ts";
import { mutate } from "./mutate.ts";
import type { PolicyResult, Skipped } from "./policy-result.ts";
import { checkConditions, describeError } from "./run-expression.ts";
import { type Finding, validate } from "./validate.ts";

export interface Subject {
  readonly policy: CompiledPolicy;
  readonly binding: CompiledBinding;
  readonly bindings: Bindings;
  /** What a mutating policy changes; null when the request has no object. */
  readonly object: JsonObject | null;
  readonly schema: Schema | undefined;
  readonly nowMs: number;
}

export interface Judged {
  readonly result: PolicyResult;
  /** The object as a mutating policy leaves it. */
  readonly object: JsonObject | null;
}

export function judgePolicy(subject: Subject): Judged {
  const { policy, bindings } = subject;
  if (policy.effect.kind === "broken") return settled(subject, 0, { findings: [unusable(policy.effect.message)] });
  if (policy.exceptions.length === 0) return judgeConditions(subject, createFrame(bindings));
  const exemption = exemptionFor(policy, createFrame(bindings), subject.nowMs);
  switch (exemption.kind) {
    case "full":
      return settled(subject, 0, { skipped: exempted(exemption.exceptions, exemption.reportResult) });
    case "error":
      return settled(subject, 0, { findings: [unusable(exemption.message)] });
    case "partial": {
      const exceptions = { allowedImages: exemption.images, allowedValues: exemption.values };
      return judgeConditions(subject, createFrame({ ...bindings, exceptions }));
    }
    default:
      return judgeConditions(subject, createFrame(bindings));
  }
}

function judgeConditions(subject: Subject, frame: Frame): Judged {
  const { policy } = subject;
  const conditions = checkConditions(policy.conditions, frame);
  if (conditions.kind === "met") return applyEffect(subject, frame);
  if (conditions.kind === "unmet") return settled(subject, frame.cost, { skipped: unmet(conditions.condition) });
  const { condition, error } = conditions;
  if (policy.failurePolicy === "Ignore") return settled(subject, frame.cost, { skipped: unmet(condition.name) });
  const finding: Finding = { ...unusable(describeError(condition, error)), rule: condition.name, failed: condition, errorAt: error.start };
  return settled(subject, frame.cost, { findings: [finding] });
}

function applyEffect(subject: Subject, frame: Frame): Judged {
  const { policy, object, schema } = subject;
  const { effect } = policy;
  if (effect.kind === "validate") {
    const { findings, annotations } = validate(policy, effect, frame);
    return settled(subject, frame.cost, { findings, annotations });
  }
  if (effect.kind === "broken" || object === null) return settled(subject, frame.cost, {});
  const mutated = mutate(policy, effect, object, frame, schema);
  return settled({ ...subject, object: mutated.object }, frame.cost, mutated);
}

const NONE: readonly never[] = [];

function settled(
  { policy, binding, object }: Subject,
  cost: number,
  outcome: Partial<Pick<PolicyResult, "findings" | "annotations" | "skipped">>,
): Judged {
  const { findings = NONE, annotations = NONE, skipped } = outcome;
  return { result: { policy, binding, findings, annotations, skipped, cost }, object };
}

/** The finding of a policy or binding that cannot be used at all. */
export const unusable = (message: string): Finding => ({
  kind: "error",
  rule: "",
  message,
  reason: "Invalid",
  index: 0,
  failed: undefined,
  errorAt: -1,
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
