/** Finds the rules that may meet another: those that no fact keeps apart from it. */
import type { Attribute, Side } from "./anchor.ts";
import type { ExaminedRule } from "./examined-rule.ts";

interface SidedAttribute {
  readonly side: Side;
  readonly attribute: Attribute;
}

/**
 * Rules apart by the value of the one attribute that tells most of them apart; those that may have any value of it stand beside. What is
 * found are candidates.
 */
export class MeetIndex {
  readonly #all: readonly ExaminedRule[];
  readonly #attribute: SidedAttribute | undefined;
  readonly #byValue = new Map<string, ExaminedRule[]>();
  readonly #others: ExaminedRule[] = [];

  constructor(rules: readonly ExaminedRule[]) {
    this.#all = rules;
    this.#attribute = bestAttribute(rules);
    if (this.#attribute === undefined) return;
    for (const rule of rules) {
      const values = valuesOf(rule, this.#attribute);
      if (values === undefined) this.#others.push(rule);
      for (const value of values ?? []) {
        const bucket = this.#byValue.get(value);
        if (bucket === undefined) this.#byValue.set(value, [rule]);
        else bucket.push(rule);
      }
    }
  }

  /** In no order, some perhaps twice. */
  *candidates(rule: ExaminedRule): Generator<ExaminedRule> {
    const values = this.#attribute && valuesOf(rule, this.#attribute);
    if (values === undefined) {
      yield* this.#all;
      return;
    }
    yield* this.#others;
    for (const value of values) yield* this.#byValue.get(value) ?? [];
  }
}

/** The values that the alternatives of a side have; undefined when one of them may have any. */
function valuesOf(rule: ExaminedRule, { side, attribute }: SidedAttribute): ReadonlySet<string> | undefined {
  const values = new Set<string>();
  for (const facts of rule.facts[side]) {
    const fact = facts.find(([name]) => name === attribute);
    if (fact === undefined) return undefined;
    values.add(fact[1]);
  }
  return values;
}

/** Fewer are not worth a table. */
const FEW = 16;

function bestAttribute(rules: readonly ExaminedRule[]): SidedAttribute | undefined {
  if (rules.length < FEW) return undefined;
  let best: SidedAttribute | undefined;
  let fewest = rules.length / 2;
  for (const side of ["subject", "peer"] as const) {
    for (const [attribute, { values, count }] of valuesBy(side, rules)) {
      const found = rules.length - count + count / values.size;
      if (found >= fewest) continue;
      fewest = found;
      best = { side, attribute };
    }
  }
  return best;
}

interface Values {
  readonly values: Set<string>;
  count: number;
}

/** Of the first alternatives of a side. */
function valuesBy(side: Side, rules: readonly ExaminedRule[]): ReadonlyMap<Attribute, Values> {
  const seen = new Map<Attribute, Values>();
  for (const rule of rules) {
    for (const [attribute, value] of rule.facts[side][0] ?? []) {
      const known = seen.get(attribute) ?? { values: new Set(), count: 0 };
      seen.set(attribute, known);
      known.values.add(value);
      known.count++;
    }
  }
  return seen;
}
