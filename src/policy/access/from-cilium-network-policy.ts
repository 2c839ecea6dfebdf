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
import type { LabelSelector, LabelSelectorRequirement } from "../../resource/label-selector.ts";
import { selectorKeys } from "../label-match.ts";
import { type AccessRule, type Condition, type Direction, IN_FORCE, type Isolation, type RulesOfPolicy } from "./access-rule.ts";
import { compileCondition } from "./condition.ts";
import { httpCondition } from "./http-condition.ts";
import type { NameRule } from "./name-rule.ts";
import { originOf } from "./origin.ts";
import type { PeerMatch } from "./peer-match.ts";
import { namesNamespace } from "./security-labels.ts";
import type { ServiceTable } from "./service-table.ts";

export function rulesOfCiliumNetworkPolicy(policy: CiliumNetworkPolicy, services: ServiceTable, diagnostics: Diagnostic[]): RulesOfPolicy {
  const nameRules: NameRule[] = [];
  const parts = policy.specs.map((spec) => rulesOfSpec(policy, spec, { services, diagnostics, nameRules }));
  return { rules: parts.flatMap(({ rules }) => rules), isolations: parts.flatMap(({ isolations }) => isolations), watches: [], nameRules };
}

function rulesOfSpec(
  policy: CiliumNetworkPolicy,
  spec: CiliumSpec,
  found: Pick<Context, "services" | "diagnostics" | "nameRules">,
): Pick<RulesOfPolicy, "rules" | "isolations"> {
  const namespace = ownNamespace(policy);
  const subject = subjectOf(spec.subject, namespace);
  const directions = (["ingress", "egress"] as const).filter((direction) => spec.isDefaultDeny[direction]);
  const isolations = directions.map(
    (direction): Isolation => ({ origin: originOf(policy, "", [...spec.path, "endpointSelector"]), direction, subject, rollout: IN_FORCE }),
  );
  const rules = spec.rules.flatMap((rule) => rulesOfRule(policy, spec, rule, { subject, namespace, ...found }));
  return { rules, isolations };
}

interface Context {
  readonly subject: readonly PeerMatch[];
  readonly namespace: string | undefined;
  readonly services: ServiceTable;
  readonly diagnostics: Diagnostic[];
  readonly nameRules: NameRule[];
}

function rulesOfRule(policy: CiliumNetworkPolicy, spec: CiliumSpec, rule: CiliumRule, context: Context): readonly AccessRule[] {
  const { field, index, peers, ports, requires } = rule;
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
    peer: peers === undefined ? [{ kind: "any" }] : peers.flatMap((peer) => matchesOf(peer, context)),
    rollout: IN_FORCE,
  };
  const needed = requires.flatMap((selector) => othersThan(heldToNamespace(selector, context.namespace)));
  const denials: readonly AccessRule[] =
    needed.length === 0 ? [] : [{ ...made, tier: "deny", action: "deny", peer: needed, ports: [], when: undefined }];
  if (ports.length === 0) return [...denials, { ...made, ports: [], when: undefined }];
  return [
    ...denials,
    ...ports.flatMap((entry, at) =>
      rulesOfPorts(made, entry, { policy, name: `${name}.toPorts[${at}]`, path: [...path, "toPorts", at] }, context),
    ),
  ];
}

const OPPOSITE = { In: "NotIn", NotIn: "In", Exists: "DoesNotExist", DoesNotExist: "Exists" } as const;

/** Workloads that a selector does not select: each misses something that it asks for. */
function othersThan({ matchLabels, matchExpressions }: LabelSelector): readonly PeerMatch[] {
  const asked: readonly LabelSelectorRequirement[] = [
    ...Object.entries(matchLabels).map(([key, value]) => ({ key, operator: "In" as const, values: [value] })),
    ...matchExpressions,
  ];
  return asked.map(({ key, operator, values }) => ({
    kind: "security-labels",
    selector: { matchLabels: {}, matchExpressions: [{ key, operator: OPPOSITE[operator], values }] },
  }));
}

interface Place {
  readonly policy: CiliumNetworkPolicy;
  readonly name: string;
  readonly path: Path;
}

/** One rule, or one for each of its HTTP rules, of which a request must fit any. */
function rulesOfPorts(
  made: Omit<AccessRule, "ports" | "when">,
  { ports, http, dns }: CiliumPorts,
  { policy, name, path }: Place,
  { diagnostics, nameRules }: Context,
): readonly AccessRule[] {
  if (dns !== undefined) {
    const origin = originOf(policy, `${name}.rules.dns`, [...path, "rules", "dns"]);
    nameRules.push({ origin, subject: made.subject, resolvers: made.peer, ports, patterns: dns, rollout: made.rollout });
    // Who may ask for some names only is let to the resolver by whoever reads the questions, and by nobody else.
    if (!dns.includes("*")) return [];
  }
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

function matchesOf(peer: CiliumPeer, { namespace, services }: Context): readonly PeerMatch[] {
  switch (peer.kind) {
    case "endpoints":
      if (peer.selector.kind === "entity") return entityMatches(peer.selector.entity, services);
      return [{ kind: "security-labels", selector: heldToNamespace(peer.selector.selector, namespace) }];
    case "nodes":
      return [{ kind: "node", labels: peer.selector }];
    case "network":
      return [{ ...peer, scope: "external" }];
    case "entity":
      return entityMatches(peer.entity, services);
    case "dns":
      return [peer];
    case "service":
    case "services":
      return services.behind(peer, namespace);
    default:
      return peer satisfies never;
  }
}

const entityMatches = (entity: CiliumEntity, services: ServiceTable): readonly PeerMatch[] =>
  entity === "kube-apiserver" ? services.apiServer() : matchesOfEntity(entity);

/** The selector, which means the policy's own namespace unless it says otherwise. */
const heldToNamespace = (selector: LabelSelector, namespace: string | undefined): LabelSelector =>
  namespace === undefined || namesNamespace(selectorKeys(selector)) ? selector : inNamespace(selector, namespace);

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
    case "kube-apiserver": // as a peer it is what a table of services says; no workload is one
      return [];
    default:
      return entity satisfies never;
  }
}
