/** A check as SARIF 2.1.0, which code hosts show beside the lines. A rule for each policy, a result for each violation. */
import { isAbsolute, sep } from "node:path";
import { pathToFileURL } from "node:url";
import type { Diagnostic } from "../../lib/diagnostic.ts";
import { type CheckedObject, type Report, type Violation, violationsOf } from "./report.ts";

export const SARIF_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
const LEVELS: { readonly [outcome in Violation["outcome"]]: string } = { deny: "error", error: "error", warn: "warning", audit: "note" };

export function sarifReport(report: Report, version: string): unknown {
  const found = report.objects.flatMap((object) => violationsOf(object).map((violation) => ({ object, violation })));
  const rules = [...new Map(found.map(({ violation }) => [ruleId(violation), violation])).values()];
  const ruleIndex = new Map(rules.map((violation, index) => [ruleId(violation), index]));
  const errors = report.diagnostics.filter(({ severity }) => severity === "error");
  const run = {
    tool: { driver: { name: "Vigil", version, rules: rules.map(ruleOf) } },
    invocations: [{ executionSuccessful: errors.length === 0, toolExecutionNotifications: report.diagnostics.map(notificationOf) }],
    results: found.map(({ object, violation }) => resultOf(object, violation, ruleIndex.get(ruleId(violation)))),
    columnKind: "utf16CodeUnits",
  };
  return { $schema: SARIF_SCHEMA, version: "2.1.0", runs: [run] };
}

const ruleId = ({ policy, policyNamespace }: Violation): string => (policyNamespace === "" ? policy : `${policyNamespace}/${policy}`);

const ruleOf = (violation: Violation): unknown => ({
  id: ruleId(violation),
  shortDescription: { text: `${violation.policyKind} ${ruleId(violation)}` },
  properties: { tags: [violation.category, violation.severity].filter((tag) => tag !== undefined) },
});

const resultOf = ({ document, name }: CheckedObject, violation: Violation, ruleIndex: number | undefined): unknown => ({
  ruleId: ruleId(violation),
  ruleIndex,
  level: LEVELS[violation.outcome],
  message: { text: `${name}: ${violation.message}` },
  locations: [
    {
      physicalLocation: { artifactLocation: { uri: uriOf(document.file) }, region: { startLine: document.line } },
      logicalLocations: [{ fullyQualifiedName: name, kind: "object" }],
    },
  ],
});

export const notificationOf = ({ code, severity, message, file, line, column }: Diagnostic): unknown => ({
  level: severity,
  descriptor: { id: code },
  message: { text: message },
  locations: [{ physicalLocation: { artifactLocation: { uri: uriOf(file) }, region: { startLine: line, startColumn: column } } }],
});

/** Relative paths stay relative: they are then found from the root of the repository. */
export const uriOf = (file: string): string =>
  isAbsolute(file) ? pathToFileURL(file).href : file.split(sep).map(encodeURIComponent).join("/");
