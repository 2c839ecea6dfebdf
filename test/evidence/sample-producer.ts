/** A producer and decisions to put into a store under test. */
import { getRandomValues } from "node:crypto";
import type { DecisionEvent } from "../../src/event/event.ts";
import { type DecisionFields, EventProducer } from "../../src/event/producer.ts";

export const sampleProducer = (bootId = "boot-1", clock: () => number = Date.now): EventProducer =>
  new EventProducer({ producer: "control@0.0.0", node: "node-1", bootId, clock, random: getRandomValues });

export function sampleDecision(producer: EventProducer, fields: Partial<DecisionFields> = {}): DecisionEvent {
  return producer.decision({
    severity: 1,
    subject: "alice",
    point: "admission",
    verdict: "allow",
    mode: "enforce",
    policy: "pod-security-baseline",
    policyDigest: "sha256:0",
    rule: "validations[0]",
    reasonCode: "Forbidden",
    action: "create",
    object: "Pod shop/debug",
    message: "privileged containers are not allowed: debug",
    latencyUs: 41.5,
    evidence: [{ expression: "c.securityContext.privileged", value: "true" }],
    source: "packs/pod-security/baseline.yaml:90:7",
    ...fields,
  });
}
