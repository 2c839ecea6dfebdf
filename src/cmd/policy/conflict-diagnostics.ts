/** Conflicts as diagnostics, beside those of other mistakes in policies. */
import type { Diagnostic } from "../../lib/diagnostic.ts";
import type { Conflicts, Finding } from "../../policy/conflict/finding.ts";

export type ConflictErrorCode = "CONFLICT_CONTRADICTION" | "CONFLICT_SHADOWED" | "CONFLICT_LABELS";

const CODES: { readonly [K in Finding["kind"]]?: ConflictErrorCode } = {
  contradiction: "CONFLICT_CONTRADICTION",
  shadowed: "CONFLICT_SHADOWED",
  "label-clash": "CONFLICT_LABELS",
};

/** Those that are mistakes whoever calls whom; what is dead has diagnostics of its own, and what is only repeated does no harm. */
export const conflictDiagnostics = ({ findings }: Pick<Conflicts, "findings">): readonly Diagnostic[] =>
  findings.flatMap((finding) => diagnosticOf(finding) ?? []);

function diagnosticOf({ kind, severity, rule, message }: Finding): Diagnostic | undefined {
  const code = CODES[kind];
  if (code === undefined || severity === "note") return undefined;
  const [, file = rule.source, line = "1", column = "1"] = /^(.*):(\d+):(\d+)$/s.exec(rule.source) ?? [];
  const title = rule.rule === "" ? rule.policy : `${rule.policy} ${rule.rule}`;
  return {
    code,
    severity,
    message: `${title} ${message}`,
    file,
    line: Number(line),
    column: Number(column),
    length: 1,
    hint: "`vigil policy conflicts` shows a call for which it is so",
  };
}
