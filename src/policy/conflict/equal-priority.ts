/** Allows and denies of the administrator of one priority that meet: which of them decides was left to the rule that deny wins. */
import type { Examination } from "./examination.ts";
import type { ExaminedRule } from "./examined-rule.ts";
import { type Finding, sameFinding } from "./finding.ts";
import { MeetIndex } from "./meet-index.ts";
import { hasPriority, type RuleBook } from "./rule-book.ts";
import { mayMeet } from "./rule-cover.ts";

/**
 * Finds the clashes of a direction anew as far as `touched` rules have part in them: those that were examined, and those that are gone.
 * Returns the rules of which clashes were looked for. INVARIANT: the `finding` of each is up to date.
 */
export function examineEqualPriorities(book: RuleBook, touched: Iterable<ExaminedRule>, examination: Examination): readonly ExaminedRule[] {
  const groups = new Map<string, ExaminedRule[]>();
  for (const rule of touched) {
    if (!hasPriority(rule.rule)) continue;
    const isContender = book.has(rule) && rule.why === undefined && rule.finding === undefined && rule.rule.action !== "pass";
    const key = `${rule.rule.tier} ${rule.rule.priority}`;
    const members = book.contenders.get(key) ?? new Set();
    book.contenders.set(key, members);
    const wasContender = isContender ? members.has(rule) : members.delete(rule);
    if (isContender) members.add(rule);
    else rule.clash = undefined;
    if (!wasContender && !isContender) continue;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [rule]);
    else group.push(rule);
  }
  return [...groups].flatMap(([key, changed]) => {
    const members = book.contenders.get(key) ?? new Set();
    if (members.size === 0) book.contenders.delete(key);
    return examineGroup([...members], changed, examination);
  });
}

function examineGroup(
  members: readonly ExaminedRule[],
  changed: readonly ExaminedRule[],
  examination: Examination,
): readonly ExaminedRule[] {
  const allows = members.filter(({ rule }) => rule.action === "allow");
  if (allows.length === 0) return [];
  const again = new Set(changed);
  const changedDenies = new MeetIndex(changed.filter(({ rule }) => rule.action === "deny"));
  const isTouched = (allow: ExaminedRule): boolean =>
    again.has(allow) || [...changedDenies.candidates(allow)].some((deny) => mayMeet(deny, allow));
  const touched = allows.filter(isTouched);
  if (touched.length === 0) return [];
  const denies = new MeetIndex(members.filter(({ rule }) => rule.action === "deny"));
  for (const allow of touched) {
    const found = clashOf(allow, denies, examination);
    if (!sameFinding(allow.clash, found)) allow.clash = found;
  }
  return touched;
}

/** With the first of the denies that it meets. */
function clashOf(allow: ExaminedRule, denies: MeetIndex, examination: Examination): Finding | undefined {
  allow.hasMoreClashes = false;
  const candidates = [...new Set(denies.candidates(allow))].sort((a, b) => a.position - b.position);
  for (const deny of candidates) {
    if (deny.rule.origin.policy === allow.rule.origin.policy) continue;
    if (examination.pairsLeft-- <= 0) {
      allow.hasMoreClashes = true;
      return undefined;
    }
    const witness = examination.witnessOf([allow.rule, deny.rule]);
    if (witness === undefined) continue;
    return {
      kind: "contradiction",
      severity: "warning",
      rule: allow.rule.origin,
      direction: allow.rule.direction,
      against: deny.rule.origin,
      message: `allows what \`${deny.rule.origin.policy}\` denies with the same priority ${allow.rule.priority}`,
      witness,
    };
  }
  return undefined;
}
