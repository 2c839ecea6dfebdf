/**
 * Truth tables of NetworkPolicy, in the manner of cyclonus: three namespaces, three pods in each, two ports, three protocols. What is expected
 * comes from a small oracle that is written after the text of the API (networking.k8s.io/v1) and shares nothing with the evaluator. Whoever
 * can tell whether a pod reaches another can run them: the simulator, and the kernel.
 */

import { type Endpoint, endpoint } from "../../src/policy/access/endpoint.ts";
import type { Protocol } from "../../src/resource/port-spec.ts";

interface Selector {
  readonly matchLabels?: { readonly [key: string]: string };
  readonly matchExpressions?: readonly { readonly key: string; readonly operator: string; readonly values?: readonly string[] }[];
}
interface Peer {
  readonly podSelector?: Selector;
  readonly namespaceSelector?: Selector;
  readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] };
}
interface Port {
  readonly protocol?: "TCP" | "UDP" | "SCTP";
  readonly port?: number | string;
  readonly endPort?: number;
}
interface Rule {
  readonly from?: readonly Peer[];
  readonly to?: readonly Peer[];
  readonly ports?: readonly Port[];
}
export interface Policy {
  readonly namespace: string;
  readonly spec: {
    readonly podSelector: Selector;
    readonly policyTypes?: readonly string[];
    readonly ingress?: readonly Rule[];
    readonly egress?: readonly Rule[];
  };
}

export interface Pod {
  readonly namespace: string;
  readonly name: string;
  readonly ip: string;
  /** The same of IPv6. */
  readonly ip6: string;
}
const asIpv6 = (ip: string): string => `fd00::${ip}`;
/** The network of IPv6 that stands for one of IPv4. */
const asIpv6Network = (cidr: string): string => {
  const [base = "", length = ""] = cidr.split("/");
  return `${asIpv6(base)}/${96 + Number(length)}`;
};

export const PODS: readonly Pod[] = ["x", "y", "z"].flatMap((namespace, n) =>
  ["a", "b", "c"].map((name, p) => ({ namespace, name, ip: `10.0.${n}.${p + 1}`, ip6: asIpv6(`10.0.${n}.${p + 1}`) })),
);
export const PORTS = [80, 81] as const;
export const PROTOCOLS = ["TCP", "UDP", "SCTP"] as const;
const portName = (port: number, protocol: string): string => `serve-${port}-${protocol.toLowerCase()}`;

const ENDPOINTS: ReadonlyMap<Pod, Endpoint> = new Map(
  PODS.map((pod) => {
    const namedPorts = PORTS.flatMap((port) =>
      PROTOCOLS.map((protocol) => ({ name: portName(port, protocol), port, protocol: protocolOf(protocol) })),
    );
    const { name, namespace } = pod;
    return [pod, endpoint("workload", { name, namespace, labels: { pod: name }, namespaceLabels: { ns: namespace }, namedPorts })];
  }),
);
export const endpointOf = (pod: Pod): Endpoint => ENDPOINTS.get(pod) ?? endpoint("external");

// The oracle.
const holds = ({ matchLabels = {}, matchExpressions = [] }: Selector, labels: { readonly [key: string]: string }): boolean =>
  Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
  matchExpressions.every(({ key, operator, values = [] }) => {
    const value = labels[key];
    if (operator === "In") return value !== undefined && values.includes(value);
    if (operator === "NotIn") return value === undefined || !values.includes(value);
    return (operator === "Exists") === (value !== undefined);
  });

const bitsOf = (ip: string): number => ip.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0);
function inCidr(ip: string, cidr: string): boolean {
  const [base = "", length = "32"] = cidr.split("/");
  const size = 2 ** (32 - Number(length));
  return Math.floor(bitsOf(ip) / size) === Math.floor(bitsOf(base) / size);
}

/** "This field … either selects pods of the policy's namespace, of the namespaces selected, or an IP block that is not excepted." */
function isPeer({ podSelector, namespaceSelector, ipBlock }: Peer, other: Pod, own: string): boolean {
  if (ipBlock !== undefined) return inCidr(other.ip, ipBlock.cidr) && !(ipBlock.except ?? []).some((cidr) => inCidr(other.ip, cidr));
  const isNamespace = namespaceSelector === undefined ? other.namespace === own : holds(namespaceSelector, { ns: other.namespace });
  return isNamespace && (podSelector === undefined || holds(podSelector, { pod: other.name }));
}

/** "If endPort is set, all ports from port to endPort"; the protocol is TCP if not given. */
function isPort({ protocol = "TCP", port, endPort }: Port, number: number, asked: string): boolean {
  if (protocol !== asked) return false;
  if (port === undefined) return true;
  return typeof port === "string" ? port === portName(number, asked) : port <= number && number <= (endPort ?? port);
}

function directionAllows(policies: readonly Policy[], own: Pod, other: Pod, isEgress: boolean, port: number, protocol: string): boolean {
  const selecting = policies.filter(({ namespace, spec }) => {
    const types = spec.policyTypes ?? [];
    const effective = types.length > 0 ? types : (spec.egress ?? []).length > 0 ? ["Ingress", "Egress"] : ["Ingress"];
    return namespace === own.namespace && holds(spec.podSelector, { pod: own.name }) && effective.includes(isEgress ? "Egress" : "Ingress");
  });
  if (selecting.length === 0) return true; // "Pods are non-isolated by default"
  return selecting.some(({ namespace, spec }) =>
    ((isEgress ? spec.egress : spec.ingress) ?? []).some(({ from = [], to = [], ports = [] }) => {
      const peers = isEgress ? to : from;
      const isMeant = peers.length === 0 || peers.some((peer) => isPeer(peer, other, namespace));
      return isMeant && (ports.length === 0 || ports.some((each) => isPort(each, port, protocol)));
    }),
  );
}

export const allows = (policies: readonly Policy[], source: Pod, target: Pod, port: number, protocol: string): boolean =>
  directionAllows(policies, source, target, true, port, protocol) && directionAllows(policies, target, source, false, port, protocol);

// The policies.
const podB: Selector = { matchLabels: { pod: "b" } };
const nsY: Selector = { matchLabels: { ns: "y" } };
const notX: Selector = { matchExpressions: [{ key: "ns", operator: "NotIn", values: ["x"] }] };
const PEERS: readonly (readonly [string, readonly Peer[]])[] = [
  ["anybody", []],
  ["pods of the own namespace", [{ podSelector: podB }]],
  ["every pod of the own namespace", [{ podSelector: {} }]],
  ["every namespace", [{ namespaceSelector: {} }]],
  ["a namespace", [{ namespaceSelector: nsY }]],
  ["pods in a namespace", [{ namespaceSelector: nsY, podSelector: podB }]],
  ["pods, or a namespace", [{ namespaceSelector: nsY }, { podSelector: podB }]],
  [
    "other namespaces",
    [{ namespaceSelector: notX, podSelector: { matchExpressions: [{ key: "pod", operator: "In", values: ["a", "c"] }] } }],
  ],
  ["a label that nobody has", [{ podSelector: { matchExpressions: [{ key: "else", operator: "Exists" }] } }]],
  ["an address", [{ ipBlock: { cidr: "10.0.1.2/32" } }]],
  ["a network without a part", [{ ipBlock: { cidr: "10.0.0.0/16", except: ["10.0.2.0/24", "10.0.1.1/32"] } }]],
];
const PORT_LISTS: readonly (readonly [string, readonly Port[]])[] = [
  ["all ports", []],
  ["a number", [{ port: 80 }]],
  ["a protocol", [{ protocol: "UDP" }]],
  ["a number and a protocol", [{ protocol: "SCTP", port: 81 }]],
  ["a name", [{ port: "serve-81-tcp" }]],
  ["the name of another protocol", [{ port: "serve-81-udp" }]],
  ["a range", [{ port: 81, endPort: 90 }]],
  [
    "several",
    [
      { port: 80, endPort: 81 },
      { protocol: "UDP", port: 80 },
    ],
  ],
];
const onX = (spec: Omit<Policy["spec"], "podSelector">, podSelector: Selector = { matchLabels: { pod: "a" } }): Policy => ({
  namespace: "x",
  spec: { podSelector, ...spec },
});
const closed: Policy = onX({ policyTypes: ["Ingress", "Egress"] }, {});
const fromY = onX({ ingress: [{ from: [{ namespaceSelector: nsY }] }] });
const on80 = onX({ ingress: [{ ports: [{ port: 80 }] }] });

export const CASES: readonly (readonly [string, readonly Policy[]])[] = [
  ...PEERS.flatMap(([who, peers]) =>
    PORT_LISTS.flatMap(([where, ports]): (readonly [string, readonly Policy[]])[] => [
      [`ingress from ${who} on ${where}`, [onX({ policyTypes: ["Ingress"], ingress: [{ from: peers, ports }] })]],
      [`egress to ${who} on ${where}`, [onX({ policyTypes: ["Egress"], egress: [{ to: peers, ports }] })]],
    ]),
  ),
  ["nothing", []],
  ["default deny", [closed]],
  ["default deny by default", [onX({}, {})]],
  ["no policyTypes with egress rules", [onX({ egress: [{ to: [{ podSelector: podB }] }] })]],
  ["an empty list of policyTypes", [onX({ policyTypes: [], egress: [{}] })]],
  ["rules of a direction that is not a type", [onX({ policyTypes: ["Egress"], ingress: [{}] })]],
  [
    "both directions",
    [
      onX({
        policyTypes: ["Ingress", "Egress"],
        ingress: [{ from: [{ podSelector: podB }] }],
        egress: [{ to: [{ namespaceSelector: nsY }] }],
      }),
    ],
  ],
  // Policies add up; each step is what an update, an addition or a removal leaves.
  ["update: one policy", [fromY]],
  ["update: a second one adds", [fromY, on80]],
  ["update: the first one is removed", [on80]],
  ["update: all under default deny", [closed, fromY, on80]],
  [
    "both ends",
    [
      closed,
      fromY,
      {
        namespace: "y",
        spec: {
          podSelector: podB,
          policyTypes: ["Egress"],
          egress: [{ to: [{ namespaceSelector: {}, podSelector: { matchLabels: { pod: "a" } } }] }],
        },
      },
    ],
  ],
];

/** A network means pods of both families here: it stands beside the network of IPv6 that means the same pods. */
const inBothFamilies = (rule: Rule): Rule => {
  const both = (peers: readonly Peer[]): readonly Peer[] =>
    peers.flatMap((peer) => {
      if (peer.ipBlock === undefined) return [peer];
      const { cidr, except } = peer.ipBlock;
      return [peer, { ipBlock: { cidr: asIpv6Network(cidr), ...(except && { except: except.map(asIpv6Network) }) } }];
    });
  return { ...rule, ...(rule.from && { from: both(rule.from) }), ...(rule.to && { to: both(rule.to) }) };
};

/** As somebody would write them. */
export const documents = (policies: readonly Policy[]): string =>
  policies
    .map(({ namespace, spec }, index) => {
      const rules = {
        ...(spec.ingress && { ingress: spec.ingress.map(inBothFamilies) }),
        ...(spec.egress && { egress: spec.egress.map(inBothFamilies) }),
      };
      const metadata = { name: `p${index}`, namespace };
      return JSON.stringify({ apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata, spec: { ...spec, ...rules } });
    })
    .join("\n---\n");

export function protocolOf(protocol: (typeof PROTOCOLS)[number]): Protocol {
  return protocol.toLowerCase() as Protocol; // they are the same names
}
