/** CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy of `cilium.io/v2`. What Vigil cannot enforce is refused by name. */
import type { IpPrefix } from "../lib/ip-network.ts";
import { exceptLieWithin, network } from "./access-policy.ts";
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
  | { readonly kind: "dns"; readonly pattern: string };

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

interface Fqdn {
  readonly matchName: string | undefined;
  readonly matchPattern: string | undefined;
}

const MAX_DNS_NAME = 253;
const NAME = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/;

const writtenFqdn = record<Fqdn>({ matchName: optional(nonEmptyText), matchPattern: optional(nonEmptyText) });

const fqdn: Shape<string> = (value, spot) => {
  const read = writtenFqdn(value, spot);
  if (read === undefined) return undefined;
  const { matchName, matchPattern } = read;
  const written = (matchName ?? matchPattern ?? "").trim().toLowerCase().replace(/\.$/, "");
  if ((matchName === undefined) === (matchPattern === undefined)) {
    spot.report("RESOURCE_INVALID_VALUE", `expected exactly one of \`matchName\`, \`matchPattern\` in \`${spot.name}\``);
    return undefined;
  }
  const pattern = matchName === undefined ? dnsPatternOf(written) : NAME.test(written) ? written : undefined;
  if (pattern !== undefined && written.length <= MAX_DNS_NAME) return pattern;
  spot.report("RESOURCE_INVALID_VALUE", `expected \`${spot.name}\` to be a DNS name, got \`${written}\``);
  return undefined;
};

/** Cilium's `*` is any characters of one label, a leading `**.` one or more labels, `*` alone every name (pkg/fqdn/matchpattern). */
function dnsPatternOf(pattern: string): string | undefined {
  if (pattern === "*") return "*";
  const hasSubdomains = pattern.startsWith("**.");
  const rest = hasSubdomains ? pattern.slice(3) : pattern;
  if (!/^[a-z0-9_*-]+(?:\.[a-z0-9_*-]+)*$/.test(rest) || rest.includes("**")) return undefined;
  // Both kinds of wildcard at once cannot be written.
  if (hasSubdomains) return rest.includes("*") ? undefined : `*.${rest}`;
  return rest.replaceAll("*", "+");
}

interface WrittenPeers {
  readonly endpoints: readonly CiliumSelector[] | undefined;
  readonly cidr: readonly IpPrefix[] | undefined;
  readonly cidrSet: readonly CidrRule[] | undefined;
  readonly entities: readonly CiliumEntity[] | undefined;
  readonly nodes: readonly LabelSelector[] | undefined;
  readonly fqdns: readonly string[] | undefined;
}

interface WrittenRule {
  readonly toPorts: readonly CiliumPorts[];
  readonly icmps: readonly CiliumPorts[];
}

const list = <T>(shape: Shape<T>): Shape<readonly T[]> => listOf(shape, { max: MAX_ITEMS });
const authentication = optional(
  record<{ readonly mode: "disabled" }>({
    mode: required((value, spot) =>
      value === "disabled"
        ? "disabled"
        : unsupported("workloads authenticate each other by their SPIFFE IDs; use an AccessPolicy")(value, spot),
    ),
  }),
);
const groups = optional(unsupported("groups of a cloud are not known here; write the networks"));
const requires = optional(unsupported("Cilium has removed it; use a rule that denies"));
const services = optional(
  unsupported("Services are objects of the cluster; select the workloads behind it with `toEndpoints`, or its addresses with `toCIDR`"),
);

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
  } as const;
  const fields: Fields<Record<string, unknown>> = {
    [names.endpoints]: optional(list(ciliumSelector)),
    [names.cidr]: optional(list(network)),
    [names.cidrSet]: optional(list(cidrRule)),
    [names.entities]: optional(list(ciliumEntity)),
    [names.nodes]: optional(list(nodeSelector)),
    ...(field === "egress" ? { [names.fqdns]: optional(list(fqdn)) } : {}),
    ...(side === "to" ? { toServices: services } : {}),
    [`${side}Groups`]: groups,
    [`${side}Requires`]: requires,
    ...(isDeny ? {} : { authentication }),
    toPorts: withDefault(list(isDeny ? ciliumDeniedPorts : ciliumPorts), []),
    icmps: withDefault(list(ciliumIcmp), []),
  };
  const shape = record<Record<string, unknown>>(fields);
  return (value, spot) => {
    const read = shape(value, spot);
    if (read === undefined) return undefined;
    const entries = Object.entries(names).map(([name, written]) => [name, read[written]]);
    const peers = Object.fromEntries(entries) as WrittenPeers; // the shapes above, under the names that both directions share
    const { toPorts, icmps } = read as unknown as WrittenRule;
    if (!isOneWay(peers, spot)) return undefined;
    if (toPorts.length > 0 && icmps.length > 0) {
      spot.report("RESOURCE_INVALID_VALUE", `expected \`toPorts\` or \`icmps\` in \`${spot.name}\`, got both`, "use a rule for each");
      return undefined;
    }
    const ports = [...toPorts, ...icmps];
    return { field, peers: peersOf(peers, ports.length > 0), ports };
  };
}

/** As Cilium does: ways of naming a peer are not combined in a rule. Both forms of networks are one way. */
function isOneWay({ endpoints = [], cidr = [], cidrSet = [], entities = [], nodes = [], fqdns = [] }: WrittenPeers, spot: Spot): boolean {
  const ways = [endpoints, [...cidr, ...cidrSet], entities, nodes, fqdns].filter((way) => way.length > 0);
  if (ways.length <= 1) return true;
  spot.report("RESOURCE_INVALID_VALUE", `expected one way of naming peers in \`${spot.name}\`, got ${ways.length}`, "use a rule for each");
  return false;
}

function peersOf(written: WrittenPeers, hasPorts: boolean): readonly CiliumPeer[] | undefined {
  const { endpoints, cidr, cidrSet, entities, nodes, fqdns } = written;
  // A rule without peers and ports allows nothing: it only makes its endpoints default-deny. An empty list of peers is nobody.
  if ([endpoints, cidr, cidrSet, entities, nodes, fqdns].every((way) => way === undefined)) return hasPorts ? undefined : [];
  return [
    ...(endpoints ?? []).map((selector): CiliumPeer => ({ kind: "endpoints", selector })),
    ...(cidr ?? []).map((prefix): CiliumPeer => ({ kind: "network", prefix, except: [] })),
    ...(cidrSet ?? []).map((rule): CiliumPeer => ({ kind: "network", prefix: rule.cidr, except: rule.except })),
    ...(entities ?? []).map((entity): CiliumPeer => ({ kind: "entity", entity })),
    ...(nodes ?? []).map((selector): CiliumPeer => ({ kind: "nodes", selector })),
    ...(fqdns ?? []).map((pattern): CiliumPeer => ({ kind: "dns", pattern })),
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
