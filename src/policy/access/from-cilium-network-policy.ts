/**
 * CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy as rules: allows beside those of NetworkPolicy, denials in the tier of denials.
 * Cilium's semantics: pkg/policy/api/rule.go and pkg/k8s/apis/cilium.io/utils.
 */
import type { Diagnostic } from "../../lib/diagnostic.ts";
import {
  type CiliumNetworkPolicy,
  type CiliumPeer,
  type CiliumRule,
  type CiliumSpec,
  ownNamespace,
} from "../../resource/cilium-network-policy.ts";
import type { CiliumHttpRule, CiliumPorts } from "../../resource/cilium-ports.ts";
import { type CiliumEntity, type CiliumSelector, NAMESPACE_LABEL } from "../../resource/cilium-selector.ts";
import type { Path } from "../../resource/document.ts";
import type { LabelSelector } from "../../resource/label-selector.ts";
import { selectorKeys } from "../label-match.ts";
import { type AccessRule, type Condition, type Direction, IN_FORCE, type Isolation, type RulesOfPolicy } from "./access-rule.ts";
import { compileCondition } from "./condition.ts";
import { httpCondition } from "./http-condition.ts";
import { originOf } from "./origin.ts";
import type { PeerMatch } from "./peer-match.ts";
import { namesNamespace } from "./security-labels.ts";

export function rulesOfCiliumNetworkPolicy(policy: CiliumNetworkPolicy, diagnostics: Diagnostic[]): RulesOfPolicy {
  const parts = policy.specs.map((spec) => rulesOfSpec(policy, spec, diagnostics));
  return { rules: parts.flatMap(({ rules }) => rules), isolations: parts.flatMap(({ isolations }) => isolations), watches: [] };
}

function rulesOfSpec(policy: CiliumNetworkPolicy, spec: CiliumSpec, diagnostics: Diagnostic[]): Omit<RulesOfPolicy, "watches"> {
  const namespace = ownNamespace(policy);
  const subject = subjectOf(spec.subject, namespace);
  const directions = (["ingress", "egress"] as const).filter((direction) => spec.isDefaultDeny[direction]);
  const isolations = directions.map(
    (direction): Isolation => ({ origin: originOf(policy, "", [...spec.path, "endpointSelector"]), direction, subject, rollout: IN_FORCE }),
  );
  const rules = spec.rules.flatMap((rule) => rulesOfRule(policy, spec, rule, { subject, namespace, diagnostics }));
  return { rules, isolations };
}

interface Context {
  readonly subject: readonly PeerMatch[];
  readonly namespace: string | undefined;
  readonly diagnostics: Diagnostic[];
}

function rulesOfRule(policy: CiliumNetworkPolicy, spec: CiliumSpec, rule: CiliumRule, context: Context): readonly AccessRule[] {
  const { field, index, peers, ports } = rule;
  const isDeny = field === "ingressDeny" || field === "egressDeny";
  const direction: Direction = field.startsWith("ingress") ? "ingress" : "egress";
  const prefix = spec.path.length > 1 ? `${spec.path[0]}[${spec.path[1]}].` : "";
  const name = `${prefix}${field}[${index}]`;
  const path = [...spec.path, field, index];
  const made: Omit<AccessRule, "ports" | "when"> = {
    origin: originOf(policy, name, path),
    tier: isDeny ? "deny" : "access",
    priority: 0,
    order: index,
    direction,
    action: isDeny ? "deny" : "allow",
    subject: context.subject,
    peer: peers === undefined ? [{ kind: "any" }] : peers.flatMap((peer) => matchesOf(peer, context.namespace)),
    rollout: IN_FORCE,
  };
  if (ports.length === 0) return [{ ...made, ports: [], when: undefined }];
  return ports.flatMap((entry, at) =>
    rulesOfPorts(made, entry, { policy, name: `${name}.toPorts[${at}]`, path: [...path, "toPorts", at] }, context),
  );
}

interface Place {
  readonly policy: CiliumNetworkPolicy;
  readonly name: string;
  readonly path: Path;
}

/** One rule, or one for each of its HTTP rules, of which a request must fit any. */
function rulesOfPorts(
  made: Omit<AccessRule, "ports" | "when">,
  { ports, http }: CiliumPorts,
  { policy, name, path }: Place,
  { diagnostics }: Context,
): readonly AccessRule[] {
  if (http === undefined) return [{ ...made, ports, when: undefined }];
  return http.flatMap((rule, index) => {
    const at = [...path, "rules", "http", index];
    const when = conditionOf(rule, policy, at, diagnostics);
    // What does not compile grants nothing.
    return when === undefined ? [] : [{ ...made, origin: originOf(policy, `${name}.rules.http[${index}]`, at), ports, when }];
  });
}

function conditionOf(rule: CiliumHttpRule, { document }: CiliumNetworkPolicy, at: Path, diagnostics: Diagnostic[]): Condition | undefined {
  const text = httpCondition(rule);
  return compileCondition({ text, source: { text, file: document.file, locate: () => document.locate(at) } }, diagnostics);
}

/** The endpoints that a policy is about: of its own namespace, if it has one. */
function subjectOf(selector: CiliumSelector, namespace: string | undefined): readonly PeerMatch[] {
  if (selector.kind === "entity") return matchesOfEntity(selector.entity);
  return [{ kind: "security-labels", selector: namespace === undefined ? selector.selector : inNamespace(selector.selector, namespace) }];
}

function matchesOf(peer: CiliumPeer, namespace: string | undefined): readonly PeerMatch[] {
  switch (peer.kind) {
    case "endpoints": {
      if (peer.selector.kind === "entity") return matchesOfEntity(peer.selector.entity);
      const { selector } = peer.selector;
      const isHeld = namespace !== undefined && !namesNamespace(selectorKeys(selector));
      return [{ kind: "security-labels", selector: isHeld ? inNamespace(selector, namespace) : selector }];
    }
    case "nodes":
      return [{ kind: "node", labels: peer.selector }];
    case "network":
      return [{ ...peer, scope: "external" }];
    case "entity":
      return matchesOfEntity(peer.entity);
    case "dns":
      return [peer];
    default:
      return peer satisfies never;
  }
}

const inNamespace = ({ matchLabels, matchExpressions }: LabelSelector, namespace: string): LabelSelector => ({
  matchLabels: { ...matchLabels, [NAMESPACE_LABEL]: namespace },
  matchExpressions,
});

function matchesOfEntity(entity: CiliumEntity): readonly PeerMatch[] {
  switch (entity) {
    case "all":
      return [{ kind: "any" }];
    case "world":
      return [{ kind: "world", family: undefined }];
    case "world-ipv4":
      return [{ kind: "world", family: 4 }];
    case "world-ipv6":
      return [{ kind: "world", family: 6 }];
    case "cluster":
      return [{ kind: "known" }];
    case "host":
    case "remote-node":
      return [{ kind: entity }];
    case "init":
    case "health":
    case "none":
      return [];
    default:
      return entity satisfies never;
  }
}
