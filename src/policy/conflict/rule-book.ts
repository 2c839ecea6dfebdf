/** The rules of one direction, found by what they are about, and kept up as one set follows another. */
import { type AccessRule, type Direction, type Isolation, TIERS } from "../access/access-rule.ts";
import type { AccessSet } from "../access/access-set.ts";
import type { Endpoint } from "../access/endpoint.ts";
import { factsByMatch, factsOfEndpoint } from "./anchor.ts";
import { CoverIndex, Indexed } from "./cover-index.ts";
import { ExaminedRule } from "./examined-rule.ts";
import { KeptList } from "./kept-list.ts";

export class ExaminedIsolation extends Indexed<ExaminedIsolation> {
  readonly isolation: Isolation;
  readonly facts: Indexed<ExaminedIsolation>["facts"];
  /** In the order in which they are asked. */
  position = 0;

  constructor(isolation: Isolation) {
    super();
    this.isolation = isolation;
    this.facts = { subject: factsByMatch(isolation.subject), peer: [] };
  }
}

export interface Changes {
  readonly added: readonly ExaminedRule[];
  readonly removed: readonly ExaminedRule[];
  /** Added or removed. */
  readonly isolations: readonly ExaminedIsolation[];
  /** What was there before comes in another order, so that nothing that was found is to be relied on. */
  readonly isReordered: boolean;
}

/** What was found about a rule. */
export interface Note extends Pick<ExaminedRule, "finding" | "clash" | "isUnknown" | "isIncomplete"> {
  readonly rule: ExaminedRule;
}

export class RuleBook {
  readonly direction: Direction;
  /** Without rules that can never match. */
  readonly index: CoverIndex<ExaminedRule> = new CoverIndex();
  readonly isolations: CoverIndex<ExaminedIsolation> = new CoverIndex();
  /** By tier and priority, those that may meet others of it. */
  readonly contenders: Map<string, Set<ExaminedRule>> = new Map();
  readonly #rules: KeptList<AccessRule, ExaminedRule> = new KeptList((rule) => new ExaminedRule(rule));
  readonly #isolations: KeptList<Isolation, ExaminedIsolation> = new KeptList((isolation) => new ExaminedIsolation(isolation));
  /** Of the tiers that have priorities. */
  readonly #byPolicy = new Map<string, Set<ExaminedRule>>();
  readonly #noted = new Map<ExaminedRule, Note>();
  /** Whether a rule that is gone was among them. */
  #hasLost = false;
  readonly #expiring = new Set<ExaminedRule>();

  constructor(direction: Direction) {
    this.direction = direction;
  }

  /** In the order in which they are asked. */
  get rules(): readonly ExaminedRule[] {
    return this.#rules.items;
  }

  /** Those that may match a call between two ends, in the order in which they are asked. */
  matching(own: Endpoint, other: Endpoint): readonly ExaminedRule[] {
    return own.kind === "workload" ? [...this.index.matching(factsOfEndpoint(own), factsOfEndpoint(other))].sort(byPosition) : [];
  }

  /** Those that may isolate an end. */
  isolating(own: Endpoint): readonly ExaminedIsolation[] {
    return own.kind === "workload" ? [...this.isolations.matching(factsOfEndpoint(own), [])].sort(byPosition) : [];
  }

  /** About which there is something to say. */
  get noted(): Iterable<Note> {
    return this.#noted.values();
  }

  /** To be told of rules that were examined, and of those whose clashes were. Whether there is something else to say than before. */
  note(rules: Iterable<ExaminedRule>): boolean {
    let hasChanged = this.#hasLost;
    this.#hasLost = false;
    for (const rule of rules) {
      const { finding, clash, isUnknown } = rule;
      const isIncomplete = rule.isIncomplete || rule.hasMoreClashes;
      const before = this.#noted.get(rule);
      const isNothing = finding === undefined && clash === undefined && !isUnknown && !isIncomplete;
      if (isNothing) hasChanged = this.#noted.delete(rule) || hasChanged;
      else if (
        before?.finding !== finding ||
        before?.clash !== clash ||
        before?.isUnknown !== isUnknown ||
        before?.isIncomplete !== isIncomplete
      ) {
        hasChanged = true;
        this.#noted.set(rule, { rule, finding, clash, isUnknown, isIncomplete });
      }
    }
    return hasChanged;
  }

  has(rule: ExaminedRule): boolean {
    return this.#rules.get(rule.rule) === rule;
  }

  /** Takes over what another set has. Rules are told apart as objects: a resource that did not change has the same ones. */
  follow(set: AccessSet): Changes {
    const tiers = set.rules[this.direction];
    const { added, removed, isReordered } = this.#rules.follow(TIERS.flatMap((tier) => tiers[tier]));
    for (const gone of removed) this.#remove(gone);
    this.index.add(added.filter(({ never }) => never === undefined));
    for (const each of added) this.#enter(each);
    const isolations = this.#isolations.follow(set.isolations[this.direction]);
    for (const gone of isolations.removed) this.isolations.delete(gone);
    this.isolations.add(isolations.added);
    return {
      added,
      removed,
      isolations: [...isolations.added, ...isolations.removed],
      isReordered: isReordered || isolations.isReordered,
    };
  }

  #enter(rule: ExaminedRule): void {
    if (rule.rule.rollout.expiresAtMs !== undefined) this.#expiring.add(rule);
    if (!hasPriority(rule.rule)) return;
    const key = policyKey(rule.rule);
    const siblings = this.#byPolicy.get(key);
    if (siblings === undefined) this.#byPolicy.set(key, new Set([rule]));
    else siblings.add(rule);
  }

  #remove(gone: ExaminedRule): void {
    this.index.delete(gone);
    this.#hasLost = this.#noted.delete(gone) || this.#hasLost;
    this.#expiring.delete(gone);
    const key = policyKey(gone.rule);
    const siblings = this.#byPolicy.get(key);
    siblings?.delete(gone);
    if (siblings?.size === 0) this.#byPolicy.delete(key);
  }

  /** The rules of a rule's policy in its tier, of those tiers in which their order counts. */
  siblings({ rule }: { readonly rule: AccessRule }): ReadonlySet<ExaminedRule> {
    return this.#byPolicy.get(policyKey(rule)) ?? NONE;
  }

  *ofPriorities(): Generator<ExaminedRule> {
    for (const siblings of this.#byPolicy.values()) yield* siblings;
  }

  /** Whose time ends after the one and not after the other; milliseconds since the epoch. */
  expiring(afterMs: number, toMs: number): readonly ExaminedRule[] {
    return [...this.#expiring].filter(({ rule: { rollout } }) => {
      const { expiresAtMs = Number.POSITIVE_INFINITY } = rollout;
      return afterMs < expiresAtMs && expiresAtMs <= toMs;
    });
  }
}

const byPosition = (a: { readonly position: number }, b: { readonly position: number }): number => a.position - b.position;

const NONE: ReadonlySet<ExaminedRule> = new Set();

export const hasPriority = ({ tier }: Pick<AccessRule, "tier">): boolean => tier === "admin" || tier === "baseline";

const policyKey = ({ tier, origin }: AccessRule): string => `${tier} ${origin.policy}`;
