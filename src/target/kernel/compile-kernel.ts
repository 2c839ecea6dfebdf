/**
 * Access policies for the kernel. What depends on who the ends are is decided here, once for each class of ends that no rule tells apart;
 * what depends on address, protocol and port becomes look-ups; what the kernel cannot see goes to the layers above, where there are any.
 */
import { type AccessRule, type Direction, IN_FORCE, type Isolation } from "../../policy/access/access-rule.ts";
import type { AccessSet } from "../../policy/access/access-set.ts";
import { type Endpoint, EXTERNAL } from "../../policy/access/endpoint.ts";
import { IdentityIndex } from "./identity-index.ts";
import type { KernelArtifact, KernelPolicy } from "./kernel-artifact.ts";
import { compileKernelPolicy } from "./kernel-policy.ts";
import { addressMatches, type LearnedAddress, type NetworkNodes, networkNodes } from "./network-node.ts";

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
class World {
  readonly subjects: readonly KernelSubject[];
  readonly identities: readonly Endpoint[];
  readonly index: IdentityIndex;
  readonly #byKey: ReadonlyMap<string, number>;

  constructor(given: readonly KernelSubject[]) {
    const distinct = withoutTwins(given);
    this.subjects = [{ endpoint: EXTERNAL, hasUpperLayer: false }, ...distinct.values()];
    this.identities = this.subjects.map(({ endpoint }) => endpoint);
    this.index = new IdentityIndex(this.identities);
    this.#byKey = new Map([...distinct.keys()].map((key, position) => [key, position + 1]));
  }

  identityOf(endpoint: Endpoint): number | undefined {
    return this.#byKey.get(keyOf(endpoint));
  }

  isOf(given: readonly KernelSubject[]): boolean {
    const distinct = [...withoutTwins(given)];
    return (
      distinct.length === this.subjects.length - 1 &&
      distinct.every(
        ([key, { hasUpperLayer }], position) =>
          this.#byKey.get(key) === position + 1 && this.subjects[position + 1]?.hasUpperLayer === hasUpperLayer,
      )
    );
  }
}

/** What was compiled in one direction, and of what. */
interface Compiled {
  readonly rules: readonly AccessRule[];
  readonly isolations: readonly Isolation[];
  /** By identity. */
  readonly policies: Map<number, KernelPolicy>;
}

/** Compiles again and again, and only what a change touches. Identities keep their numbers while the subjects say the same. */
export class KernelCompiler {
  #given: readonly KernelSubject[] = [];
  #world = new World([]);
  #nodesKey = "";
  #nodes: NetworkNodes = { nodes: [], learned: new Map(), patterns: [] };
  #nowMs = Number.NaN;
  #fallbacks: ReadonlyMap<string, "allow" | "deny"> = new Map();
  #compiled: { readonly [D in Direction]?: Compiled } = {};

  compile({ set, subjects, learned = [], nowMs }: KernelInput): KernelArtifact {
    if (this.#given !== subjects) {
      this.#given = subjects;
      if (!this.#world.isOf(subjects)) {
        this.#world = new World(subjects);
        this.#compiled = {};
      }
    }
    const isLater = nowMs !== this.#nowMs;
    this.#nowMs = nowMs;
    const rules = { egress: allRules(set, "egress"), ingress: allRules(set, "ingress") };
    const hasOtherNodes = this.#setNodes(networkNodes([...rules.egress, ...rules.ingress], learned));
    const domains = this.#otherFallbacks(set);
    const changes: Changes = { isLater: isLater && set.hasRollouts, hasOtherNodes, domains };
    const before = this.#compiled;
    // Unknown until all is compiled.
    this.#compiled = {};
    const egress = this.#direction("egress", { set, rules: rules.egress, changes, before: before.egress });
    const ingress = this.#direction("ingress", { set, rules: rules.ingress, changes, before: before.ingress });
    this.#compiled = { egress, ingress };
    return { ...this.#nodes, identities: this.#world.identities, egress: new Map(egress.policies), ingress: new Map(ingress.policies) };
  }

  /** The identity of an endpoint that was among the subjects; undefined when it was not. */
  identityOf(endpoint: Endpoint): number | undefined {
    return this.#world.identityOf(endpoint);
  }

  /** Whether they differ from those before in what policies see of them. */
  #setNodes(network: NetworkNodes): boolean {
    const { nodes, learned, patterns } = network;
    const key = JSON.stringify(nodes.map(({ prefix, patterns: own }) => [[...prefix.address], prefix.bits, own]));
    if (key !== this.#nodesKey) {
      this.#nodesKey = key;
      this.#nodes = network;
      return true;
    }
    const isSame =
      learned.size === this.#nodes.learned.size && [...learned].every(([text, node]) => this.#nodes.learned.get(text) === node);
    this.#nodes = { nodes: this.#nodes.nodes, learned: isSame ? this.#nodes.learned : learned, patterns };
    return false;
  }

  /** Trust domains of subjects whose default is another one now. */
  #otherFallbacks(set: AccessSet): ReadonlySet<string> {
    const now = new Map<string, "allow" | "deny">();
    for (const { endpoint } of this.#world.subjects)
      if (!now.has(endpoint.trustDomain)) now.set(endpoint.trustDomain, set.defaultOf(endpoint));
    const before = this.#fallbacks;
    this.#fallbacks = now;
    return new Set([...now].flatMap(([domain, fallback]) => (before.get(domain) === fallback ? [] : [domain])));
  }

  #direction(direction: Direction, { set, rules, changes, before }: Asked): Compiled {
    const { subjects, index, identities } = this.#world;
    const isolations = set.isolations[direction];
    const touched =
      before === undefined ? new Set(identities.keys()) : touchedBy(index, identities, { rules, isolations, before, changes });
    const policies = before?.policies ?? new Map<number, KernelPolicy>();
    const own = { rules: bySubject(rules, index, touched), isolations: bySubject(isolations, index, touched) };
    for (const identity of touched) {
      const subject = subjects[identity];
      if (subject?.endpoint.kind !== "workload") continue;
      const mine = { rules: own.rules.get(identity) ?? NONE, isolations: own.isolations.get(identity) ?? NONE };
      const fallback = set.defaultOf(subject.endpoint);
      if (mine.rules.length === 0 && mine.isolations.length === 0 && fallback === "allow") policies.delete(identity);
      else {
        const input = { direction, ...subject, ...mine, fallback, subjects, index, nodes: this.#nodes.nodes, nowMs: this.#nowMs };
        policies.set(identity, compileKernelPolicy(input));
      }
    }
    return { rules, isolations, policies };
  }
}

/** What has changed beside the rules. */
interface Changes {
  /** Rollouts and expiries may say something else now. */
  readonly isLater: boolean;
  readonly hasOtherNodes: boolean;
  readonly domains: ReadonlySet<string>;
}

interface Asked {
  readonly set: AccessSet;
  readonly rules: readonly AccessRule[];
  readonly changes: Changes;
  readonly before: Compiled | undefined;
}

const NONE: readonly never[] = [];

const allRules = (set: AccessSet, direction: Direction): readonly AccessRule[] => Object.values(set.rules[direction]).flat();

/** Identities whose policy may be another one now. */
function touchedBy(
  index: IdentityIndex,
  identities: readonly Endpoint[],
  now: Pick<Compiled, "rules" | "isolations"> & { readonly before: Compiled; readonly changes: Changes },
): ReadonlySet<number> {
  const { rules, isolations, before, changes } = now;
  const touched = new Set<number>();
  const touch = ({ subject }: AccessRule | Isolation): void => {
    for (const identity of index.matching(subject)) touched.add(identity);
  };
  differences<AccessRule | Isolation>(before.rules, rules).forEach(touch);
  differences<AccessRule | Isolation>(before.isolations, isolations).forEach(touch);
  if (changes.isLater) for (const item of [...rules, ...isolations]) if (item.rollout !== IN_FORCE) touch(item);
  if (changes.hasOtherNodes) for (const rule of rules) if (addressMatches(rule.peer).length > 0) touch(rule);
  if (changes.domains.size > 0)
    for (const [identity, { trustDomain }] of identities.entries()) if (changes.domains.has(trustDomain)) touched.add(identity);
  return touched;
}

/** Items that are in one list only, or whose order among those in both is not what it was. */
function differences<T>(before: readonly T[], now: readonly T[]): readonly T[] {
  if (before === now) return [];
  const [old, fresh] = [new Set(before), new Set(now)];
  const kept = now.filter((item) => old.has(item));
  const was = before.filter((item) => fresh.has(item));
  const moved = kept.filter((item, position) => item !== was[position]);
  return [...before.filter((item) => !fresh.has(item)), ...now.filter((item) => !old.has(item)), ...moved];
}

/** By identity, of those asked for: what speaks of it, in the order of the list. Subjects are workloads, which are known by who they are. */
function bySubject<T extends AccessRule | Isolation>(
  items: readonly T[],
  index: IdentityIndex,
  wanted: ReadonlySet<number>,
): ReadonlyMap<number, readonly T[]> {
  const found = new Map<number, T[]>();
  const add = (identity: number, item: T): void => {
    const list = found.get(identity);
    if (list === undefined) found.set(identity, [item]);
    else list.push(item);
  };
  for (const item of items) {
    const matching = index.matching(item.subject);
    // Whichever is shorter is walked.
    if (matching.length <= wanted.size) {
      for (const identity of matching) if (wanted.has(identity)) add(identity, item);
    } else for (const identity of wanted) if (hasSorted(matching, identity)) add(identity, item);
  }
  return found;
}

/** Whether a list in ascending order has a number. */
function hasSorted(sorted: readonly number[], wanted: number): boolean {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? wanted) < wanted) low = middle + 1;
    else high = middle;
  }
  return sorted[low] === wanted;
}

const keyOf = (endpoint: Endpoint): string => {
  const known = KEYS.get(endpoint);
  if (known !== undefined) return known;
  const key = JSON.stringify(endpoint);
  KEYS.set(endpoint, key);
  return key;
};
/** Endpoints never change. */
const KEYS = new WeakMap<Endpoint, string>();

/** Subjects that differ in nothing are one, by their key; the layers above it count only when all of them have any. */
function withoutTwins(subjects: readonly KernelSubject[]): ReadonlyMap<string, KernelSubject> {
  const byKey = new Map<string, KernelSubject>();
  for (const subject of subjects) {
    const key = keyOf(subject.endpoint);
    const twin = byKey.get(key);
    byKey.set(key, twin === undefined ? subject : { ...twin, hasUpperLayer: twin.hasUpperLayer && subject.hasUpperLayer });
  }
  return byKey;
}
