/** Ports, ICMP types and HTTP rules of a policy of Cilium (pkg/policy/api/l4.go, icmp.go and http.go). */
import { compileRegex } from "../cel/regex/regex.ts";
import { ciliumFqdn } from "./cilium-fqdn.ts";
import { everyPort, MAX_PORT, type PortSpec, type Protocol } from "./port-spec.ts";
import {
  checked,
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
import { unsupported } from "./unsupported-field.ts";

/** One entry of `toPorts`. */
export interface CiliumPorts {
  /** Not empty. */
  readonly ports: readonly PortSpec[];
  /** Undefined: whatever is said on them. Otherwise a request must fit one of these. */
  readonly http: readonly CiliumHttpRule[] | undefined;
  /** Undefined: whatever is said on them. Otherwise they are of DNS, and a name that is asked for must fit one of these patterns. */
  readonly dns: readonly string[] | undefined;
}

/** All that is given must fit. Texts are regular expressions that must match the whole value. */
export interface CiliumHttpRule {
  readonly method: string | undefined;
  readonly path: string | undefined;
  readonly host: string | undefined;
  /** By name in lower case; an undefined value asks for presence only. */
  readonly headers: readonly { readonly name: string; readonly value: string | undefined }[];
}

/** As Cilium limits them. */
const MAX_PORTS = 40;
const MAX_RULES = 1_000;

const TRANSPORTS = ["TCP", "UDP", "SCTP", "ANY"] as const;
type Transport = (typeof TRANSPORTS)[number];
const EXTENDED: ReadonlySet<string> = new Set(["VRRP", "IGMP", "GRE", "IPIP", "IPV6", "ESP", "AH", "ICMP", "ICMPV6"]);
const PROTOCOLS: { readonly [T in Transport]: readonly Protocol[] } = {
  TCP: ["tcp"],
  UDP: ["udp"],
  SCTP: ["sctp"],
  ANY: ["tcp", "udp", "sctp"],
};

const transport: Shape<Transport> = (value, spot) => {
  const read = text(value, spot)?.toUpperCase();
  if (read === undefined) return undefined;
  if (read === "") return "ANY";
  if (EXTENDED.has(read)) {
    const hint = read.startsWith("ICMP") ? "use `icmps`" : "only TCP, UDP, SCTP and ICMP can be told apart";
    spot.report("RESOURCE_UNSUPPORTED_FIELD", `protocol \`${read}\` in \`${spot.name}\` is not supported`, hint);
    return undefined;
  }
  return oneOf(...TRANSPORTS)(read, spot);
};

interface WrittenPort {
  readonly port: number | string;
  readonly endPort: number | undefined;
  readonly protocol: Transport;
}

/** A number from 0 (all ports), or a name (RFC 6335 §5.1: a letter among at most 15 characters), which is read in lower case. */
const portText: Shape<number | string> = (value, spot) => {
  const read = typeof value === "number" ? String(value) : nonEmptyText(value, spot);
  if (read === undefined) return undefined;
  if (/^\d{1,5}$/.test(read) && Number(read) <= MAX_PORT) return Number(read);
  if (/^(?=.*[a-zA-Z])[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,13}[a-zA-Z0-9])?$/.test(read)) return read.toLowerCase();
  spot.report("RESOURCE_INVALID_VALUE", `expected \`${spot.name}\` to be a port, got \`${read}\``, "a number up to 65535, or a name");
  return undefined;
};

const writtenPort: Shape<WrittenPort> = checked(
  record<WrittenPort>({
    port: required(portText),
    endPort: optional(integer(0, MAX_PORT)),
    protocol: withDefault(transport, "ANY"),
  }),
  ({ port, endPort = 0 }, spot) => {
    if (endPort > 0 && (typeof port === "string" || port === 0 || port > endPort))
      spot.report("RESOURCE_INVALID_VALUE", `expected \`${spot.name}.endPort\` to follow a port number that is not greater`);
  },
);

function specsOf({ port, endPort = 0, protocol }: WrittenPort, isDeny: boolean): readonly PortSpec[] {
  // Denials of every port of every protocol take all that there is; an allow is held to the transports that have ports.
  if (port === 0 && protocol === "ANY" && isDeny) return [everyPort("any")];
  return PROTOCOLS[protocol].map((name): PortSpec => {
    if (typeof port === "string") return { kind: "named", protocol: name, name: port };
    return port === 0 ? everyPort(name) : { kind: "range", protocol: name, first: port, last: Math.max(port, endPort) };
  });
}

/** A regular expression in the syntax of RE2, which takes Cilium's extended POSIX ones; linear in time (see `cel/regex/`). */
const pattern: Shape<string> = (value, spot) => {
  const read = nonEmptyText(value, spot);
  if (read === undefined) return undefined;
  const compiled = compileRegex(read);
  if (compiled.ok) return read;
  spot.report("RESOURCE_INVALID_VALUE", `expected \`${spot.name}\` to be a regular expression: ${compiled.error.message}`);
  return undefined;
};

type Header = CiliumHttpRule["headers"][number];
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/; // a token (RFC 9110 §5.1)

function header(name: string, value: string | undefined, spot: Spot): Header | undefined {
  if (HEADER_NAME.test(name)) return { name: name.toLowerCase(), value };
  spot.report("RESOURCE_INVALID_VALUE", `expected \`${spot.name}\` to name a header, got \`${name}\``);
  return undefined;
}

/** `Name: value`, or `Name` alone for presence. */
const headerText: Shape<Header> = (value, spot) => {
  const read = nonEmptyText(value, spot)?.trim();
  if (read === undefined) return undefined;
  const [, name = "", rest] = /^([^\s:]+):?(?:\s+(.*))?$/s.exec(read) ?? [];
  return header(name, rest, spot);
};

interface WrittenHeaderMatch {
  readonly name: string;
  readonly value: string | undefined;
  readonly secret: undefined;
  readonly mismatch: undefined;
}

const writtenHeaderMatch = record<WrittenHeaderMatch>({
  name: required(nonEmptyText),
  value: optional(text),
  secret: optional(unsupported("write the value, or check a token's claims in an AccessPolicy")),
  mismatch: optional(unsupported("requests are allowed or denied, never rewritten; without it a mismatch denies")),
});

const headerMatch: Shape<Header> = (value, spot) => {
  const read = writtenHeaderMatch(value, spot);
  return read === undefined ? undefined : header(read.name, read.value === "" ? undefined : read.value, spot);
};

interface WrittenHttpRule extends Omit<CiliumHttpRule, "headers"> {
  readonly headers: readonly Header[];
  readonly headerMatches: readonly Header[];
}

const writtenHttpRule = record<WrittenHttpRule>({
  method: optional(pattern),
  path: optional(pattern),
  host: optional(pattern),
  headers: withDefault(listOf(headerText, { max: MAX_RULES }), []),
  headerMatches: withDefault(listOf(headerMatch, { max: MAX_RULES }), []),
});

const httpRule: Shape<CiliumHttpRule> = (value, spot) => {
  const read = writtenHttpRule(value, spot);
  if (read === undefined) return undefined;
  const { headerMatches, headers, ...rest } = read;
  return { ...rest, headers: [...headers, ...headerMatches] };
};

/** Patterns of the names that may be asked for. */
const dnsRules: Shape<readonly string[]> = listOf(ciliumFqdn, { min: 1, max: MAX_RULES });
/** Questions are looked at on this port; elsewhere only a rule that lets all of them pass can be kept. */
const DNS_PORT = 53;

interface WrittenRules {
  readonly http: readonly CiliumHttpRule[] | undefined;
  readonly dns: readonly string[] | undefined;
  readonly kafka: undefined;
  readonly l7proto: undefined;
  readonly l7: undefined;
}

const otherProtocol = optional(unsupported("of application protocols only HTTP and DNS are understood"));
const rules = record<WrittenRules>({
  http: optional(listOf(httpRule, { min: 1, max: MAX_RULES })),
  dns: optional(dnsRules),
  kafka: otherProtocol,
  l7proto: otherProtocol,
  l7: otherProtocol,
});

interface WrittenPorts {
  readonly ports: readonly WrittenPort[];
  readonly rules: WrittenRules | undefined;
  readonly terminatingTLS: undefined;
  readonly originatingTLS: undefined;
  readonly serverNames: undefined;
  readonly listener: undefined;
}

const ports = required(listOf(writtenPort, { min: 1, max: MAX_PORTS }));
const tls = optional(unsupported("TLS ends in the workload or in Vigil's own proxy, with the workload's identity"));
const allowed: Shape<WrittenPorts> = checked(
  record<WrittenPorts>({
    ports,
    rules: optional(rules),
    terminatingTLS: tls,
    originatingTLS: tls,
    serverNames: optional(unsupported("names in TLS handshakes are not enforced; use `toFQDNs`")),
    listener: optional(unsupported("there is no Envoy listener to send it to")),
  }),
  ({ ports: chosen, rules: { http, dns } = {} }, spot) => {
    const refuse = (message: string): void => spot.child("rules").report("RESOURCE_INVALID_VALUE", message);
    if (http !== undefined && dns !== undefined) refuse("expected rules of one protocol, got `http` and `dns`");
    if (http !== undefined && chosen.some(({ port, protocol }) => protocol !== "TCP" || port === 0))
      refuse("expected `protocol: TCP` and a port for rules of `http`");
    const isElsewhere = chosen.some(({ port, endPort = 0, protocol }) => port !== DNS_PORT || endPort > port || protocol === "SCTP");
    if (dns !== undefined && !dns.includes("*") && isElsewhere) {
      const hint = 'names are looked at on port 53 of UDP and TCP; use that, or `matchPattern: "*"`';
      spot
        .child("rules")
        .child("dns")
        .report("RESOURCE_UNSUPPORTED_FIELD", `\`${spot.name}.rules.dns\` on other ports than 53 is not supported`, hint, true);
    }
  },
);
const denied: Shape<Pick<WrittenPorts, "ports">> = record<Pick<WrittenPorts, "ports">>({ ports });

/** An entry of `toPorts` in a rule that allows. */
export const ciliumPorts: Shape<CiliumPorts> = (value, spot) => {
  const read = allowed(value, spot);
  return read === undefined
    ? undefined
    : { ports: read.ports.flatMap((each) => specsOf(each, false)), http: read.rules?.http, dns: read.rules?.dns };
};

/** An entry of `toPorts` in a rule that denies: ports only. */
export const ciliumDeniedPorts: Shape<CiliumPorts> = (value, spot) => {
  const read = denied(value, spot);
  return read === undefined ? undefined : { ports: read.ports.flatMap((each) => specsOf(each, true)), http: undefined, dns: undefined };
};

/** Types of ICMP by the names that Cilium gives them (RFC 792 and what followed). */
const ICMP_TYPES: ReadonlyMap<string, number> = new Map([
  ["EchoReply", 0],
  ["DestinationUnreachable", 3],
  ["Redirect", 5],
  ["Echo", 8],
  ["EchoRequest", 8],
  ["RouterAdvertisement", 9],
  ["RouterSelection", 10],
  ["TimeExceeded", 11],
  ["ParameterProblem", 12],
  ["Timestamp", 13],
  ["TimestampReply", 14],
  ["Photuris", 40],
  ["ExtendedEchoRequest", 42],
  ["ExtendedEchoReply", 43],
]);

/** RFC 4443 and what followed. */
const ICMPV6_TYPES: ReadonlyMap<string, number> = new Map([
  ["DestinationUnreachable", 1],
  ["PacketTooBig", 2],
  ["TimeExceeded", 3],
  ["ParameterProblem", 4],
  ["EchoRequest", 128],
  ["EchoReply", 129],
  ["MulticastListenerQuery", 130],
  ["MulticastListenerReport", 131],
  ["MulticastListenerDone", 132],
  ["RouterSolicitation", 133],
  ["RouterAdvertisement", 134],
  ["NeighborSolicitation", 135],
  ["NeighborAdvertisement", 136],
  ["RedirectMessage", 137],
  ["RouterRenumbering", 138],
  ["ICMPNodeInformationQuery", 139],
  ["ICMPNodeInformationResponse", 140],
  ["InverseNeighborDiscoverySolicitation", 141],
  ["InverseNeighborDiscoveryAdvertisement", 142],
  ["HomeAgentAddressDiscoveryRequest", 144],
  ["HomeAgentAddressDiscoveryReply", 145],
  ["MobilePrefixSolicitation", 146],
  ["MobilePrefixAdvertisement", 147],
  ["DuplicateAddressRequestCodeSuffix", 157],
  ["DuplicateAddressConfirmationCodeSuffix", 158],
  ["ExtendedEchoRequest", 160],
  ["ExtendedEchoReply", 161],
]);

interface IcmpField {
  readonly family: "IPv4" | "IPv6";
  readonly type: number | string;
}

const icmpType: Shape<number | string> = (value, spot) =>
  typeof value === "string" && !/^\d+$/.test(value) ? nonEmptyText(value, spot) : integer(0, 255)(Number(value), spot);

const writtenIcmp = record<IcmpField>({ family: withDefault(oneOf("IPv4", "IPv6"), "IPv4"), type: required(icmpType) });

const icmpField: Shape<PortSpec> = (value, spot) => {
  const read = writtenIcmp(value, spot);
  if (read === undefined) return undefined;
  const { family, type: written } = read;
  const type = typeof written === "number" ? written : (family === "IPv4" ? ICMP_TYPES : ICMPV6_TYPES).get(written);
  if (type !== undefined) return { kind: "range", protocol: family === "IPv4" ? "icmp" : "icmpv6", first: type, last: type };
  spot
    .child("type")
    .report("RESOURCE_INVALID_VALUE", `expected \`${spot.name}.type\` to be a type of ICMP for ${family}, got \`${written}\``);
  return undefined;
};

/** An entry of `icmps`: its types, as ports. */
export const ciliumIcmp: Shape<CiliumPorts> = (value, spot) => {
  const read = record<{ readonly fields: readonly PortSpec[] }>({ fields: required(listOf(icmpField, { min: 1, max: MAX_PORTS })) })(
    value,
    spot,
  );
  return read === undefined ? undefined : { ports: read.fields, http: undefined, dns: undefined };
};
