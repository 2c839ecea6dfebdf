/** Ports as sets: whether one list of ports includes another, and a port that several lists have in common. */
import { MAX_PORT, type PortSpec, PROTOCOLS, type Protocol } from "../../resource/port-spec.ts";
import { matchesPorts } from "../access/access-rule.ts";
import { endpoint, type NamedPort } from "../access/endpoint.ts";
import { type Intervals, intervalsOf, isIntervalSubset } from "./intervals.ts";

const MAX_ICMP_TYPE = 255;

interface PortSpace {
  readonly ranges: { readonly [P in Protocol]: Intervals<number> };
  /** `protocol name`, each protocol on its own. */
  readonly names: ReadonlySet<string>;
}

const SPACES = new WeakMap<readonly PortSpec[], PortSpace>();
const isIcmp = (protocol: Protocol): boolean => protocol === "icmp" || protocol === "icmpv6";
const lastOf = (protocol: Protocol): number => (isIcmp(protocol) ? MAX_ICMP_TYPE : MAX_PORT);

function portSpaceOf(ports: readonly PortSpec[]): PortSpace {
  const known = SPACES.get(ports);
  if (known !== undefined) return known;
  const rangesOf = (protocol: Protocol): Intervals<number> => {
    if (ports.length === 0) return [{ start: 0, end: lastOf(protocol) + 1 }];
    const parts = ports.flatMap((spec) => {
      if (spec.kind === "named" || (spec.protocol !== "any" && spec.protocol !== protocol)) return [];
      if (spec.protocol === "any" && isIcmp(protocol) && (spec.first !== 0 || spec.last !== MAX_PORT)) return [];
      return [{ start: spec.first, end: Math.min(spec.last, lastOf(protocol)) + 1 }];
    });
    return intervalsOf(parts);
  };
  const names = ports.flatMap((spec) =>
    spec.kind === "named"
      ? PROTOCOLS.filter((each) => spec.protocol === "any" || spec.protocol === each).map((each) => `${each} ${spec.name}`)
      : [],
  );
  const [tcp, udp, sctp] = [rangesOf("tcp"), rangesOf("udp"), rangesOf("sctp")];
  const space = { ranges: { tcp, udp, sctp, icmp: rangesOf("icmp"), icmpv6: rangesOf("icmpv6") }, names: new Set(names) };
  SPACES.set(ports, space);
  return space;
}

/** Whether every port of `inner` is one of `outer`, whatever ports are called. */
export function coversPorts(outer: readonly PortSpec[], inner: readonly PortSpec[]): boolean {
  if (outer.length === 0) return true;
  const wide = portSpaceOf(outer);
  const narrow = portSpaceOf(inner);
  const isWhole = (protocol: string): boolean =>
    PROTOCOLS.some((each) => each === protocol && isIntervalSubset([{ start: 0, end: lastOf(each) + 1 }], wide.ranges[each]));
  return (
    PROTOCOLS.every((protocol) => isIntervalSubset(narrow.ranges[protocol], wide.ranges[protocol])) &&
    [...narrow.names].every((name) => wide.names.has(name) || isWhole(name.split(" ")[0] ?? ""))
  );
}

export interface SampledPort {
  readonly protocol: Protocol;
  readonly port: number;
  /** What the destination must call its ports for this. */
  readonly namedPorts: readonly NamedPort[];
}

/** A port that is in all lists and among `wanted`; undefined when there is none. */
export function samplePort(lists: readonly (readonly PortSpec[])[], wanted?: Intervals<number>, only?: Protocol): SampledPort | undefined {
  const spaces = lists.map(portSpaceOf);
  for (const protocol of only === undefined ? PROTOCOLS : [only]) {
    const starts = [
      8443,
      ...(wanted ?? []).map(({ start }) => start),
      ...spaces.flatMap(({ ranges }) => ranges[protocol].map(({ start }) => start)),
    ];
    const names = new Set(spaces.flatMap((space) => [...space.names].filter((name) => name.startsWith(`${protocol} `))));
    for (const port of starts) {
      if (port > lastOf(protocol) || (wanted !== undefined && !wanted.some(({ start, end }) => start <= port && port < end))) continue;
      const namedPorts = [...names].map((name): NamedPort => ({ name: name.slice(protocol.length + 1), protocol, port }));
      if (lists.every((ports) => hasPort(ports, { protocol, port, namedPorts }))) return { protocol, port, namedPorts };
    }
  }
  return undefined;
}

const NO_ADDRESS = new Uint8Array(4);

function hasPort(ports: readonly PortSpec[], { protocol, port, namedPorts }: SampledPort): boolean {
  const destination = endpoint("workload", { namedPorts });
  const connection = { source: destination, destination, sourceAddress: NO_ADDRESS, destinationAddress: NO_ADDRESS, destinationNames: [] };
  return matchesPorts(ports, { ...connection, protocol, port });
}
