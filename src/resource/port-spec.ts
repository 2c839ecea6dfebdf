/** Ports as an AccessPolicy writes them: `8443`, `8000-8010/udp`, `icmp`, `icmpv6/128`, `http` (a named port). */
import { isJsonObject } from "../lib/json.ts";
import type { Shape } from "./shape.ts";

export const PROTOCOLS = ["tcp", "udp", "sctp", "icmp", "icmpv6"] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** Destination ports of one protocol, or of all that have ports. For ICMP, `first` to `last` are types. */
export type PortSpec =
  | { readonly kind: "range"; readonly protocol: Protocol | "any"; readonly first: number; readonly last: number }
  /** A port that the destination gives this name. */
  | { readonly kind: "named"; readonly protocol: Protocol | "any"; readonly name: string };

export const MAX_PORT = 65_535;
const MAX_ICMP_TYPE = 255;

/** All ports of a protocol (or of all protocols, ICMP included). */
export const everyPort = (protocol: Protocol | "any"): PortSpec => ({ kind: "range", protocol, first: 0, last: MAX_PORT });

const HINT = "write it as `8443`, `8000-8010/udp`, `icmp` or `http`";

export const portSpec: Shape<PortSpec> = (value, spot) => {
  const read = typeof value === "number" && Number.isInteger(value) ? String(value) : value;
  if (typeof read !== "string") {
    spot.report(
      "RESOURCE_WRONG_TYPE",
      `expected \`${spot.name}\` to be a port, got ${isJsonObject(value) ? "a mapping" : "another type"}`,
      HINT,
    );
    return undefined;
  }
  const spec = parsePortSpec(read);
  if (spec === undefined) spot.report("RESOURCE_INVALID_VALUE", `expected \`${spot.name}\` to be a port, got \`${read}\``, HINT);
  return spec;
};

/** The ports that a text means; undefined when it is none. UNTRUSTED. */
export function parsePortSpec(written: string): PortSpec | undefined {
  const icmp = /^(icmp|icmpv6)(?:\/(\d{1,3}))?$/.exec(written);
  if (icmp !== null) {
    const [, name = "", type] = icmp;
    const protocol: Protocol = name === "icmp" ? "icmp" : "icmpv6";
    if (type === undefined) return { kind: "range", protocol, first: 0, last: MAX_ICMP_TYPE };
    return Number(type) > MAX_ICMP_TYPE ? undefined : { kind: "range", protocol, first: Number(type), last: Number(type) };
  }
  const [, ports = "", protocolText = "tcp"] = /^([a-z0-9*-]+)(?:\/(tcp|udp|sctp|any))?$/.exec(written) ?? [];
  const protocol = protocolText === "any" ? "any" : PROTOCOLS.find((known) => known === protocolText);
  if (protocol === undefined || ports === "") return undefined;
  if (ports === "*") return everyPort(protocol);
  const range = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(ports);
  if (range !== null) {
    const first = Number(range[1]);
    const last = Number(range[2] ?? range[1]);
    return first >= 1 && last <= MAX_PORT && first <= last ? { kind: "range", protocol, first, last } : undefined;
  }
  // The name of a port (RFC 6335 §5.1): at most 15 characters, a letter among them.
  return /^(?=.*[a-z])[a-z0-9](?:[a-z0-9-]{0,13}[a-z0-9])?$/.test(ports) ? { kind: "named", protocol, name: ports } : undefined;
}

/** The text that `parsePortSpec` reads back. */
export function formatPortSpec(spec: PortSpec): string {
  const suffix = spec.protocol === "tcp" ? "" : `/${spec.protocol}`;
  if (spec.kind === "named") return `${spec.name}${suffix}`;
  const { protocol, first, last } = spec;
  if (protocol === "icmp" || protocol === "icmpv6") return first === 0 && last >= MAX_ICMP_TYPE ? protocol : `${protocol}/${first}`;
  if (first === 0 && last === MAX_PORT) return `*${suffix}`;
  return first === last ? `${first}${suffix}` : `${first}-${last}${suffix}`;
}
