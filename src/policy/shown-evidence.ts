import { explain } from "../cel/explain.ts";
import type { Frame } from "../cel/frame.ts";
import { toJson } from "../cel/json.ts";
import { CelError, type CelValue } from "../cel/value.ts";
import { encodeJson } from "../lib/json.ts";
import type { CompiledExpression } from "./compiled-policy.ts";
import type { Verdict } from "./decision.ts";
import type { GroupVersionKind, Review } from "./review.ts";
import { cut } from "./run-expression.ts";
import type { Finding } from "./validate.ts";

export type ShownEvidence = NonNullable<Verdict["evidence"]>;

const MAX_VALUE = 200;

/** The values that made an expression what it is, as text for people. */
export const evidenceFor = ({ program }: CompiledExpression, frame: Frame): ShownEvidence =>
  explain(program, frame).map(({ expression, value }) => ({ expression: cut(expression, MAX_VALUE), value: cut(show(value), MAX_VALUE) }));

function show(value: CelValue): string {
  const json = value instanceof CelError ? value : toJson(value);
  return json instanceof CelError ? `error: ${json.message}` : encodeJson(json);
}

/** The finding without what a Secret holds, which is not for events and answers: only truth values are left, and where an error is. */
export function withoutSecrets(finding: Finding, { kind, requestKind }: Review): Finding {
  if (!isSecret(kind) && !isSecret(requestKind)) return finding;
  return {
    ...finding,
    message: finding.kind === "error" ? finding.message.replace(/ resulted in error: .*$/s, " resulted in error") : finding.message,
    explain: () => finding.explain().map(({ expression, value }) => ({ expression, value: isTruth(value) ? value : "(hidden)" })),
  };
}

const isTruth = (value: string): boolean => value === "true" || value === "false" || value === "null";

const isSecret = ({ group, kind }: GroupVersionKind): boolean => group === "" && kind === "Secret";
