import { describe, expect, test } from "vitest";
import { DEFAULT_DOCUMENT_LIMITS, diagnose, readDocuments, readValues } from "./document.ts";

const bytes = (...parts: readonly (string | number)[]): Uint8Array =>
  Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : Buffer.of(part))));

describe("reading", () => {
  test("documents keep their order, their line and their number; empty ones are left out", () => {
    const { documents, diagnostics } = readDocuments("# first\na: 1\n---\n# nothing\n---\n\nb: 2\n", "x.yaml");
    expect(diagnostics).toEqual([]);
    expect(documents.map(({ index, line, value }) => ({ index, line, value }))).toEqual([
      { index: 0, line: 2, value: { a: 1 } },
      { index: 1, line: 7, value: { b: 2 } },
    ]);
  });

  test("lists are expanded, their items located", () => {
    const text = "apiVersion: v1\nkind: List\nitems:\n- kind: A\n  name: a\n- kind: B\n  name: b\n---\nkind: C\n";
    const { documents } = readDocuments(text, "x.yaml");
    expect(documents.map(({ index, line, value }) => [index, line, value["kind"]])).toEqual([
      [0, 4, "A"],
      [1, 6, "B"],
      [2, 9, "C"],
    ]);
    expect(documents[1]?.locate(["name"])).toMatchObject({ line: 7, column: 9, length: 1, sourceLine: "  name: b" });
    expect(documents[1]?.locateKey(["name"])).toMatchObject({ line: 7, column: 3, length: 4 });
  });

  test("an object with items that is no Kubernetes list stays whole", () => {
    expect(readDocuments('{"items": [{"a": 1}]}', "x.json").documents).toHaveLength(1);
  });

  test("any value is read where any is asked for", () => {
    const { documents } = readValues("[1, 2]\n---\nnull\n---\ntext\n", "x.yaml");
    expect(documents.map(({ value }) => value)).toEqual([[1, 2], null, "text"]);
  });

  test("a place inside a folded scalar leads a message to the right column", () => {
    const { documents } = readDocuments("a:\n  b: >-\n    first line\n    second line\n", "x.yaml");
    const [document] = documents;
    expect(document?.value).toEqual({ a: { b: "first line second line" } });
    expect(document?.locate(["a", "b"], "first line se".length)).toEqual({ line: 4, column: 7, length: 1, sourceLine: "    second line" });
  });

  test("a byte order mark does not shift the columns", () => {
    const [document] = readDocuments(bytes(0xef, 0xbb, 0xbf, "a: 1\n"), "x.yaml").documents;
    expect(document?.locate(["a"])).toMatchObject({ line: 1, column: 4 });
  });
});

describe("refusals", () => {
  const refused = (text: string | Uint8Array, limits = DEFAULT_DOCUMENT_LIMITS) => readDocuments(text, "x.yaml", limits).diagnostics;

  test.each([
    ["- a\n", "RESOURCE_NOT_AN_OBJECT", 1],
    ["a: 1\n---\ntext\n", "RESOURCE_NOT_AN_OBJECT", 3],
    ["apiVersion: v1\nkind: List\nitems:\n- a: 1\n- text\n", "RESOURCE_NOT_AN_OBJECT", 5],
    ["a: 1\nb: 2\na: 3\n", "YAML_DUPLICATE_KEY", 3],
  ])("%j", (text, code, line) => {
    expect(refused(text)).toMatchObject([{ code, line, severity: "error", file: "x.yaml" }]);
  });

  test("invalid UTF-8 is placed, even behind genuine replacement characters", () => {
    expect(refused(bytes("a: \uFFFD\nb: \uFFFD x", 0xff, "\n"))).toMatchObject([{ code: "RESOURCE_ENCODING", line: 2, column: 7 }]);
    expect(refused(bytes(0xff, 0xfe, "a", 0))).toMatchObject([{ code: "RESOURCE_ENCODING", hint: "the file is UTF-16: save it as UTF-8" }]);
  });

  test("a file beyond the limit is refused unread", () => {
    const limits = { ...DEFAULT_DOCUMENT_LIMITS, fileBytes: 10 };
    expect(refused("a: 1", limits)).toEqual([]);
    expect(refused("a: aaaaaaaaaaaa", limits)).toMatchObject([{ code: "RESOURCE_TOO_LARGE" }]);
    expect(refused(bytes("a: ééééé"), limits)).toMatchObject([{ code: "RESOURCE_TOO_LARGE" }]);
  });

  test("items of lists count as documents", () => {
    const limits = { ...DEFAULT_DOCUMENT_LIMITS, documents: 2 };
    const text = "{apiVersion: v1, kind: PodList, items: [{}, {}, {}]}";
    expect(refused(text, limits)).toMatchObject([{ code: "RESOURCE_TOO_MANY" }]);
  });

  test("a manifest of 10 MB is read", () => {
    const data = Array.from({ length: 100_000 }, (_, i) => `  key-${i}: ${"x".repeat(90)}`).join("\n");
    const { documents, diagnostics } = readDocuments(`kind: ConfigMap\ndata:\n${data}\n`, "big.yaml");
    expect(diagnostics).toEqual([]);
    expect(documents[0]?.locate(["data", "key-99999"]).line).toBe(100_002);
  });
});

test("a diagnostic carries the place, at the value or at the key", () => {
  const [document] = readDocuments("a:\n  bcd: [1]\n", "x.yaml").documents;
  if (document === undefined) throw new Error("no document");
  const about = { code: "RESOURCE_NOT_AN_OBJECT", message: "m" };
  expect(diagnose(document, ["a", "bcd"], about)).toEqual({
    ...about,
    severity: "error",
    file: "x.yaml",
    line: 2,
    column: 8,
    length: 3,
    sourceLine: "  bcd: [1]",
  });
  expect(diagnose(document, ["a", "bcd"], { ...about, atKey: true, hint: "h", severity: "warning" })).toMatchObject({
    column: 3,
    length: 3,
    hint: "h",
    severity: "warning",
  });
});
