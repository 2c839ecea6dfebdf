/** What one examination of a set knows, and what it has looked up on the way. */
import { type AccessRule, IN_FORCE } from "../access/access-rule.ts";
import type { AccessSet } from "../access/access-set.ts";
import { hasExpired } from "../access/decide-access.ts";
import type { Call, Endpoint } from "../access/endpoint.ts";
import type { PeerMatch } from "../access/peer-match.ts";
import type { Facts } from "./anchor.ts";
import type { ExaminedRule } from "./examined-rule.ts";
import type { Witness } from "./finding.ts";
import { decideByIndex, type RuleBooks } from "./indexed-decision.ts";
import type { Inventory } from "./inventory.ts";
import { MeetIndex } from "./meet-index.ts";
import type { RuleBook } from "./rule-book.ts";
import { type LiveRule, mayMeet } from "./rule-cover.ts";
import { sampleCalls } from "./sample-call.ts";
import type { TierFacts } from "./tier-relation.ts";

export interface ExaminationOptions {
  readonly set: AccessSet;
  readonly nowMs: number;
  readonly books: RuleBooks;
  /** Undefined: it is not known which workloads there are. */
  readonly inventory: Inventory | undefined;
  readonly maxPairs: number;
}

export class Examination {
  readonly set: AccessSet;
  readonly nowMs: number;
  readonly #books: RuleBooks;
  readonly #inventory: Inventory | undefined;
  /** Below zero: more would have had to be compared than the limit. */
  pairsLeft: number;
  readonly #passes = new Map<RuleBook, MeetIndex>();

  constructor({ set, nowMs, books, inventory, maxPairs }: ExaminationOptions) {
    this.set = set;
    this.nowMs = nowMs;
    this.#books = books;
    this.#inventory = inventory;
    this.pairsLeft = maxPairs;
  }

  /** Why a rule matches no call, and the workloads that show that it may. */
  lifeOf({ rule, never, subject, peer, facts }: ExaminedRule): { readonly why: string | undefined; readonly seen: readonly Endpoint[] } {
    const dead = (why: string): { readonly why: string; readonly seen: readonly Endpoint[] } => ({ why, seen: [] });
    if (hasExpired(rule.rollout, this.nowMs)) return dead("it has expired");
    if (never !== undefined) return dead(never);
    const inventory = this.#inventory;
    if (inventory === undefined) return { why: undefined, seen: [] };
    const own = firstMeant(subject, facts.subject, inventory);
    if (own === undefined) return dead("it is about no workload of the inventory");
    const other = firstMeant(peer, facts.peer, inventory);
    const seen = [own, other].filter((each) => each !== "unknowable" && each !== undefined);
    return { why: other === undefined ? "no workload of the inventory is the other end that it names" : undefined, seen };
  }

  /** What is asked of the tiers about one rule; notes in it whether the answer depends on `pass` rules. */
  factsFor(inner: ExaminedRule, book: RuleBook): TierFacts {
    let passes: readonly LiveRule[] | undefined;
    return {
      passesMeeting: () => {
        inner.asksPasses = true;
        passes ??= [...this.#passesOf(book).candidates(inner)].filter((pass) => mayMeet(pass, inner));
        return passes;
      },
      lastOrderOf: (rule) => {
        let last = rule.rule.order;
        for (const sibling of book.siblings(rule)) last = Math.max(last, sibling.rule.order);
        return last;
      },
    };
  }

  #passesOf(book: RuleBook): MeetIndex {
    const known = this.#passes.get(book);
    if (known !== undefined) return known;
    const fresh = new MeetIndex(book.rules.filter(({ rule }) => rule.tier === "admin" && rule.action === "pass"));
    this.#passes.set(book, fresh);
    return fresh;
  }

  /** A call that all of the rules match, and what the policies really say of it. */
  witnessOf(rules: readonly AccessRule[]): Witness | undefined {
    const [call] = sampleCalls(rules, 1);
    return call && this.witness(call);
  }

  /** A call with what the policies really say of it. */
  witness(call: Call): Witness {
    const { verdict, ground } = decideByIndex(this.#books, this.set, call, this.nowMs);
    return { call, verdict, ground };
  }
}

function firstMeant(matches: readonly PeerMatch[], facts: readonly Facts[], inventory: Inventory): Endpoint | "unknowable" | undefined {
  let known: Endpoint | undefined;
  let index = 0;
  for (const match of matches) {
    const meant = inventory.whoIsMeant(match, facts[index++] ?? []);
    if (meant === "unknowable") return meant;
    known ??= meant;
  }
  return known;
}

/** Whether a rollout is in force for everybody and for ever. */
export const isWhole = ({ rollout }: Pick<AccessRule, "rollout">): boolean => rollout === IN_FORCE;
