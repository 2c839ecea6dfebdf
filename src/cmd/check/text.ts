/** A check for people. */
import { formatDuration } from "../../lib/duration.ts";
import { wrapColumns } from "../table.ts";
import type { Style, Terminal } from "../terminal.ts";
import { type CheckedObject, type Report, summarise, type Violation, violationsOf } from "./report.ts";

const COLOURS: { readonly [outcome in Violation["outcome"]]: Style } = { deny: "red", error: "red", warn: "yellow", audit: "cyan" };

export function textReport(report: Report, terminal: Terminal): string {
  const shown = report.objects.filter((object) => violationsOf(object).length > 0);
  return [...shown.flatMap((object) => objectLines(object, terminal)), summaryLine(report, terminal)].join("\n");
}

function objectLines(object: CheckedObject, terminal: Terminal): readonly string[] {
  const { document, name } = object;
  const rows = violationsOf(object).map(({ outcome, policy, message, isError }) => [
    `  ${terminal.style(COLOURS[outcome], outcome.toUpperCase())}`,
    policy,
    isError ? `could not be evaluated: ${message}` : message,
  ]);
  return [
    `${terminal.style("bold", name)}  ${terminal.style("dim", `${document.file}:${document.line}`)}`,
    ...wrapColumns(rows, terminal.width),
    "",
  ];
}

function summaryLine(report: Report, terminal: Terminal): string {
  const { objects, denied, warned, clean, changed, passedOver, policies, errors } = summarise(report);
  const part = (count: number, what: string, style: Style): readonly string[] =>
    count === 0 ? [] : [terminal.style(style, `${count} ${what}`)];
  const parts = [
    ...part(denied, "denied", "red"),
    ...part(warned, "with warnings", "yellow"),
    `${clean} clean`,
    ...(changed === 0 ? [] : [`${changed} changed on the way`]),
    ...(passedOver === 0 ? [] : [`${passedOver} other documents`]),
    ...part(errors, errors === 1 ? "mistake in the input" : "mistakes in the input", "red"),
  ];
  const counted = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`;
  const basis = `${counted(policies, "policy", "policies")}, ${formatDuration(report.durationMs)}`;
  return `${counted(objects, "object", "objects")}: ${parts.join(", ")} (${basis})`;
}
