/** The workloads that there are, so that rules about nobody are found. */
import type { Endpoint } from "../access/endpoint.ts";
import { matchesPeer, type PeerMatch } from "../access/peer-match.ts";
import { type Attribute, type Facts, isSingleValued, valueOfEndpoint } from "./anchor.ts";

const NO_ADDRESS = new Uint8Array(0);
const NO_NAMES: readonly string[] = [];

export interface InventoryChanges {
  readonly added: readonly Endpoint[];
  readonly removed: ReadonlySet<Endpoint>;
  /** Whether who has a SPIFFE ID is now known of all where it was not, or the other way round. */
  readonly hasTurned: boolean;
}

/** So many attributes are indexed; further ones are told apart by trying. */
const MAX_ATTRIBUTES = 64;

export class Inventory {
  #workloads: readonly Endpoint[] = [];
  /** How often each is in the list. */
  readonly #present = new Map<Endpoint, number>();
  /** By attributes that some match has asked for. Who was taken away is still there until they are made anew. */
  readonly #byAttribute = new Map<Attribute, Map<string, Endpoint[]>>();
  #gone = 0;
  #withoutId = 0;

  /** Takes over another list. Workloads are told apart as objects: one whose labels change is another one. */
  follow(workloads: readonly Endpoint[]): InventoryChanges {
    const knewAll = this.#withoutId === 0;
    const [left, come] = differing(this.#workloads, workloads);
    this.#workloads = workloads;
    const touched = new Map<Endpoint, boolean>();
    const count = (workload: Endpoint, by: number): void => {
      const before = this.#present.get(workload) ?? 0;
      if (!touched.has(workload)) touched.set(workload, before > 0);
      if (before + by === 0) this.#present.delete(workload);
      else this.#present.set(workload, before + by);
    };
    for (const workload of come) count(workload, 1);
    for (const workload of left) count(workload, -1);
    const added = [...touched].flatMap(([workload, was]) => (!was && this.#present.has(workload) ? [workload] : []));
    const removed = new Set([...touched].flatMap(([workload, was]) => (was && !this.#present.has(workload) ? [workload] : [])));
    this.#gone += removed.size;
    for (const { spiffeId } of removed) if (spiffeId === "") this.#withoutId--;
    for (const { spiffeId } of added) if (spiffeId === "") this.#withoutId++;
    if (this.#gone > this.#present.size) {
      this.#byAttribute.clear();
      this.#gone = 0;
    } else for (const [attribute, byValue] of this.#byAttribute) enter(added, attribute, byValue);
    return { added, removed, hasTurned: knewAll !== (this.#withoutId === 0) };
  }

  #postingsOf(attribute: Attribute): ReadonlyMap<string, readonly Endpoint[]> | undefined {
    const known = this.#byAttribute.get(attribute);
    if (known !== undefined || !isSingleValued(attribute) || this.#byAttribute.size >= MAX_ATTRIBUTES) return known;
    const byValue = new Map<string, Endpoint[]>();
    enter(this.#present.keys(), attribute, byValue);
    this.#byAttribute.set(attribute, byValue);
    return byValue;
  }

  /**
   * Somebody who is meant by a match with these facts; `unknowable` where the inventory cannot tell, undefined when a match is about
   * workloads and means none.
   */
  whoIsMeant(match: PeerMatch, facts: Facts): Endpoint | "unknowable" | undefined {
    const isIdentity = match.kind === "spiffe-id" || match.kind === "trust-domain";
    if (match.kind !== "workload" && !(isIdentity && this.#withoutId === 0)) return "unknowable";
    let shortest: Iterable<Endpoint> = this.#present.keys();
    let length = this.#present.size;
    for (const fact of facts) {
      const postings = this.#postingsOf(fact[0]);
      if (postings === undefined) continue;
      const posting = postings.get(fact[1]) ?? NOBODY;
      if (posting.length >= length) continue;
      shortest = posting;
      length = posting.length;
    }
    for (const workload of shortest)
      if (this.#present.has(workload) && matchesPeer(match, { endpoint: workload, address: NO_ADDRESS, names: NO_NAMES })) return workload;
    return undefined;
  }
}

const NOBODY: readonly Endpoint[] = [];

/** What two lists have between the beginning and the end that they share. */
function differing<T>(before: readonly T[], now: readonly T[]): readonly [before: readonly T[], now: readonly T[]] {
  const shorter = Math.min(before.length, now.length);
  let start = 0;
  while (start < shorter && before[start] === now[start]) start++;
  let tail = 0;
  while (tail < shorter - start && before[before.length - 1 - tail] === now[now.length - 1 - tail]) tail++;
  return [before.slice(start, before.length - tail), now.slice(start, now.length - tail)];
}

function enter(workloads: Iterable<Endpoint>, attribute: Attribute, byValue: Map<string, Endpoint[]>): void {
  for (const workload of workloads) {
    const value = valueOfEndpoint(workload, attribute);
    if (value === undefined) continue;
    const posting = byValue.get(value);
    if (posting === undefined) byValue.set(value, [workload]);
    else posting.push(workload);
  }
}
