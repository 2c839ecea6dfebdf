/** A check as JUnit's XML, which build servers show: a suite for each file, a case for each object. */
import type { Diagnostic } from "../../lib/diagnostic.ts";
import { type CheckedObject, type Report, violationsOf } from "./report.ts";

export function junitReport(report: Report): string {
  const files = [...new Set([...report.objects.map(({ document }) => document.file), ...report.diagnostics.map(({ file }) => file)])];
  const suites = files.map((file) =>
    suiteOf(
      file,
      report.objects.filter(({ document }) => document.file === file),
      report.diagnostics.filter((diagnostic) => diagnostic.file === file && diagnostic.severity === "error"),
    ),
  );
  const failures = report.objects.filter(({ decision }) => !decision.allowed).length;
  const errors = report.diagnostics.filter(({ severity }) => severity === "error").length;
  const counts = { tests: report.objects.length + errors, failures, errors, time: (report.durationMs / 1_000).toFixed(3) };
  return `<?xml version="1.0" encoding="UTF-8"?>\n${element("testsuites", { name: "vigil check", ...counts }, suites)}`;
}

function suiteOf(file: string, objects: readonly CheckedObject[], diagnostics: readonly Diagnostic[]): string {
  const cases = [...objects.map((object) => caseOf(object, file)), ...diagnostics.map((diagnostic) => errorOf(diagnostic, file))];
  const failures = objects.filter(({ decision }) => !decision.allowed).length;
  return element("testsuite", { name: file, tests: cases.length, failures, errors: diagnostics.length }, cases);
}

function caseOf(object: CheckedObject, file: string): string {
  const violations = violationsOf(object);
  const denials = violations.filter(({ outcome }) => outcome === "deny");
  const others = violations.filter(({ outcome }) => outcome !== "deny");
  return element("testcase", { classname: file, name: object.name, line: object.document.line }, [
    ...denials.map(({ policy, message }) => element("failure", { type: policy, message }, [])),
    ...(others.length === 0
      ? []
      : [
          `<system-out>${escapeXml(others.map(({ outcome, policy, message }) => `${outcome} ${policy}: ${message}`).join("\n"))}</system-out>`,
        ]),
  ]);
}

const errorOf = ({ code, message, line, column }: Diagnostic, file: string): string =>
  element("testcase", { classname: file, name: `${line}:${column}` }, [element("error", { type: code, message }, [])]);

function element(name: string, attributes: { readonly [name: string]: string | number }, children: readonly string[]): string {
  const open = [name, ...Object.entries(attributes).map(([key, value]) => `${key}="${escapeXml(String(value))}"`)].join(" ");
  return children.length === 0 ? `<${open}/>` : `<${open}>\n${children.join("\n")}\n</${name}>`;
}

const ENTITIES: { readonly [character: string]: string } = {
  "<": "&lt;",
  ">": "&gt;",
  "&": "&amp;",
  '"': "&quot;",
  "\n": "&#10;",
  "\t": "&#9;",
};

/** UNTRUSTED text. What XML 1.0 cannot hold at all becomes a replacement character. */
const escapeXml = (text: string): string =>
  text
    .toWellFormed()
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what XML cannot hold
    .replaceAll(/[\u0000-\u0008\u000b-\u001f\ufffe\uffff]/g, "\ufffd")
    .replaceAll(/[<>&"\n\t]/g, (character) => ENTITIES[character] ?? character);
