/** A check for programs. A contract: fields are added, never renamed. */
import { type CheckedObject, type Report, summarise, violationsOf } from "./report.ts";

export function jsonReport(report: Report): unknown {
  return {
    summary: summarise(report),
    snapshot: report.snapshotId,
    durationMs: Math.round(report.durationMs),
    objects: report.objects.map(objectOf),
    errors: report.diagnostics.map(({ sourceLine: _, ...diagnostic }) => diagnostic),
  };
}

function objectOf(object: CheckedObject): unknown {
  const { document, name, decision } = object;
  return {
    object: name,
    file: document.file,
    line: document.line,
    allowed: decision.allowed,
    violations: violationsOf(object),
    patch: decision.patch,
  };
}
