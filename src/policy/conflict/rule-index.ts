/** Finds the rules that may cover another without comparing all with all. */
import type { PeerMatch } from "../access/peer-match.ts";
import { anchorsOf } from "./anchor.ts";
import type { LiveRule } from "./rule-cover.ts";

type Side = "subject" | "peer";

/**
 * Each rule stands under the rarest fact that all who match it have in common, one for each alternative of one of its sides, or among
 * those that have no such fact.
 */
export class RuleIndex {
  readonly #byAnchor = new Map<string, LiveRule[]>();
  readonly #others: LiveRule[] = [];

  constructor(rules: readonly LiveRule[]) {
    const counts = new Map<string, number>();
    for (const rule of rules) for (const key of keysOf(rule)) counts.set(key, (counts.get(key) ?? 0) + 1);
    for (const rule of rules) {
      const keys = this.#cheapest(rule, counts);
      if (keys === undefined) this.#others.push(rule);
      for (const key of keys ?? []) {
        const bucket = this.#byAnchor.get(key);
        if (bucket === undefined) this.#byAnchor.set(key, [rule]);
        else bucket.push(rule);
      }
    }
  }

  #cheapest(rule: LiveRule, counts: ReadonlyMap<string, number>): ReadonlySet<string> | undefined {
    const costOf = (key: string): number => counts.get(key) ?? 0;
    let best: { readonly keys: ReadonlySet<string>; readonly cost: number } | undefined;
    for (const side of ["subject", "peer"] as const) {
      const keys = rule[side].map((match) =>
        keysOfMatch(side, match).reduce<string | undefined>(
          (rarest, key) => (rarest === undefined || costOf(key) < costOf(rarest) ? key : rarest),
          undefined,
        ),
      );
      const known = new Set(keys.flatMap((key) => key ?? []));
      if (known.size === 0 || keys.includes(undefined)) continue;
      const cost = Math.max(...[...known].map(costOf));
      if (best === undefined || cost < best.cost) best = { keys: known, cost };
    }
    return best?.keys;
  }

  /** Rules that may cover this one; whatever covers it is among them. */
  *candidates(rule: LiveRule): Generator<LiveRule> {
    yield* this.#others;
    // Whoever covers the rule covers its first alternative on either side.
    const [subject] = rule.subject;
    const [peer] = rule.peer;
    if (subject !== undefined) for (const key of keysOfMatch("subject", subject)) yield* this.#byAnchor.get(key) ?? [];
    if (peer !== undefined) for (const key of keysOfMatch("peer", peer)) yield* this.#byAnchor.get(key) ?? [];
  }
}

const keysOfMatch = (side: Side, match: PeerMatch): readonly string[] => anchorsOf(match).map((anchor) => `${side} ${anchor}`);

const keysOf = ({ subject, peer }: LiveRule): ReadonlySet<string> =>
  new Set([...subject.flatMap((match) => keysOfMatch("subject", match)), ...peer.flatMap((match) => keysOfMatch("peer", match))]);
