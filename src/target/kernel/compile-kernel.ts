/**
 * Access policies for the kernel. What depends on who the ends are is decided here, once for each class of ends that no rule tells apart;
 * what depends on address, protocol and port becomes look-ups; what the kernel cannot see goes to the layers above, where there are any.
 */
import type { AccessRule, Direction, Isolation } from "../../policy/access/access-rule.ts";
import type { AccessSet } from "../../policy/access/access-set.ts";
import { type Endpoint, EXTERNAL } from "../../policy/access/endpoint.ts";
import { IdentityIndex } from "./identity-index.ts";
import { EXTERNAL_IDENTITY, type KernelArtifact, type KernelPolicy } from "./kernel-artifact.ts";
import { compileKernelPolicy } from "./kernel-policy.ts";
import { type LearnedAddress, type NetworkNode, networkNodes } from "./network-node.ts";

/** Somebody whom the kernel can recognise. */
export interface KernelSubject {
  readonly endpoint: Endpoint;
  /** Whether a layer above enforces for calls to it, so that it has the last word on what the kernel cannot see. */
  readonly hasUpperLayer: boolean;
}

export interface KernelInput {
  readonly set: AccessSet;
  /** Everybody who is known; replicas that policies cannot tell apart are one. */
  readonly subjects: readonly KernelSubject[];
  readonly learned?: readonly LearnedAddress[];
  /** Milliseconds since the epoch: policies expire. */
  readonly nowMs: number;
}

/** Numbers of who is who, as long as the subjects stay the same. */
interface World {
  readonly subjects: readonly KernelSubject[];
  readonly index: IdentityIndex;
}

interface Kept {
  readonly rules: readonly AccessRule[];
  readonly isolations: readonly Isolation[];
  readonly policy: KernelPolicy;
}

/** Compiles again and again, and only what a change touches. Identities keep their numbers while the subjects are the same array. */
export class KernelCompiler {
  #given: readonly KernelSubject[] | undefined;
  #world: World = { subjects: [], index: new IdentityIndex([]) };
  #nodesKey = "";
  #nowMs = Number.NaN;
  #kept: { readonly [D in Direction]: Map<number, Kept> } = { egress: new Map(), ingress: new Map() };

  compile({ set, subjects, learned = [], nowMs }: KernelInput): KernelArtifact {
    if (this.#given !== subjects) {
      this.#given = subjects;
      const all = [{ endpoint: EXTERNAL, hasUpperLayer: false }, ...withoutTwins(subjects)];
      this.#world = { subjects: all, index: new IdentityIndex(all.map(({ endpoint }) => endpoint)) };
      this.#forget();
    }
    const rules = (["egress", "ingress"] as const).flatMap((direction) => Object.values(set.rules[direction]).flat());
    const network = networkNodes(rules, learned);
    const { nodes } = network;
    const nodesKey = JSON.stringify(nodes.map(({ prefix, patterns }) => [[...prefix.address], prefix.bits, patterns]));
    if (nodesKey !== this.#nodesKey || (set.hasRollouts && nowMs !== this.#nowMs)) this.#forget();
    this.#nodesKey = nodesKey;
    this.#nowMs = nowMs;
    return {
      ...network,
      identities: this.#world.subjects.map(({ endpoint }) => endpoint),
      egress: this.#direction("egress", set, nodes, nowMs),
      ingress: this.#direction("ingress", set, nodes, nowMs),
    };
  }

  /** The identity of an endpoint that was among the subjects; undefined when it was not. */
  identityOf(endpoint: Endpoint): number | undefined {
    const key = keyOf(endpoint);
    const found = this.#world.subjects.findIndex((subject, identity) => identity !== EXTERNAL_IDENTITY && keyOf(subject.endpoint) === key);
    return found === -1 ? undefined : found;
  }

  #forget(): void {
    this.#kept = { egress: new Map(), ingress: new Map() };
  }

  #direction(direction: Direction, set: AccessSet, nodes: readonly NetworkNode[], nowMs: number): ReadonlyMap<number, KernelPolicy> {
    const { subjects, index } = this.#world;
    const rules = bySubject(Object.values(set.rules[direction]).flat(), index);
    const isolations = bySubject(set.isolations[direction], index);
    const policies = new Map<number, KernelPolicy>();
    const kept = this.#kept[direction];
    for (const [identity, { endpoint, hasUpperLayer }] of subjects.entries()) {
      if (endpoint.kind !== "workload") continue;
      const own = { rules: rules.get(identity) ?? NONE, isolations: isolations.get(identity) ?? NONE };
      const fallback = set.defaultOf(endpoint);
      if (own.rules.length === 0 && own.isolations.length === 0 && fallback === "allow") continue;
      const before = kept.get(identity);
      const isSame = before !== undefined && sameItems(before.rules, own.rules) && sameItems(before.isolations, own.isolations);
      const policy = isSame
        ? before.policy
        : compileKernelPolicy({ direction, endpoint, hasUpperLayer, ...own, fallback, subjects, index, nodes, nowMs });
      kept.set(identity, { ...own, policy });
      policies.set(identity, policy);
    }
    return policies;
  }
}

const NONE: readonly never[] = [];

const sameItems = <T>(a: readonly T[], b: readonly T[]): boolean => a.length === b.length && a.every((item, index) => item === b[index]);

/** By identity: what speaks of it, in the order of the list. Subjects are workloads, which are known by who they are. */
function bySubject<T extends AccessRule | Isolation>(items: readonly T[], index: IdentityIndex): ReadonlyMap<number, readonly T[]> {
  const found = new Map<number, T[]>();
  for (const item of items) {
    for (const identity of index.matching(item.subject)) {
      const list = found.get(identity);
      if (list === undefined) found.set(identity, [item]);
      else list.push(item);
    }
  }
  return found;
}

const keyOf = (endpoint: Endpoint): string => JSON.stringify(endpoint);

/** Subjects that differ in nothing are one; the layers above it count only when all of them have any. */
function withoutTwins(subjects: readonly KernelSubject[]): readonly KernelSubject[] {
  const byKey = new Map<string, KernelSubject>();
  for (const subject of subjects) {
    const key = keyOf(subject.endpoint);
    const twin = byKey.get(key);
    byKey.set(key, twin === undefined ? subject : { ...twin, hasUpperLayer: twin.hasUpperLayer && subject.hasUpperLayer });
  }
  return [...byKey.values()];
}
