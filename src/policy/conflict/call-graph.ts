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

/** Calls of an end by who calls, and by protocol and port. */
type Incoming = Map<string, PathStep>;

export class CallGraph {
  readonly #incoming = new Map<string, Incoming>();
  readonly #paths = new Map<string, readonly PathStep[]>();

  add(call: Call, labels: PathStep["labels"]): void {
    const step = stepOf(call, labels);
    this.#paths.clear();
    const steps: Incoming = this.#incoming.get(step.to) ?? new Map();
    this.#incoming.set(step.to, steps);
    const key = JSON.stringify([step.from, step.protocol, step.port]);
    if (!steps.has(key)) steps.set(key, step);
  }

  /** A shortest path from somebody whom nobody was seen to call to the source of a call, and then that call. */
  pathTo(call: Call, labels: PathStep["labels"]): readonly PathStep[] {
    const last = stepOf(call, labels);
    let before = this.#paths.get(last.from);
    if (before === undefined) {
      before = this.#pathToEnd(last.from);
      this.#paths.set(last.from, before);
    }
    return [...before, last];
  }

  /** Empty where nobody calls an end, and where everybody before it is in a circle. */
  #pathToEnd(end: string): readonly PathStep[] {
    const after = new Map<string, PathStep>();
    const queue = [end];
    // The array grows while it is read.
    for (const at of queue) {
      const steps = this.#incoming.get(at);
      if (steps === undefined) return stepsFrom(at, after, end);
      for (const step of steps.values()) {
        if (after.has(step.from) || step.from === end) continue;
        after.set(step.from, step);
        queue.push(step.from);
      }
    }
    return [];
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
