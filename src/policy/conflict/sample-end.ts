/** An end of a call that all given matches mean: how emptiness, overlap and witnesses are found. Exact in both directions. */

import { NAMESPACE_LABEL } from "../../resource/cilium-selector.ts";
import { type Endpoint, endpoint } from "../access/endpoint.ts";
import type { End, PeerMatch } from "../access/peer-match.ts";
import { namespaceNamed, SERVICE_ACCOUNT_KEY, selectorParts } from "../access/security-labels.ts";
import { type AddressSpace, addressOf, addressSpaceOf, everyAddress, type Family } from "./address-space.ts";
import { intersectIntervals } from "./intervals.ts";
import { intersectSpaces, isPlain, labelSpaceOf, labelsIn } from "./label-space.ts";
import { dnsNameIn, domainOfPattern, spiffeIdIn } from "./name-pattern.ts";

export interface Place {
  readonly side: "source" | "destination";
  /** Whose traffic is judged: always a workload. */
  readonly isSubject: boolean;
}

type Kind = Endpoint["kind"];
const ALL_KINDS: readonly Kind[] = ["workload", "external", "node", "host"];

/** What a match leaves of the kinds of ends. */
export function kindsOf(match: PeerMatch): readonly Kind[] {
  switch (match.kind) {
    case "known":
      return ["workload", "node", "host"];
    case "workload":
      return ["workload"];
    case "node":
      return ["node", "host"];
    case "host":
      return ["host"];
    case "remote-node":
      return ["node"];
    case "security-labels":
      return ["workload"];
    case "world":
      return ["external"];
    case "network":
      return match.scope === "external" ? ["external"] : ALL_KINDS;
    default:
      return ALL_KINDS;
  }
}

const USUAL: { readonly [F in Family]: bigint } = { 4: 0x0a_00_00_01n, 6: (0xfdn << 120n) | 1n };

const OF_KIND = <K extends PeerMatch["kind"]>(matches: readonly PeerMatch[], kind: K): readonly Extract<PeerMatch, { kind: K }>[] =>
  matches.filter((match): match is Extract<PeerMatch, { kind: K }> => match.kind === kind);

/** Such an end; undefined when none can exist. */
export function sampleEnd(matches: readonly PeerMatch[], place: Place): End | undefined {
  const [first] = matches;
  return first !== undefined && matches.length === 1 && isPlainWorkload(first) ? plainEnd(first) : generalEnd(matches, place);
}

type WorkloadMatch = Extract<PeerMatch, { kind: "workload" }>;

/** Workloads by name and by labels that they must have, the most frequent match: somebody can always be it. */
export const isPlainWorkload = (match: PeerMatch): match is WorkloadMatch =>
  match.kind === "workload" && isPlain(match.labels) && (match.namespace.kind !== "labels" || isPlain(match.namespace.selector));

const plainEnd = ({ name = "", namespace, labels }: WorkloadMatch): End => ({
  endpoint: endpoint("workload", {
    name,
    namespace: namespace.kind === "name" ? namespace.name : "",
    namespaceLabels: namespace.kind === "labels" ? namespace.selector.matchLabels : {},
    labels: labels.matchLabels,
  }),
  address: addressOf(USUAL[4], 4),
  names: [],
});

function generalEnd(matches: readonly PeerMatch[], { side, isSubject }: Place): End | undefined {
  const kinds = matches.reduce((left, match) => left.filter((kind) => kindsOf(match).includes(kind)), ALL_KINDS);
  // Who is named by addresses or DNS names is most often outside.
  const isOutside = matches.some(({ kind }) => kind === "network" || kind === "dns") && kinds.includes("external");
  const kind = isSubject ? kinds.find((each) => each === "workload") : isOutside ? "external" : kinds[0];
  if (kind === undefined) return undefined;
  const workload = workloadFacts(matches);
  const identity = identityIn(matches);
  const address = addressIn(matches);
  const patterns = OF_KIND(matches, "dns");
  if (workload === undefined || identity === undefined || address === undefined || (patterns.length > 0 && side === "source"))
    return undefined;
  return { endpoint: endpoint(kind, { ...workload, ...identity }), address, names: patterns.map(({ pattern }) => dnsNameIn(pattern)) };
}

function workloadFacts(matches: readonly PeerMatch[]): Partial<Endpoint> | undefined {
  const workloads = OF_KIND(matches, "workload");
  const names = new Set(workloads.flatMap(({ name }) => name ?? []));
  const namespaces = new Set(workloads.flatMap(({ namespace }) => (namespace.kind === "name" ? [namespace.name] : [])));
  if (names.size > 1 || namespaces.size > 1) return undefined;
  const parts = OF_KIND(matches, "security-labels").map(({ selector }) => selectorParts(selector));
  const selectors = [
    ...[...workloads, ...OF_KIND(matches, "node")].map(({ labels }) => labelSpaceOf(labels)),
    ...parts.map(({ own }) => labelSpaceOf(own)),
  ];
  const labels = labelsIn(intersectSpaces(selectors));
  const ofNamespaces = [
    ...workloads.flatMap(({ namespace }) => (namespace.kind === "labels" ? [labelSpaceOf(namespace.selector)] : [])),
    ...parts.map(({ ofNamespace }) => labelSpaceOf(ofNamespace)),
  ];
  const namespaceLabels = labelsIn(intersectSpaces(ofNamespaces));
  const account = labelsIn(intersectSpaces(parts.map(({ serviceAccount }) => labelSpaceOf(serviceAccount))));
  const namespace = labelsIn(
    intersectSpaces([
      ...parts.map((each) => labelSpaceOf(each.namespace)),
      ...[...namespaces].map((name) => labelSpaceOf(namespaceNamed(name))),
    ]),
  );
  if (labels === undefined || namespaceLabels === undefined || account === undefined || namespace === undefined) return undefined;
  return {
    name: [...names][0] ?? "",
    namespace: namespace[NAMESPACE_LABEL] ?? "",
    labels,
    namespaceLabels,
    serviceAccount: account[SERVICE_ACCOUNT_KEY] ?? "",
  };
}

function identityIn(matches: readonly PeerMatch[]): Partial<Endpoint> | undefined {
  const patterns = OF_KIND(matches, "spiffe-id").map(({ pattern }) => pattern);
  const domains = new Set([...OF_KIND(matches, "trust-domain").map(({ domain }) => domain), ...patterns.map(domainOfPattern)]);
  const [trustDomain] = domains;
  if (domains.size > 1) return undefined;
  if (trustDomain === undefined) return {};
  const spiffeId = spiffeIdIn(patterns.length === 0 ? [`spiffe://${trustDomain}/x`] : patterns);
  return spiffeId === undefined ? undefined : { trustDomain, spiffeId };
}

function addressIn(matches: readonly PeerMatch[]): Uint8Array | undefined {
  const spaces: readonly AddressSpace[] = [
    ...OF_KIND(matches, "network").map(addressSpaceOf),
    ...OF_KIND(matches, "world").flatMap(({ family }) => (family === undefined ? [] : [everyAddress(family)])),
  ];
  const [first, ...others] = spaces;
  if (first === undefined) return addressOf(USUAL[4], 4);
  const { family } = first;
  if (others.some((space) => space.family !== family)) return undefined;
  const left = others.reduce((intervals, space) => intersectIntervals(intervals, space.intervals), first.intervals);
  const usual = left.some(({ start, end }) => start <= USUAL[family] && USUAL[family] < end);
  const value = usual ? USUAL[family] : left[0]?.start;
  return value === undefined ? undefined : addressOf(value, family);
}
