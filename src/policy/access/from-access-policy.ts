/**
 * AccessPolicy as rules. It speaks of a call as a whole, so that it becomes a rule for each end that is a workload: calls to workloads are
 * judged where they arrive, calls to addresses and names where they leave.
 */
import type { Diagnostic } from "../../lib/diagnostic.ts";
import type { AccessPeer, AccessPolicy } from "../../resource/access-policy.ts";
import type { PortSpec } from "../../resource/port-spec.ts";
import { type AccessRule, type Direction, IN_FORCE, type Isolation, type Rollout, type RulesOfPolicy, type Watch } from "./access-rule.ts";
import { compileCondition } from "./condition.ts";
import type { NameRule } from "./name-rule.ts";
import { originOf } from "./origin.ts";
import type { NamespaceMatch, PeerMatch } from "./peer-match.ts";

export function rulesOfAccessPolicy(policy: AccessPolicy, diagnostics: Diagnostic[]): RulesOfPolicy {
  const origin = originOf(policy, "", ["metadata", "name"]);
  const rollout = rolloutOf(policy);
  const problems: Diagnostic[] = [];
  const when = policy.when === undefined ? undefined : compileCondition(policy.when, problems);
  diagnostics.push(...problems);
  const isBroken = problems.length > 0;
  const to = policy.to.map((peer) => ({ peer, match: matchOf(peer, policy) }));
  const from = policy.from.map((peer) => matchOf(peer, policy));
  const workloads = to.filter(({ peer }) => !isOutside(peer)).map(({ match }) => match);
  const outside = to.filter(({ peer }) => isOutside(peer)).map(({ match }) => match);
  const callers = policy.from.filter((peer) => !isOutside(peer)).map((peer) => matchOf(peer, policy));

  const ends: { readonly direction: Direction; readonly subject: readonly PeerMatch[]; readonly peer: readonly PeerMatch[] }[] = [];
  if (workloads.length > 0) ends.push({ direction: "ingress", subject: workloads, peer: from });
  if (outside.length > 0 && callers.length > 0) ends.push({ direction: "egress", subject: callers, peer: outside });

  if (policy.action === "Audit") {
    const watches = ends.map((end): Watch => ({ origin, ...end, ports: policy.ports, when, rollout }));
    return { rules: [], isolations: [], watches: isBroken ? [] : watches, nameRules: [] };
  }
  const isAllow = policy.action === "Allow";
  const rules = ends.map(
    (end): AccessRule => ({
      origin,
      tier: isAllow ? "access" : "deny",
      priority: 0,
      order: 0,
      ...end,
      action: isAllow ? "allow" : "deny",
      ports: policy.ports,
      when,
      rollout,
    }),
  );
  // An allow that has expired still isolates: what it granted ends, and nothing opens.
  const isolating: Rollout = rollout.enforcedPercent === 100 ? IN_FORCE : { ...rollout, expiresAtMs: undefined };
  const isolations = isAllow ? ends.map(({ direction, subject }): Isolation => ({ origin, direction, subject, rollout: isolating })) : [];
  // A broken allow grants nothing; a broken deny denies all that it names, since what it would have spared is not known.
  const patterns = policy.to.flatMap((peer) => (peer.kind === "dns" ? [peer.pattern] : []));
  const isAsking = isAllow && !isBroken && patterns.length > 0 && callers.length > 0;
  // Who may reach a name may ask for it.
  const nameRules: readonly NameRule[] = isAsking
    ? [{ origin, subject: callers, resolvers: undefined, ports: DNS_PORTS, patterns, rollout }]
    : [];
  return { rules: isAllow && isBroken ? [] : rules, isolations, watches: [], nameRules };
}

const DNS_PORTS: readonly PortSpec[] = (["udp", "tcp"] as const).map((protocol) => ({ kind: "range", protocol, first: 53, last: 53 }));

function rolloutOf({ mode, enforcedPercent, expiresAtMs }: AccessPolicy): Rollout {
  const percent = mode === "Audit" ? 0 : enforcedPercent;
  return percent === 100 && expiresAtMs === undefined ? IN_FORCE : { enforcedPercent: percent, expiresAtMs };
}

/** Ends that Vigil does not govern itself: the policy is judged at the other end. */
const isOutside = ({ kind }: AccessPeer): boolean => kind === "network" || kind === "dns" || kind === "entity";

function matchOf(peer: AccessPeer, { metadata }: AccessPolicy): PeerMatch {
  switch (peer.kind) {
    case "workload":
      return { kind: "workload", namespace: namespaceOf(peer.namespace ?? metadata.namespace), name: peer.name, labels: peer.labels };
    case "network":
      return { ...peer, scope: "all" };
    case "entity":
      return peer.entity === "world" ? { kind: "world", family: undefined } : { kind: peer.entity };
    default:
      return peer;
  }
}

const namespaceOf = (name: string): NamespaceMatch => (name === "" || name === "*" ? { kind: "any" } : { kind: "name", name });
