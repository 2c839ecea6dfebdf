/** NetworkPolicy as rules: allows for the pods that it selects, which are default-deny in the directions that it names. */
import type { NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from "../../resource/network-policy.ts";
import { MAX_PORT, type PortSpec, type Protocol } from "../../resource/port-spec.ts";
import { type AccessRule, type Direction, IN_FORCE, type Isolation, type RulesOfPolicy } from "./access-rule.ts";
import { originOf } from "./origin.ts";
import type { NamespaceMatch, PeerMatch } from "./peer-match.ts";

export function rulesOfNetworkPolicy(policy: NetworkPolicy): RulesOfPolicy {
  const namespace: NamespaceMatch = { kind: "name", name: policy.metadata.namespace || "default" };
  const subject: readonly PeerMatch[] = [{ kind: "workload", namespace, name: undefined, labels: policy.podSelector }];
  const directions = policy.policyTypes.map((type): Direction => (type === "Ingress" ? "ingress" : "egress"));
  const isolations = directions.map(
    (direction): Isolation => ({ origin: originOf(policy, "", ["spec", "podSelector"]), direction, subject, rollout: IN_FORCE }),
  );
  const rules = directions.flatMap((direction) =>
    policy[direction].map(
      ({ peers, ports }, index): AccessRule => ({
        origin: originOf(policy, `${direction}[${index}]`, ["spec", direction, index]),
        tier: "access",
        priority: 0,
        order: index,
        direction,
        action: "allow",
        subject,
        peer: peers.length === 0 ? [{ kind: "any" }] : peers.map((peer) => matchOf(peer, namespace)),
        ports: ports.map(portsOf),
        when: undefined,
        rollout: IN_FORCE,
      }),
    ),
  );
  return { rules, isolations, watches: [], nameRules: [] };
}

function matchOf(peer: NetworkPolicyPeer, own: NamespaceMatch): PeerMatch {
  if (peer.kind === "network") return { ...peer, scope: "all" };
  const { namespaceSelector, podSelector } = peer;
  const namespace: NamespaceMatch = namespaceSelector === undefined ? own : { kind: "labels", selector: namespaceSelector };
  return { kind: "workload", namespace, name: undefined, labels: podSelector };
}

const PROTOCOL: { readonly [name in NetworkPolicyPort["protocol"]]: Protocol } = { TCP: "tcp", UDP: "udp", SCTP: "sctp" };

function portsOf({ protocol, port, endPort }: NetworkPolicyPort): PortSpec {
  if (typeof port === "string") return { kind: "named", protocol: PROTOCOL[protocol], name: port };
  return { kind: "range", protocol: PROTOCOL[protocol], first: port ?? 0, last: endPort ?? port ?? MAX_PORT };
}
