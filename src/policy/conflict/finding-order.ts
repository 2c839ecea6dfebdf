/** The order in which findings are told: the gravest first, then by place in the files. */
import type { Finding } from "./finding.ts";

const GRAVITY: { readonly [S in Finding["severity"]]: number } = { error: 0, warning: 1, note: 2 };

interface Rank {
  readonly gravity: number;
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** Tells apart what is about one place. */
  readonly rest: string;
}

const RANKS = new WeakMap<Finding, Rank>();

function rankOf(finding: Finding): Rank {
  const known = RANKS.get(finding);
  if (known !== undefined) return known;
  const { kind, severity, rule, direction, against, message } = finding;
  const [, file = rule.source, line = "0", column = "0"] = /^(.*):(\d+):(\d+)$/s.exec(rule.source) ?? [];
  const rest = [rule.policy, rule.rule, direction, kind, against?.policy, against?.rule, against?.source, message].join("\n");
  const rank = { gravity: GRAVITY[severity], file, line: Number(line), column: Number(column), rest };
  RANKS.set(finding, rank);
  return rank;
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

export function compareFindings(one: Finding, other: Finding): number {
  const [a, b] = [rankOf(one), rankOf(other)];
  return a.gravity - b.gravity || compareText(a.file, b.file) || a.line - b.line || a.column - b.column || compareText(a.rest, b.rest);
}
