/** Who is meant at one end of a rule: data that can be compared and analysed, and whether an end is meant. */
import { type IpPrefix, prefixContains } from "../../lib/ip-network.ts";
import type { LabelSelector } from "../../resource/label-selector.ts";
import { selects } from "../label-match.ts";
import type { Endpoint } from "./endpoint.ts";
import { securityLabels } from "./security-labels.ts";

export type NamespaceMatch =
  | { readonly kind: "any" }
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "labels"; readonly selector: LabelSelector };

/** One alternative; a rule has a list of them, of which any suffices. */
export type PeerMatch =
  | { readonly kind: "any" }
  /** Every workload, node and this host: what the cluster or the installation knows. */
  | { readonly kind: "known" }
  | {
      readonly kind: "workload";
      readonly namespace: NamespaceMatch /** Undefined: any. */;
      readonly name: string | undefined;
      readonly labels: LabelSelector;
    }
  | { readonly kind: "node"; readonly labels: LabelSelector }
  | { readonly kind: "host" }
  /** Every node but this host. */
  | { readonly kind: "remote-node" }
  /** Workloads by all that is known of them: see `securityLabels`. */
  | { readonly kind: "security-labels"; readonly selector: LabelSelector }
  /** What is neither workload, node nor host. */
  | { readonly kind: "world"; readonly family: 4 | 6 | undefined }
  | { readonly kind: "spiffe-id"; readonly pattern: string }
  | { readonly kind: "trust-domain"; readonly domain: string }
  /** Addresses; `scope` external leaves out those that known workloads, nodes and the host have (Cilium's CIDR rules). */
  | { readonly kind: "network"; readonly prefix: IpPrefix; readonly except: readonly IpPrefix[]; readonly scope: "all" | "external" }
  | { readonly kind: "dns"; readonly pattern: string };

/** One end of a connection, with what only the connection knows of it. */
export interface End {
  readonly endpoint: Endpoint;
  readonly address: Uint8Array;
  /** Names by which it was looked up; only destinations have any. */
  readonly names: readonly string[];
}

export const matchesAny = (matches: readonly PeerMatch[], end: End): boolean => matches.some((match) => matchesPeer(match, end));

export function matchesPeer(match: PeerMatch, { endpoint, address, names }: End): boolean {
  switch (match.kind) {
    case "any":
      return true;
    case "known":
      return endpoint.kind !== "external";
    case "workload":
      return (
        endpoint.kind === "workload" &&
        (match.name === undefined || match.name === endpoint.name) &&
        inNamespace(match.namespace, endpoint) &&
        selects(match.labels, endpoint.labels)
      );
    case "node":
      return (endpoint.kind === "node" || endpoint.kind === "host") && selects(match.labels, endpoint.labels);
    case "host":
      return endpoint.kind === "host";
    case "remote-node":
      return endpoint.kind === "node";
    case "security-labels":
      return endpoint.kind === "workload" && selects(match.selector, securityLabels(endpoint));
    case "world":
      return endpoint.kind === "external" && (match.family === undefined || address.length === (match.family === 4 ? 4 : 16));
    case "spiffe-id":
      return endpoint.spiffeId !== "" && matchesSpiffeId(match.pattern, endpoint.spiffeId);
    case "trust-domain":
      return endpoint.trustDomain !== "" && endpoint.trustDomain === match.domain;
    case "network":
      return (
        (match.scope === "all" || endpoint.kind === "external") &&
        prefixContains(match.prefix, address) &&
        !match.except.some((except) => prefixContains(except, address))
      );
    case "dns":
      return names.some((name) => matchesDnsName(match.pattern, name));
    default:
      return match satisfies never;
  }
}

export function inNamespace(match: NamespaceMatch, { namespace, namespaceLabels }: Endpoint): boolean {
  switch (match.kind) {
    case "any":
      return true;
    case "name":
      return match.name === namespace;
    case "labels":
      return selects(match.selector, namespaceLabels);
    default:
      return match satisfies never;
  }
}

/** Whether an ID fits a pattern: `*` is one segment, a final `**` one or more. No regular expression, so no surprise in time. */
export function matchesSpiffeId(pattern: string, id: string): boolean {
  const wanted = pattern.split("/");
  const segments = id.split("/");
  const hasRest = wanted.at(-1) === "**";
  if (hasRest ? segments.length < wanted.length : segments.length !== wanted.length) return false;
  return wanted.every(
    (segment, index) => segment === segments[index] || (segment === "*" && index > 2) || (hasRest && index === wanted.length - 1),
  );
}

/** Whether a name (lower case) fits a pattern: a leading `*.` is one or more labels, `+` any characters of one label, or none. */
export function matchesDnsName(pattern: string, name: string): boolean {
  if (pattern.includes("+")) {
    const wanted = pattern.split(".");
    const labels = name.split(".");
    return wanted.length === labels.length && wanted.every((label, index) => fitsLabel(label, labels[index] ?? ""));
  }
  if (!pattern.startsWith("*")) return pattern === name;
  const suffix = pattern.slice(1);
  return name.length > suffix.length && name.endsWith(suffix);
}

/** The parts between the wildcards must follow each other; the first and the last one are held to the ends. */
function fitsLabel(pattern: string, label: string): boolean {
  const [first = "", ...rest] = pattern.split("+");
  const last = rest.pop();
  if (last === undefined) return pattern === label;
  if (label.length < first.length + last.length || !label.startsWith(first) || !label.endsWith(last)) return false;
  let from = first.length;
  for (const part of rest) {
    const at = label.indexOf(part, from);
    if (at === -1) return false;
    from = at + part.length;
  }
  return from <= label.length - last.length;
}
