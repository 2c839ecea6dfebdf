/** The workloads that there are, so that rules about nobody are found. */
import type { Endpoint } from "../access/endpoint.ts";
import { matchesPeer, type PeerMatch } from "../access/peer-match.ts";
import { anchorsOf, anchorsOfEndpoint } from "./anchor.ts";

const NO_ADDRESS = new Uint8Array(0);

export class Inventory {
  readonly #all: readonly Endpoint[];
  readonly #byAnchor = new Map<string, Endpoint[]>();
  readonly #hasAllIds: boolean;

  constructor(workloads: readonly Endpoint[]) {
    this.#all = workloads;
    this.#hasAllIds = workloads.every(({ spiffeId }) => spiffeId !== "");
    for (const workload of workloads) {
      for (const anchor of anchorsOfEndpoint(workload)) {
        const posting = this.#byAnchor.get(anchor);
        if (posting === undefined) this.#byAnchor.set(anchor, [workload]);
        else posting.push(workload);
      }
    }
  }

  /** False when a match is about workloads and none of these is meant; true also where the inventory cannot know. */
  mayMean(match: PeerMatch): boolean {
    const isIdentity = match.kind === "spiffe-id" || match.kind === "trust-domain";
    if (match.kind !== "workload" && !(isIdentity && this.#hasAllIds)) return true;
    const postings = anchorsOf(match).map((anchor) => this.#byAnchor.get(anchor) ?? []);
    const shortest = postings.reduce((best, posting) => (posting.length < best.length ? posting : best), this.#all);
    return shortest.some((workload) => matchesPeer(match, { endpoint: workload, address: NO_ADDRESS, names: [] }));
  }
}
