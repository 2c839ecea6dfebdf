/**
 * ClusterNetworkPolicy of `policy.networking.k8s.io/v1alpha2`, and what it grew from: AdminNetworkPolicy and
 * BaselineAdminNetworkPolicy of v1alpha1, which are read into the same form.
 */
import type { IpPrefix } from "../lib/ip-network.ts";
import type { JsonValue } from "../lib/json.ts";
import { dnsPattern, network } from "./access-policy.ts";
import type { Document } from "./document.ts";
import { EVERYTHING, type LabelSelector, labelSelector } from "./label-selector.ts";
import type { Metadata } from "./metadata.ts";
import { everyPort, MAX_PORT, type PortSpec, type Protocol } from "./port-spec.ts";
import {
  checked,
  type Fields,
  integer,
  listOf,
  nonEmptyText,
  oneOf,
  optional,
  record,
  required,
  type Shape,
  type Spot,
  text,
  withDefault,
} from "./shape.ts";

export interface ClusterNetworkPolicy {
  readonly kind: "ClusterNetworkPolicy";
  readonly document: Document;
  readonly metadata: Metadata;
  readonly tier: "Admin" | "Baseline";
  /** 0 to 1000; the lower is asked first. */
  readonly priority: number;
  readonly subject: PodPeer;
  readonly ingress: readonly ClusterNetworkRule[];
  readonly egress: readonly ClusterNetworkRule[];
}

export interface ClusterNetworkRule {
  readonly name: string;
  readonly action: "Accept" | "Deny" | "Pass";
  /** Not empty. */
  readonly peers: readonly ClusterNetworkPeer[];
  /** Empty: everything. */
  readonly ports: readonly PortSpec[];
}

export interface PodPeer {
  readonly kind: "pods";
  readonly namespaceSelector: LabelSelector;
  readonly podSelector: LabelSelector;
}

export type ClusterNetworkPeer =
  | PodPeer
  | { readonly kind: "nodes"; readonly selector: LabelSelector }
  | { readonly kind: "network"; readonly prefix: IpPrefix }
  | { readonly kind: "dns"; readonly pattern: string };

const MAX_RULES = 100;
const MAX_PEERS = 100;
const MAX_PRIORITY = 1_000;

interface Selectors {
  readonly namespaceSelector: LabelSelector;
  readonly podSelector: LabelSelector;
}

const pods: Shape<Selectors> = record<Selectors>({
  namespaceSelector: withDefault(labelSelector, EVERYTHING),
  podSelector: withDefault(labelSelector, EVERYTHING),
});

interface WrittenPeer {
  readonly namespaces: LabelSelector | undefined;
  readonly pods: Selectors | undefined;
  readonly nodes: LabelSelector | undefined;
  readonly networks: readonly IpPrefix[] | undefined;
  readonly domainNames: readonly string[] | undefined;
}

const podFields: Fields<Pick<WrittenPeer, "namespaces" | "pods">> = { namespaces: optional(labelSelector), pods: optional(pods) };

function podPeer({ namespaces, pods: selected }: Pick<WrittenPeer, "namespaces" | "pods">): PodPeer | undefined {
  if (namespaces !== undefined) return { kind: "pods", namespaceSelector: namespaces, podSelector: EVERYTHING };
  return selected === undefined ? undefined : { kind: "pods", ...selected };
}

const exactlyOne = (value: object, spot: Spot): void => {
  if (Object.values(value).filter((item) => item !== undefined).length !== 1)
    spot.report(
      "RESOURCE_INVALID_VALUE",
      `expected exactly one of ${Object.keys(value)
        .map((name) => `\`${name}\``)
        .join(", ")} in \`${spot.name}\``,
    );
};

const ingressPeer: Shape<Pick<WrittenPeer, "namespaces" | "pods">> = checked(record(podFields), exactlyOne);
const egressPeer: Shape<WrittenPeer> = checked(
  record<WrittenPeer>({
    ...podFields,
    nodes: optional(labelSelector),
    networks: optional(listOf(network, { min: 1, max: MAX_PEERS })),
    domainNames: optional(listOf(dnsPattern, { min: 1, max: MAX_PEERS })),
  }),
  exactlyOne,
);

function peersOf(written: Partial<WrittenPeer>): readonly ClusterNetworkPeer[] {
  const { namespaces, pods: selected, nodes, networks, domainNames } = written;
  const inPods = podPeer({ namespaces, pods: selected });
  return [
    ...(inPods === undefined ? [] : [inPods]),
    ...(nodes === undefined ? [] : [{ kind: "nodes", selector: nodes } as const]),
    ...(networks ?? []).map((prefix) => ({ kind: "network", prefix }) as const),
    ...(domainNames ?? []).map((pattern) => ({ kind: "dns", pattern }) as const),
  ];
}

interface Destination {
  readonly number: number | undefined;
  readonly range: { readonly start: number; readonly end: number } | undefined;
}

const portNumber = integer(1, MAX_PORT);
const range: Shape<{ readonly start: number; readonly end: number }> = checked(
  record<{ readonly start: number; readonly end: number }>({ start: required(portNumber), end: required(portNumber) }),
  ({ start, end }, spot) => {
    if (start > end) spot.report("RESOURCE_INVALID_VALUE", `expected \`${spot.name}.start\` not to be greater than its end`);
  },
);
const destination: Shape<Destination> = checked(record<Destination>({ number: optional(portNumber), range: optional(range) }), exactlyOne);

type WrittenProtocol = { readonly [K in "tcp" | "udp" | "sctp"]: { readonly destinationPort: Destination | undefined } | undefined } & {
  readonly destinationNamedPort: string | undefined;
};

const transport: Shape<{ readonly destinationPort: Destination | undefined }> = record<{
  readonly destinationPort: Destination | undefined;
}>({ destinationPort: optional(destination) });
const writtenProtocol: Shape<WrittenProtocol> = checked(
  record<WrittenProtocol>({
    tcp: optional(transport),
    udp: optional(transport),
    sctp: optional(transport),
    destinationNamedPort: optional(nonEmptyText),
  }),
  exactlyOne,
);

const protocol: Shape<PortSpec> = (value, spot) => {
  const written = writtenProtocol(value, spot);
  if (written === undefined) return undefined;
  if (written.destinationNamedPort !== undefined) return { kind: "named", protocol: "any", name: written.destinationNamedPort };
  const name: Protocol = written.tcp !== undefined ? "tcp" : written.udp !== undefined ? "udp" : "sctp";
  return portsOf(name, written[name]?.destinationPort);
};

function portsOf(name: Protocol, port: Destination | undefined): PortSpec {
  if (port?.number !== undefined) return { kind: "range", protocol: name, first: port.number, last: port.number };
  if (port?.range !== undefined) return { kind: "range", protocol: name, first: port.range.start, last: port.range.end };
  return everyPort(name);
}

/** The ports of v1alpha1: `portNumber {protocol, port}`, `portRange {protocol, start, end}` or `namedPort`. */
interface OldPort {
  readonly portNumber: { readonly protocol: "TCP" | "UDP" | "SCTP"; readonly port: number } | undefined;
  readonly portRange: { readonly protocol: "TCP" | "UDP" | "SCTP"; readonly start: number; readonly end: number } | undefined;
  readonly namedPort: string | undefined;
}

const oldProtocol = withDefault(oneOf("TCP", "UDP", "SCTP"), "TCP");
const writtenOldPort: Shape<OldPort> = checked(
  record<OldPort>({
    portNumber: optional(record({ protocol: oldProtocol, port: required(portNumber) })),
    portRange: optional(record({ protocol: oldProtocol, start: required(portNumber), end: required(portNumber) })),
    namedPort: optional(nonEmptyText),
  }),
  exactlyOne,
);

const lower = (name: "TCP" | "UDP" | "SCTP"): Protocol => (name === "TCP" ? "tcp" : name === "UDP" ? "udp" : "sctp");

const oldPort: Shape<PortSpec> = (value, spot) => {
  const written = writtenOldPort(value, spot);
  if (written === undefined) return undefined;
  const { portNumber: one, portRange: several, namedPort } = written;
  if (namedPort !== undefined) return { kind: "named", protocol: "any", name: namedPort };
  if (one !== undefined) return { kind: "range", protocol: lower(one.protocol), first: one.port, last: one.port };
  if (several !== undefined) return { kind: "range", protocol: lower(several.protocol), first: several.start, last: several.end };
  return undefined;
};

interface Generation {
  readonly actions: { readonly [written: string]: ClusterNetworkRule["action"] };
  readonly portsField: "protocols" | "ports";
  readonly port: Shape<PortSpec>;
}

const NEW: Generation = { actions: { Accept: "Accept", Deny: "Deny", Pass: "Pass" }, portsField: "protocols", port: protocol };
const ADMIN: Generation = { actions: { Allow: "Accept", Deny: "Deny", Pass: "Pass" }, portsField: "ports", port: oldPort };
const BASELINE: Generation = { actions: { Allow: "Accept", Deny: "Deny" }, portsField: "ports", port: oldPort };

/** A rule; the names of its fields depend on the direction and on the generation. */
function ruleShape({ actions, portsField, port }: Generation, side: "from" | "to"): Shape<ClusterNetworkRule> {
  const peer: Shape<Partial<WrittenPeer>> = side === "from" ? ingressPeer : egressPeer;
  const fields: { readonly [name: string]: unknown } = {
    name: withDefault(text, ""),
    action: required(oneOf(...Object.keys(actions))),
    [side]: required(listOf(peer, { min: 1, max: MAX_PEERS })),
    [portsField]: withDefault(listOf(port, { max: MAX_PEERS }), []),
  };
  const shape = record<Record<string, JsonValue>>(fields as never); // the field names are data here
  return (value, spot) => {
    const read = shape(value, spot) as Record<string, unknown> | undefined;
    if (read === undefined) return undefined;
    const written = read[side] as readonly Partial<WrittenPeer>[];
    return {
      name: read["name"] as string,
      action: actions[read["action"] as string] ?? "Deny",
      peers: written.flatMap(peersOf),
      ports: read[portsField] as readonly PortSpec[],
    };
  };
}

const subject: Shape<PodPeer> = (value, spot) => {
  const written = ingressPeer(value, spot);
  return written === undefined ? undefined : podPeer(written);
};

type Spec = Omit<ClusterNetworkPolicy, "kind" | "document" | "metadata">;
type Rules = Pick<Spec, "ingress" | "egress">;

const rulesOf = (generation: Generation): Fields<Rules> => ({
  ingress: withDefault(listOf(ruleShape(generation, "from"), { max: MAX_RULES }), []),
  egress: withDefault(listOf(ruleShape(generation, "to"), { max: MAX_RULES }), []),
});

export const clusterNetworkPolicySpec: Shape<Spec> = record<Spec>({
  tier: required(oneOf("Admin", "Baseline")),
  priority: required(integer(0, MAX_PRIORITY)),
  subject: required(subject),
  ...rulesOf(NEW),
});

const adminSpec = record<Omit<Spec, "tier">>({
  priority: required(integer(0, MAX_PRIORITY)),
  subject: required(subject),
  ...rulesOf(ADMIN),
});
const baselineSpec = record<Omit<Spec, "tier" | "priority">>({ subject: required(subject), ...rulesOf(BASELINE) });

/** AdminNetworkPolicy: the Admin tier. */
export const adminNetworkPolicySpec: Shape<Spec> = (value, spot) => {
  const read = adminSpec(value, spot);
  return read === undefined ? undefined : { tier: "Admin", ...read };
};

/** BaselineAdminNetworkPolicy: the Baseline tier; there is one per cluster, so that it has no priority. */
export const baselineAdminNetworkPolicySpec: Shape<Spec> = (value, spot) => {
  const read = baselineSpec(value, spot);
  return read === undefined ? undefined : { tier: "Baseline", priority: 0, ...read };
};
