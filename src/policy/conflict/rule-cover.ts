/** Whether a rule matches every call that another matches, from what is written in both. */
import type { AccessRule } from "../access/access-rule.ts";
import type { PeerMatch } from "../access/peer-match.ts";
import { conditionSpace, coversCondition, isNever } from "./condition-space.ts";
import { coversPeers } from "./peer-cover.ts";
import { coversPorts, samplePort } from "./port-cover.ts";
import { placesOf } from "./sample-call.ts";
import { isPlainWorkload, type Place, sampleEnd } from "./sample-end.ts";

/** A rule without the alternatives that nobody can ever be. */
export interface LiveRule {
  readonly rule: AccessRule;
  readonly subject: readonly PeerMatch[];
  readonly peer: readonly PeerMatch[];
}

/** Those of the alternatives at a place that somebody can be. */
export const livingAt = (place: Place, matches: readonly PeerMatch[]): readonly PeerMatch[] =>
  matches.every(isPlainWorkload) ? matches : matches.filter((match) => sampleEnd([match], place) !== undefined);

/** Why no call can ever match a rule; undefined when one may. */
export function whyNever({ rule, subject, peer }: LiveRule): string | undefined {
  if (subject.length === 0) return "no workload can ever be what it is about";
  if (peer.length === 0) return "nobody can ever be the other end that it names";
  const space = rule.when && conditionSpace(rule.when);
  // A deny whose condition is an error denies: only one that cannot be an error is known never to hold.
  const isNeverTrue = space !== undefined && isNever(space) && (space.isTotal || rule.action !== "deny");
  return isNeverTrue ? "its condition is never true" : undefined;
}

/** INVARIANT: `inner` matches something, and both are of one direction. */
export function covers(outer: LiveRule, inner: LiveRule): "yes" | "no" | "unknown" {
  const places = placesOf(inner.rule);
  const isCovered =
    lastsAsLong(outer.rule, inner.rule) &&
    coversPeers(outer.subject, inner.subject, places.subject) &&
    coversPeers(outer.peer, inner.peer, places.peer) &&
    coversPorts(outer.rule.ports, inner.rule.ports);
  return isCovered ? coversCondition(outer.rule, inner.rule) : "no";
}

/** In force for whom and while the inner one is. */
const lastsAsLong = ({ rollout: outer }: AccessRule, { rollout: inner }: AccessRule): boolean =>
  outer.enforcedPercent >= inner.enforcedPercent &&
  (outer.expiresAtMs === undefined || (inner.expiresAtMs !== undefined && inner.expiresAtMs <= outer.expiresAtMs));

/** False only when no call matches both, conditions aside. */
export function mayMeet(a: LiveRule, b: LiveRule): boolean {
  const places = placesOf(a.rule);
  const meet = (left: readonly PeerMatch[], right: readonly PeerMatch[], place: Place): boolean =>
    left.some((one) => right.some((other) => sampleEnd([one, other], place) !== undefined));
  return (
    meet(a.subject, b.subject, places.subject) &&
    meet(a.peer, b.peer, places.peer) &&
    samplePort([a.rule.ports, b.rule.ports]) !== undefined
  );
}
