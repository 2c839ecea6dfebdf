/** Conflicts as diagnostics, beside those of other mistakes in policies. */
import type { Diagnostic } from "../../lib/diagnostic.ts";
import type { AdmissionConflicts, AdmissionFinding } from "../../policy/admission-conflict/admission-finding.ts";
import type { Conflicts, Finding } from "../../policy/conflict/finding.ts";
import type { SnapshotErrorCode } from "../../policy/snapshot.ts";

export type ConflictErrorCode =
  | "CONFLICT_CONTRADICTION"
  | "CONFLICT_SHADOWED"
  | "CONFLICT_LABELS"
  | "CONFLICT_MUTATION"
  | "CONFLICT_EXCEPTION";

const CODES: { readonly [K in Finding["kind"]]?: ConflictErrorCode } = {
  contradiction: "CONFLICT_CONTRADICTION",
  shadowed: "CONFLICT_SHADOWED",
  "label-clash": "CONFLICT_LABELS",
};

/** Those that are mistakes whoever calls whom; what is dead has diagnostics of its own, and what is only repeated does no harm. */
export const conflictDiagnostics = ({ findings }: Pick<Conflicts, "findings">): readonly Diagnostic[] =>
  findings.flatMap((finding) => diagnosticOf(finding) ?? []);

/** Those of admission policies. That an exception names no policy is told by who compiles them. */
export const admissionDiagnostics = (
  { findings }: Pick<AdmissionConflicts, "findings">,
  told: readonly Diagnostic[],
): readonly Diagnostic[] =>
  findings
    .map((finding) => diagnosticAt(finding, finding.kind === "mutation-clash" ? "CONFLICT_MUTATION" : "CONFLICT_EXCEPTION"))
    .filter(({ file, line }) => !told.some((other) => other.code === NOT_FOUND && other.file === file && other.line === line));

const NOT_FOUND: SnapshotErrorCode = "POLICY_NOT_FOUND";

function diagnosticOf(finding: Finding): Diagnostic | undefined {
  const code = CODES[finding.kind];
  return code === undefined || finding.severity === "note" ? undefined : diagnosticAt(finding, code);
}

function diagnosticAt({ severity, rule, message }: Finding | AdmissionFinding, code: ConflictErrorCode): Diagnostic {
  const [, file = rule.source, line = "1", column = "1"] = /^(.*):(\d+):(\d+)$/s.exec(rule.source) ?? [];
  const title = rule.rule === "" ? rule.policy : `${rule.policy} ${rule.rule}`;
  return {
    code,
    severity: severity === "error" ? "error" : "warning",
    message: `${title} ${message}`,
    file,
    line: Number(line),
    column: Number(column),
    length: 1,
    hint: "`vigil policy conflicts` shows an example",
  };
}
