/** ClusterNetworkPolicy (and the v1alpha1 kinds that are read into it) as rules of the admin and baseline tiers. */
import type { ClusterNetworkPeer, ClusterNetworkPolicy } from "../../resource/cluster-network-policy.ts";
import { type AccessRule, type Direction, IN_FORCE, type RulesOfPolicy } from "./access-rule.ts";
import { originOf } from "./origin.ts";
import type { PeerMatch } from "./peer-match.ts";

const ACTIONS = { Accept: "allow", Deny: "deny", Pass: "pass" } as const;

export function rulesOfClusterNetworkPolicy(policy: ClusterNetworkPolicy): RulesOfPolicy {
  const subject = [matchOf(policy.subject)];
  const rulesOf = (direction: Direction): readonly AccessRule[] =>
    policy[direction].map(({ name, action, peers, ports }, index) => ({
      origin: originOf(policy, name === "" ? `${direction}[${index}]` : name, ["spec", direction, index]),
      tier: policy.tier === "Admin" ? "admin" : "baseline",
      priority: policy.priority,
      order: index,
      direction,
      action: ACTIONS[action],
      subject,
      peer: peers.map(matchOf),
      ports,
      when: undefined,
      rollout: IN_FORCE,
    }));
  return { rules: [...rulesOf("ingress"), ...rulesOf("egress")], isolations: [], watches: [], nameRules: [] };
}

function matchOf(peer: ClusterNetworkPeer): PeerMatch {
  switch (peer.kind) {
    case "pods":
      return {
        kind: "workload",
        namespace: { kind: "labels", selector: peer.namespaceSelector },
        name: undefined,
        labels: peer.podSelector,
      };
    case "nodes":
      return { kind: "node", labels: peer.selector };
    case "network":
      return { kind: "network", prefix: peer.prefix, except: [], scope: "all" };
    case "dns":
      return peer;
    default:
      return peer satisfies never;
  }
}
