/** NetworkPolicy of `networking.k8s.io/v1`, as it is. */
import type { IpPrefix } from "../lib/ip-network.ts";
import { exceptLieWithin, network } from "./access-policy.ts";
import type { Document } from "./document.ts";
import { EVERYTHING, type LabelSelector, labelSelector } from "./label-selector.ts";
import type { Metadata } from "./metadata.ts";
import { MAX_PORT } from "./port-spec.ts";
import { checked, integer, listOf, nonEmptyText, oneOf, optional, record, required, type Shape, withDefault } from "./shape.ts";

export interface NetworkPolicy {
  readonly kind: "NetworkPolicy";
  readonly document: Document;
  readonly metadata: Metadata;
  readonly podSelector: LabelSelector;
  /** Directions in which the selected pods are default-deny. */
  readonly policyTypes: readonly ("Ingress" | "Egress")[];
  readonly ingress: readonly NetworkPolicyRule[];
  readonly egress: readonly NetworkPolicyRule[];
}

export interface NetworkPolicyRule {
  /** Empty: anybody. */
  readonly peers: readonly NetworkPolicyPeer[];
  /** Empty: every port. */
  readonly ports: readonly NetworkPolicyPort[];
}

export type NetworkPolicyPeer =
  | {
      readonly kind: "pods";
      readonly podSelector: LabelSelector /** Undefined: the policy's own namespace. */;
      readonly namespaceSelector: LabelSelector | undefined;
    }
  | { readonly kind: "network"; readonly prefix: IpPrefix; readonly except: readonly IpPrefix[] };

export interface NetworkPolicyPort {
  readonly protocol: "TCP" | "UDP" | "SCTP";
  /** Undefined: every port. */
  readonly port: number | string | undefined;
  readonly endPort: number | undefined;
}

interface WrittenPeer {
  readonly podSelector: LabelSelector | undefined;
  readonly namespaceSelector: LabelSelector | undefined;
  readonly ipBlock: { readonly cidr: IpPrefix; readonly except: readonly IpPrefix[] } | undefined;
}

const writtenPeer: Shape<WrittenPeer> = record<WrittenPeer>({
  podSelector: optional(labelSelector),
  namespaceSelector: optional(labelSelector),
  ipBlock: optional(
    checked(
      record<{ readonly cidr: IpPrefix; readonly except: readonly IpPrefix[] }>({
        cidr: required(network),
        except: withDefault(listOf(network, { max: 1_000 }), []),
      }),
      ({ cidr, except }, spot) => void exceptLieWithin(cidr, except, spot),
    ),
  ),
});

const peer: Shape<NetworkPolicyPeer> = (value, spot) => {
  const written = writtenPeer(value, spot);
  if (written === undefined) return undefined;
  const { podSelector, namespaceSelector, ipBlock } = written;
  const selects = podSelector !== undefined || namespaceSelector !== undefined;
  if (selects === (ipBlock !== undefined)) {
    spot.report("RESOURCE_INVALID_VALUE", `expected either selectors or \`ipBlock\` in \`${spot.name}\``);
    return undefined;
  }
  if (ipBlock !== undefined) return { kind: "network", prefix: ipBlock.cidr, except: ipBlock.except };
  return { kind: "pods", podSelector: podSelector ?? EVERYTHING, namespaceSelector };
};

/** A port's number, or its name in the pod. */
export const portOrName: Shape<number | string> = (value, spot) =>
  typeof value === "string" ? nonEmptyText(value, spot) : integer(1, MAX_PORT)(value, spot);

const port: Shape<NetworkPolicyPort> = checked(
  record<NetworkPolicyPort>({
    protocol: withDefault(oneOf("TCP", "UDP", "SCTP"), "TCP"),
    port: optional(portOrName),
    endPort: optional(integer(1, MAX_PORT)),
  }),
  ({ port: first, endPort }, spot) => {
    if (endPort === undefined) return;
    if (typeof first !== "number" || first > endPort)
      spot.report("RESOURCE_INVALID_VALUE", `expected \`${spot.name}.endPort\` to follow a number that is not greater`);
  },
);

const MAX_RULES = 1_000;
const peers = withDefault(listOf(peer, { max: MAX_RULES }), []);
const ports = withDefault(listOf(port, { max: MAX_RULES }), []);
type Peers = readonly NetworkPolicyPeer[];
type Ports = readonly NetworkPolicyPort[];

const writtenIngress = record<{ readonly from: Peers; readonly ports: Ports }>({ from: peers, ports });
const writtenEgress = record<{ readonly to: Peers; readonly ports: Ports }>({ to: peers, ports });

const ingressRule: Shape<NetworkPolicyRule> = (value, spot) => {
  const read = writtenIngress(value, spot);
  return read === undefined ? undefined : { peers: read.from, ports: read.ports };
};

const egressRule: Shape<NetworkPolicyRule> = (value, spot) => {
  const read = writtenEgress(value, spot);
  return read === undefined ? undefined : { peers: read.to, ports: read.ports };
};

type Spec = Omit<NetworkPolicy, "kind" | "document" | "metadata">;
interface WrittenSpec extends Omit<Spec, "policyTypes"> {
  readonly policyTypes: readonly ("Ingress" | "Egress")[] | undefined;
}

const writtenSpec: Shape<WrittenSpec> = record<WrittenSpec>({
  podSelector: withDefault(labelSelector, EVERYTHING),
  policyTypes: optional(listOf(oneOf("Ingress", "Egress"), { max: 2 })),
  ingress: withDefault(listOf(ingressRule, { max: MAX_RULES }), []),
  egress: withDefault(listOf(egressRule, { max: MAX_RULES }), []),
});

/** Without policyTypes, or with none of them: always Ingress, and Egress where there are egress rules (as the API server fills it in). */
export const networkPolicySpec: Shape<Spec> = (value, spot) => {
  const written = writtenSpec(value, spot);
  if (written === undefined) return undefined;
  const { policyTypes = [], egress } = written;
  return { ...written, policyTypes: policyTypes.length > 0 ? policyTypes : egress.length > 0 ? ["Ingress", "Egress"] : ["Ingress"] };
};
