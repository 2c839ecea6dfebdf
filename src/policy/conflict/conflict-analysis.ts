/**
 * Finds rules that contradict, shadow or repeat others, or that match nobody, and keeps up with changes: of another set only what the
 * change touches is examined again. What is said holds for workloads that do not exist yet: it rests on what is written. Every example
 * is a call that was really decided.
 */
import type { AccessSet } from "../access/access-set.ts";
import type { Endpoint } from "../access/endpoint.ts";
import { examineEqualPriorities } from "./equal-priority.ts";
import { Examination } from "./examination.ts";
import { examineRule } from "./examine-rule.ts";
import { examineTraffic, type Traffic, type TrafficReport } from "./examine-traffic.ts";
import { type Conflicts, type Finding, sameFinding } from "./finding.ts";
import { compareFindings } from "./finding-order.ts";
import type { RuleBooks } from "./indexed-decision.ts";
import { Inventory, type InventoryChanges } from "./inventory.ts";
import { RuleBook } from "./rule-book.ts";
import { touchedByDecisions, touchedRules } from "./touched-rules.ts";

export interface ConflictOptions {
  /** Milliseconds since the epoch: policies expire. */
  readonly nowMs: number;
  /** The workloads that there are; without them only what can never exist is dead. */
  readonly inventory?: readonly Endpoint[];
  /** Calls that were seen, and labels that policies give to calls. */
  readonly traffic?: Traffic;
  /** Of one examination. Default 5,000,000. */
  readonly maxPairs?: number;
}

const MAX_PAIRS = 5_000_000;

/** What there is to find in one set. */
export const findConflicts = (set: AccessSet, options: ConflictOptions): Conflicts => new ConflictAnalysis().examine(set, options);

const SAME_WORKLOADS: InventoryChanges = { added: [], removed: new Set(), hasTurned: false };

export class ConflictAnalysis {
  #books = newBooks();
  #inventory: Inventory | undefined;
  #workloads: readonly Endpoint[] | undefined;
  #before: { readonly set: AccessSet; readonly nowMs: number } | undefined;
  #told: Conflicts | undefined;
  #hadTraffic = false;

  /**
   * What there is to find in a set; the same as a new analysis would find, unless the limit of pairs was reached. What did not change since
   * the last examination is known by its identity: resources (see `compileAccessSet`) and workloads that stayed are to be the same objects.
   */
  examine(set: AccessSet, options: ConflictOptions): Conflicts {
    const { nowMs, inventory, maxPairs = MAX_PAIRS } = options;
    if (this.#cannotFollow(options)) this.#forget();
    const workloads = this.#followInventory(inventory);
    const follow = (book: RuleBook): { book: RuleBook } & ReturnType<RuleBook["follow"]> => ({ book, ...book.follow(set) });
    const changes = [follow(this.#books.ingress), follow(this.#books.egress)];
    if (changes.some(({ isReordered }) => isReordered)) {
      this.#forget();
      return this.examine(set, options);
    }
    const examination = new Examination({ set, nowMs, books: this.#books, inventory: this.#inventory, maxPairs });
    const before = { set: this.#before?.set, nowMs: this.#before?.nowMs ?? Number.NEGATIVE_INFINITY };
    const all = changes.map((change) => ({ ...change, touched: touchedRules(change, workloads, before, examination) }));
    if (before.set !== undefined) touchedByDecisions(all, before.set, examination);
    let hasChanged = before.set === undefined || options.traffic !== undefined || this.#hadTraffic;
    for (const { book, touched, removed } of all) {
      for (const rule of touched.rules) examineRule(rule, book, examination);
      const clashing = examineEqualPriorities(book, [...touched.rules, ...removed], examination);
      hasChanged = book.note([...touched.rules, ...clashing]) || hasChanged;
    }
    this.#before = { set, nowMs };
    this.#hadTraffic = options.traffic !== undefined;
    const told = this.#told;
    const rules = this.#books.ingress.rules.length + this.#books.egress.rules.length;
    if (!hasChanged && told !== undefined) return { ...told, appeared: [], gone: [], rules };
    this.#told = conflictsOf(this.#books, this.#examineTraffic(options.traffic, examination), told?.findings ?? []);
    return this.#told;
  }

  /** Anew each time; what is found again is the same object. */
  #examineTraffic(traffic: Traffic | undefined, examination: Examination): TrafficReport {
    if (traffic === undefined) return NO_TRAFFIC;
    const { findings, ...rest } = examineTraffic(traffic, [this.#books.ingress, this.#books.egress], examination);
    const known = new Map((this.#told?.findings ?? []).map((finding) => [keyOf(finding), finding]));
    const kept = findings.map((finding) => {
      const before = known.get(keyOf(finding));
      return before !== undefined && sameFinding(before, finding) ? before : finding;
    });
    return { findings: kept, ...rest };
  }

  /** Time that runs backwards, and an inventory that comes or goes, turn everything. */
  #cannotFollow({ nowMs, inventory }: ConflictOptions): boolean {
    return this.#before !== undefined && (nowMs < this.#before.nowMs || (inventory === undefined) !== (this.#inventory === undefined));
  }

  #forget(): void {
    this.#books = newBooks();
    this.#inventory = undefined;
    this.#workloads = undefined;
    this.#before = undefined;
  }

  #followInventory(workloads: readonly Endpoint[] | undefined): InventoryChanges {
    if (workloads === undefined || workloads === this.#workloads) return SAME_WORKLOADS;
    this.#workloads = workloads;
    this.#inventory ??= new Inventory();
    return this.#inventory.follow(workloads);
  }
}

const NO_TRAFFIC: TrafficReport = { findings: [], unknownCalls: 0, isComplete: true, pathOf: () => undefined };

const keyOf = ({ kind, rule, direction, message }: Finding): string =>
  JSON.stringify([kind, rule.source, rule.policy, rule.rule, direction, message]);

const newBooks = (): RuleBooks => ({ ingress: new RuleBook("ingress"), egress: new RuleBook("egress") });

/** `before` are findings in their order, of which most may still hold. */
function conflictsOf(books: RuleBooks, traffic: TrafficReport, before: readonly Finding[]): Conflicts {
  const current = new Set<Finding>(traffic.findings);
  let unknown = 0;
  let { isComplete } = traffic;
  for (const { noted } of [books.ingress, books.egress]) {
    for (const { finding, clash, isUnknown, isIncomplete } of noted) {
      if (finding !== undefined) current.add(finding);
      if (clash !== undefined) current.add(clash);
      if (isUnknown) unknown++;
      isComplete &&= !isIncomplete;
    }
  }
  const kept = before.filter((finding) => current.has(finding));
  const known = new Set(kept);
  const appeared = [...current].filter((finding) => !known.has(finding));
  // Sorting costs little where most is in order.
  const findings = [...kept, ...appeared].sort(compareFindings);
  const paths = findings.flatMap((finding) => {
    const path = traffic.pathOf(finding);
    return path === undefined ? [] : [[finding, path] as const];
  });
  return {
    findings,
    paths: new Map(paths),
    appeared,
    gone: before.filter((finding) => !current.has(finding)),
    rules: books.ingress.rules.length + books.egress.rules.length,
    unknown,
    unknownCalls: traffic.unknownCalls,
    isComplete,
  };
}
