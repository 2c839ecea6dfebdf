/** Ports in which nothing changes: the pieces into which rules and conditions cut the numbers of a protocol. */
import type { AccessRule } from "../../policy/access/access-rule.ts";
import type { Endpoint } from "../../policy/access/endpoint.ts";
import { MAX_PORT, type PortSpec, PROTOCOLS, type Protocol } from "../../resource/port-spec.ts";

export interface PortCell {
  readonly protocol: Protocol;
  readonly first: number;
  readonly last: number;
}

/** Types of ICMP have one octet (RFC 792, RFC 4443). */
const MAX_ICMP_TYPE = 255;
const lastOf = (protocol: Protocol): number => (protocol === "icmp" || protocol === "icmpv6" ? MAX_ICMP_TYPE : MAX_PORT);

/** Cells such that every rule, and every condition that compares the port with literals, says the same of all ports in one. */
export function portCells(rules: readonly Pick<AccessRule, "ports" | "when">[], destination: Endpoint): readonly PortCell[] {
  return PROTOCOLS.flatMap((protocol) => {
    const starts = new Set<number>([0]);
    for (const { ports, when } of rules) {
      for (const start of ports.flatMap((spec) => startsOf(spec, protocol, destination))) starts.add(start);
      for (const start of when?.portBoundaries ?? []) starts.add(start);
    }
    const last = lastOf(protocol);
    const sorted = [...starts].filter((start) => start <= last).sort((a, b) => a - b);
    return sorted.map((first, index) => ({ protocol, first, last: (sorted[index + 1] ?? last + 1) - 1 }));
  });
}

function startsOf(spec: PortSpec, protocol: Protocol, { namedPorts }: Endpoint): readonly number[] {
  if (spec.protocol !== "any" && spec.protocol !== protocol) return [];
  if (spec.kind === "range") return [spec.first, spec.last + 1];
  return namedPorts.filter(({ name, protocol: own }) => name === spec.name && own === protocol).flatMap(({ port }) => [port, port + 1]);
}
