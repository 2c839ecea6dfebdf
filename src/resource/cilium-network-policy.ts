/** CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy of `cilium.io/v2`. What Vigil cannot enforce is refused by name. */
import type { IpPrefix } from "../lib/ip-network.ts";
import { exceptLieWithin, network } from "./access-policy.ts";
import { ciliumFqdn } from "./cilium-fqdn.ts";
import { type CiliumPorts, ciliumDeniedPorts, ciliumIcmp, ciliumPorts } from "./cilium-ports.ts";
import { type CiliumEntity, type CiliumSelector, ciliumEntity, ciliumSelector, NAMESPACE_LABEL, nodeSelector } from "./cilium-selector.ts";
import type { Document, Path } from "./document.ts";
import type { LabelSelector } from "./label-selector.ts";
import { type Metadata, metadata } from "./metadata.ts";
import type { ParseResource } from "./resource-root.ts";
import {
  checked,
  type Fields,
  flag,
  listOf,
  nonEmptyText,
  oneOf,
  optional,
  record,
  required,
  type Shape,
  Spot,
  text,
  withDefault,
} from "./shape.ts";
import { unsupported } from "./unsupported-field.ts";

export interface CiliumNetworkPolicy {
  readonly kind: "CiliumNetworkPolicy" | "CiliumClusterwideNetworkPolicy";
  readonly document: Document;
  readonly metadata: Metadata;
  /** Not empty: `spec`, and the items of `specs`. Each is a policy of its own. */
  readonly specs: readonly CiliumSpec[];
}

export interface CiliumSpec {
  /** Where it is written: `spec`, or `specs` and an index. */
  readonly path: Path;
  readonly subject: CiliumSelector;
  /** Whether the endpoints that it selects are default-deny; by default in the directions in which it has rules. */
  readonly isDefaultDeny: { readonly ingress: boolean; readonly egress: boolean };
  readonly rules: readonly CiliumRule[];
}

export interface CiliumRule {
  readonly field: "ingress" | "ingressDeny" | "egress" | "egressDeny";
  /** Position in its list. */
  readonly index: number;
  /** Undefined: anybody; empty: nobody. */
  readonly peers: readonly CiliumPeer[] | undefined;
  /** `fromRequires` and `toRequires`: whatever allows a workload, it must be one that each of them selects. */
  readonly requires: readonly LabelSelector[];
  /** Empty: everything. Entries of `toPorts`, or of `icmps`. */
  readonly ports: readonly CiliumPorts[];
}

export type CiliumPeer =
  | { readonly kind: "endpoints"; readonly selector: CiliumSelector }
  | { readonly kind: "nodes"; readonly selector: LabelSelector }
  /** Addresses outside of what is known: those of workloads, nodes and the host are never meant. */
  | { readonly kind: "network"; readonly prefix: IpPrefix; readonly except: readonly IpPrefix[] }
  | { readonly kind: "entity"; readonly entity: CiliumEntity }
  /** A pattern as `matchesDnsName` takes it. */
  | { readonly kind: "dns"; readonly pattern: string }
  /** What is behind a Service, and behind all Services with labels; namespace undefined: the policy's own, or any where it has none. */
  | { readonly kind: "service"; readonly name: string; readonly namespace: string | undefined }
  | { readonly kind: "services"; readonly selector: LabelSelector; readonly namespace: string | undefined };

const MAX_ITEMS = 1_000;

interface CidrRule {
  readonly cidr: IpPrefix;
  readonly except: readonly IpPrefix[];
  readonly cidrGroupRef: undefined;
  readonly cidrGroupSelector: undefined;
}

const cidrGroup = optional(unsupported("groups of networks are objects of the cluster; write the networks"));
const cidrRule: Shape<CidrRule> = checked(
  record<CidrRule>({
    cidr: required(network),
    except: withDefault(listOf(network, { max: MAX_ITEMS }), []),
    cidrGroupRef: cidrGroup,
    cidrGroupSelector: cidrGroup,
  }),
  ({ cidr, except }, spot) => void exceptLieWithin(cidr, except, spot),
);

interface ServiceName {
  readonly serviceName: string;
  readonly namespace: string | undefined;
}
interface ServiceSelector {
  readonly selector: LabelSelector;
  readonly namespace: string | undefined;
}
interface WrittenService {
  readonly k8sService: ServiceName | undefined;
  readonly k8sServiceSelector: ServiceSelector | undefined;
}

const writtenService = record<WrittenService>({
  k8sService: optional(record<ServiceName>({ serviceName: required(nonEmptyText), namespace: optional(nonEmptyText) })),
  k8sServiceSelector: optional(record<ServiceSelector>({ selector: required(nodeSelector), namespace: optional(nonEmptyText) })),
});

const service: Shape<readonly CiliumPeer[]> = (value, spot) => {
  const read = writtenService(value, spot);
  if (read === undefined) return undefined;
  const { k8sService, k8sServiceSelector } = read;
  if (k8sService !== undefined && k8sServiceSelector !== undefined) {
    const message = `expected \`k8sService\` or \`k8sServiceSelector\` in \`${spot.name}\`, got both`;
    spot.report("RESOURCE_INVALID_VALUE", message, "use an item for each");
    return undefined;
  }
  // As in Cilium, one that names nothing means nobody.
  return [
    ...(k8sService === undefined ? [] : [{ kind: "service" as const, name: k8sService.serviceName, namespace: k8sService.namespace }]),
    ...(k8sServiceSelector === undefined ? [] : [{ kind: "services" as const, ...k8sServiceSelector }]),
  ];
};

interface WrittenPeers {
  readonly endpoints: readonly CiliumSelector[] | undefined;
  readonly cidr: readonly IpPrefix[] | undefined;
  readonly cidrSet: readonly CidrRule[] | undefined;
  readonly entities: readonly CiliumEntity[] | undefined;
  readonly nodes: readonly LabelSelector[] | undefined;
  readonly fqdns: readonly string[] | undefined;
  readonly services: readonly (readonly CiliumPeer[])[] | undefined;
}

interface WrittenRule {
  readonly requires: readonly LabelSelector[];
  readonly toPorts: readonly CiliumPorts[];
  readonly icmps: readonly CiliumPorts[];
}

const list = <T>(shape: Shape<T>): Shape<readonly T[]> => listOf(shape, { max: MAX_ITEMS });
const AUTHENTICATED = "workloads authenticate each other by their SPIFFE IDs; use an AccessPolicy";
const onlyMode =
  (mode: string): Shape<string> =>
  (value, spot) =>
    value === mode ? mode : unsupported(AUTHENTICATED)(value, spot);
const authentication = optional(record<{ readonly mode: string }>({ mode: required(onlyMode("disabled")) }));
/** As it was called before: `null` asks for none. */
const auth = optional(record<{ readonly type: string }>({ type: required(onlyMode("null")) }));
const groups = optional(unsupported("groups of a cloud are not known here; write the networks"));
const deniedRequires = withDefault<readonly LabelSelector[]>(unsupported("it narrows what rules allow; select whom to deny"), []);
const requires: Shape<LabelSelector> = (value, spot) => {
  const read = ciliumSelector(value, spot);
  if (read === undefined || read.kind === "labels") return read?.selector;
  const message = `\`reserved:${read.entity}\` in \`${spot.name}\` is not supported`;
  return void spot.report("RESOURCE_UNSUPPORTED_FIELD", message, "it asks for labels of workloads");
};

/** A rule; its fields depend on the direction, and on whether it allows. */
function ruleShape(field: CiliumRule["field"]): Shape<Omit<CiliumRule, "index">> {
  const side = field.startsWith("ingress") ? "from" : "to";
  const isDeny = field.endsWith("Deny");
  const names = {
    endpoints: `${side}Endpoints`,
    cidr: `${side}CIDR`,
    cidrSet: `${side}CIDRSet`,
    entities: `${side}Entities`,
    nodes: `${side}Nodes`,
    fqdns: "toFQDNs",
    services: "toServices",
  } as const;
  const fields: Fields<Record<string, unknown>> = {
    [names.endpoints]: optional(list(ciliumSelector)),
    [names.cidr]: optional(list(network)),
    [names.cidrSet]: optional(list(cidrRule)),
    [names.entities]: optional(list(ciliumEntity)),
    [names.nodes]: optional(list(nodeSelector)),
    ...(field === "egress" ? { [names.fqdns]: optional(list(ciliumFqdn)) } : {}),
    ...(side === "to" ? { [names.services]: optional(list(service)) } : {}),
    [`${side}Groups`]: groups,
    [`${side}Requires`]: isDeny ? deniedRequires : withDefault(list(requires), []),
    ...(isDeny ? {} : { authentication, auth }),
    toPorts: withDefault(list(isDeny ? ciliumDeniedPorts : ciliumPorts), []),
    icmps: withDefault(list(ciliumIcmp), []),
  };
  const shape = record<Record<string, unknown>>(fields);
  return (value, spot) => {
    const read = shape(value, spot);
    if (read === undefined) return undefined;
    const entries = Object.entries(names).map(([name, written]) => [name, read[written]]);
    const peers = Object.fromEntries(entries) as WrittenPeers; // the shapes above, under the names that both directions share
    const { toPorts, icmps } = read as unknown as Omit<WrittenRule, "requires">;
    const needed = read[`${side}Requires`] as WrittenRule["requires"];
    if (!isOneWay(peers, spot)) return undefined;
    if (toPorts.length > 0 && icmps.length > 0) {
      spot.report("RESOURCE_INVALID_VALUE", `expected \`toPorts\` or \`icmps\` in \`${spot.name}\`, got both`, "use a rule for each");
      return undefined;
    }
    const ports = [...toPorts, ...icmps];
    return { field, peers: peersOf(peers, ports.length > 0), requires: needed, ports };
  };
}

/** As Cilium does: ways of naming a peer are not combined in a rule. Both forms of networks are one way. */
function isOneWay(written: WrittenPeers, spot: Spot): boolean {
  const { endpoints = [], cidr = [], cidrSet = [], entities = [], nodes = [], fqdns = [], services = [] } = written;
  const ways = [endpoints, [...cidr, ...cidrSet], entities, nodes, fqdns, services].filter((way) => way.length > 0);
  if (ways.length <= 1) return true;
  spot.report("RESOURCE_INVALID_VALUE", `expected one way of naming peers in \`${spot.name}\`, got ${ways.length}`, "use a rule for each");
  return false;
}

function peersOf(written: WrittenPeers, hasPorts: boolean): readonly CiliumPeer[] | undefined {
  const { endpoints, cidr, cidrSet, entities, nodes, fqdns, services } = written;
  // A rule without peers and ports allows nothing: it only makes its endpoints default-deny. An empty list of peers is nobody.
  if ([endpoints, cidr, cidrSet, entities, nodes, fqdns, services].every((way) => way === undefined)) return hasPorts ? undefined : [];
  return [
    ...(endpoints ?? []).map((selector): CiliumPeer => ({ kind: "endpoints", selector })),
    ...(cidr ?? []).map((prefix): CiliumPeer => ({ kind: "network", prefix, except: [] })),
    ...(cidrSet ?? []).map((rule): CiliumPeer => ({ kind: "network", prefix: rule.cidr, except: rule.except })),
    ...(entities ?? []).map((entity): CiliumPeer => ({ kind: "entity", entity })),
    ...(nodes ?? []).map((selector): CiliumPeer => ({ kind: "nodes", selector })),
    ...(fqdns ?? []).map((pattern): CiliumPeer => ({ kind: "dns", pattern })),
    ...(services ?? []).flat(),
  ];
}

type WrittenRules = readonly Omit<CiliumRule, "index">[];
interface WrittenSpec {
  readonly endpointSelector: CiliumSelector | undefined;
  readonly nodeSelector: undefined;
  readonly ingress: WrittenRules;
  readonly ingressDeny: WrittenRules;
  readonly egress: WrittenRules;
  readonly egressDeny: WrittenRules;
  readonly enableDefaultDeny: DefaultDeny;
}

interface DefaultDeny {
  readonly ingress: boolean | undefined;
  readonly egress: boolean | undefined;
}

const UNSAID: DefaultDeny = { ingress: undefined, egress: undefined };

const rulesOf = (field: CiliumRule["field"]): Fields<WrittenSpec>["ingress"] => withDefault(list(ruleShape(field)), []);

/** For people, and for Cilium's own tools. */
const NOTES = ["description", "labels", "log"];

const writtenSpec: Shape<WrittenSpec> = checked(
  record<WrittenSpec>(
    {
      endpointSelector: optional(ciliumSelector),
      nodeSelector: optional(unsupported("policies for nodes need the host's own firewall; Vigil governs workloads")),
      ingress: rulesOf("ingress"),
      ingressDeny: rulesOf("ingressDeny"),
      egress: rulesOf("egress"),
      egressDeny: rulesOf("egressDeny"),
      enableDefaultDeny: withDefault(record<DefaultDeny>({ ingress: optional(flag), egress: optional(flag) }), UNSAID),
    },
    NOTES,
  ),
  ({ ingress, egress, enableDefaultDeny, endpointSelector }, spot) => {
    const check = (direction: "ingress" | "egress", rules: WrittenRules): void => {
      if (enableDefaultDeny[direction] !== false || !rules.some(({ ports }) => ports.some(({ http }) => http !== undefined))) return;
      const hint = "HTTP rules deny all other requests on their ports";
      spot
        .child("enableDefaultDeny")
        .report("RESOURCE_UNSUPPORTED_FIELD", `\`${direction}: false\` with rules of \`http\` is not supported`, hint);
    };
    check("ingress", ingress);
    check("egress", egress);
    if (endpointSelector === undefined) return required(ciliumSelector).absent(spot.child("endpointSelector"));
    if (endpointSelector.kind === "entity" && endpointSelector.entity !== "init" && endpointSelector.entity !== "health")
      spot
        .child("endpointSelector")
        .report(
          "RESOURCE_UNSUPPORTED_FIELD",
          `policies for \`reserved:${endpointSelector.entity}\` are not supported`,
          "Vigil governs workloads",
        );
  },
);

const spec: Shape<CiliumSpec> = (value, spot) => {
  const read = writtenSpec(value, spot);
  if (read?.endpointSelector === undefined) return undefined;
  const { endpointSelector, enableDefaultDeny, ingress, ingressDeny, egress, egressDeny } = read;
  return {
    path: spot.path,
    subject: endpointSelector,
    isDefaultDeny: {
      ingress: enableDefaultDeny.ingress ?? ingress.length + ingressDeny.length > 0,
      egress: enableDefaultDeny.egress ?? egress.length + egressDeny.length > 0,
    },
    rules: [ingress, ingressDeny, egress, egressDeny].flatMap((rules) => rules.map((rule, index) => ({ ...rule, index }))),
  };
};

interface Root {
  readonly apiVersion: string;
  readonly kind: CiliumNetworkPolicy["kind"];
  readonly metadata: Metadata;
  readonly spec: CiliumSpec | undefined;
  readonly specs: readonly CiliumSpec[];
}

const root: Shape<Root> = record<Root>(
  {
    apiVersion: required(text),
    kind: required(oneOf("CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy")),
    metadata: required(metadata),
    spec: optional(spec),
    specs: withDefault(list(spec), []),
  },
  ["status", "description"],
);

/** The namespace that a policy belongs to; undefined for one of the cluster. */
export const ownNamespace = ({ kind, metadata: { namespace } }: Pick<CiliumNetworkPolicy, "kind" | "metadata">): string | undefined =>
  kind === "CiliumNetworkPolicy" ? namespace || "default" : undefined;

export const parseCiliumNetworkPolicy: ParseResource<CiliumNetworkPolicy> = ({ document, path, problems }) => {
  const spot = new Spot(document, path, problems);
  const read = root(document.value, spot);
  if (read === undefined) return undefined;
  const specs = [...(read.spec === undefined ? [] : [read.spec]), ...read.specs];
  if (specs.length === 0) {
    spot.report("RESOURCE_MISSING_FIELD", "missing field `spec`", "or `specs`, with at least one item");
    return undefined;
  }
  const namespace = ownNamespace(read);
  for (const { subject, path: at } of specs) {
    const chosen = subject.kind === "labels" ? subject.selector.matchLabels[NAMESPACE_LABEL] : undefined;
    if (namespace === undefined || chosen === undefined || chosen === namespace) continue;
    const message = `expected endpoints of the policy's own namespace \`${namespace}\`, got \`${chosen}\``;
    at.concat("endpointSelector")
      .reduce((place, step) => place.child(step), spot)
      .report("RESOURCE_INVALID_VALUE", message, "a CiliumClusterwideNetworkPolicy selects in any namespace");
  }
  return { kind: read.kind, document, metadata: read.metadata, specs };
};
