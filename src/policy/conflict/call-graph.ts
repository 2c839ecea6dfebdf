/** Who calls whom, from the calls that were seen: the topology of services, with labels on its edges. */
import { formatIpAddress } from "../../lib/ip-network.ts";
import type { Call, Endpoint } from "../access/endpoint.ts";

export interface PathStep {
  /** `shop/orders`, a SPIFFE ID, or an address. */
  readonly from: string;
  readonly to: string;
  readonly protocol: Call["protocol"];
  readonly port: number;
  /** By name; several values where policies disagree. */
  readonly labels: { readonly [name: string]: readonly string[] };
}

/** How people name an end. */
export function endTitle({ kind, name, namespace, spiffeId }: Endpoint, address: Uint8Array): string {
  if (name !== "") return namespace === "" ? name : `${namespace}/${name}`;
  return spiffeId || (kind === "external" ? formatIpAddress(address) : kind);
}

export class CallGraph {
  readonly #incoming = new Map<string, PathStep[]>();

  add(call: Call, labels: PathStep["labels"]): void {
    const step = stepOf(call, labels);
    const steps = this.#incoming.get(step.to);
    if (steps === undefined) this.#incoming.set(step.to, [step]);
    else if (!steps.some(({ from, protocol, port }) => from === step.from && protocol === step.protocol && port === step.port))
      steps.push(step);
  }

  /** A shortest path from somebody whom nobody was seen to call to the source of a call, and then that call. */
  pathTo(call: Call, labels: PathStep["labels"]): readonly PathStep[] {
    const last = stepOf(call, labels);
    const after = new Map<string, PathStep>();
    const queue = [last.from];
    // The array grows while it is read.
    for (const at of queue) {
      const steps = this.#incoming.get(at) ?? [];
      if (steps.length === 0) return [...stepsFrom(at, after, last.from), last];
      for (const step of steps) {
        if (after.has(step.from) || step.from === last.from) continue;
        after.set(step.from, step);
        queue.push(step.from);
      }
    }
    // Everybody before it is in a circle.
    return [last];
  }
}

function stepsFrom(start: string, after: ReadonlyMap<string, PathStep>, end: string): readonly PathStep[] {
  const steps: PathStep[] = [];
  for (let at = start; at !== end; ) {
    const step = after.get(at);
    if (step === undefined) break;
    steps.push(step);
    at = step.to;
  }
  return steps;
}

const stepOf = (call: Call, labels: PathStep["labels"]): PathStep => ({
  from: endTitle(call.source, call.sourceAddress),
  to: endTitle(call.destination, call.destinationAddress),
  protocol: call.protocol,
  port: call.port,
  labels,
});
