import { describe, expect, test } from "vitest";
import { readDocuments } from "./document.ts";
import { parseRuntimePolicy, RUNTIME_ACTIONS, RUNTIME_SEVERITIES } from "./runtime-policy.ts";
import { RUNTIME_POLICY_SCHEMA } from "./runtime-policy-schema.ts";

function parse(spec: string, apiVersion = "vigil.dev/v1alpha1") {
  const text = `apiVersion: ${apiVersion}\nkind: RuntimePolicy\nmetadata: {name: p}\nspec: ${spec}\n`;
  const [document] = readDocuments(text, "p.yaml").documents;
  if (document === undefined) throw new Error("no document");
  return parseRuntimePolicy(document);
}

describe("a RuntimePolicy", () => {
  test("is short when what is usual is left out", () => {
    expect(parse("{match: {events: [process.exec]}}")).toMatchObject({
      kind: "runtime",
      resource: {
        severity: "Medium",
        action: "Alert",
        confidence: 80,
        deduplicate: { withinMs: 60_000 },
        threshold: undefined,
        conditions: [],
      },
    });
  });

  test.each([
    ["{match: {events: []}}", "at least one item"],
    ["{match: {events: [process.exek]}}", "got `process.exek`"],
    ["{match: {events: [file.read], paths: [etc]}}", "an absolute path"],
    ["{match: {events: [file.read]}, action: Refuse}", "only `process.exec`"],
    ["{match: {events: [file.read]}, techniques: [X1]}", "a technique of MITRE ATT&CK"],
    ["{match: {events: [file.read]}, threshold: {count: 1, within: 1s}}", "from 2"],
    ["{match: {events: [file.read]}, exceptions: [{name: a, expression: 'true'}]}", "missing field `spec.exceptions[0].reason`"],
    ["{}", "missing field `spec.match`"],
  ])("%s is refused with its place", (spec, message) => {
    const parsed = parse(spec);
    expect(parsed.kind).toBe("refused");
    if (parsed.kind !== "refused") return;
    expect(parsed.diagnostics.map((problem) => problem.message).join()).toContain(message);
    expect(parsed.diagnostics[0]).toMatchObject({ file: "p.yaml", line: 4 });
  });

  test("of another version is refused, of another group left to others", () => {
    expect(parse("{}", "vigil.dev/v9")).toMatchObject({ kind: "refused", diagnostics: [{ code: "RESOURCE_UNSUPPORTED_VERSION" }] });
    expect(parse("{}", "example.org/v1")).toEqual({ kind: "other" });
  });
});

test("the schema that is shown names the severities and actions that are read", () => {
  const enumOf = (field: string): unknown => RUNTIME_POLICY_SCHEMA.properties?.get(field)?.enum;
  expect(enumOf("severity")).toEqual(RUNTIME_SEVERITIES);
  expect(enumOf("action")).toEqual(RUNTIME_ACTIONS);
});
