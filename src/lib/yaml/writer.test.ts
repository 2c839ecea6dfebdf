import fc from "fast-check";
import { expect, test } from "vitest";
import { parseDocument } from "yaml";
import type { JsonValue } from "../json.ts";
import { readYaml } from "./reader.ts";
import { encodeYaml, encodeYamlDocuments } from "./writer.ts";

const firstValue = (text: string): JsonValue | undefined => readYaml(text).documents[0]?.value;

test("writes manifests as people do", () => {
  const manifest = { kind: "A", metadata: { name: "x y", labels: {} }, list: [{ a: 1, b: [true, null] }, "2", "no"], text: "one\n\ntwo\n" };
  expect(encodeYaml(manifest)).toBe(`kind: A
metadata:
  name: x y
  labels: {}
list:
- a: 1
  b:
  - true
  - null
- "2"
- "no"
text: |
  one

  two
`);
});

const json = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.oneof(
      fc.string({ unit: "binary" }).map((text) => text.toWellFormed()),
      fc.constantFrom(
        "yes",
        "~",
        "0x1F",
        "1_000",
        "1e3",
        "- a",
        "a: b",
        "#c",
        "x\ny\n",
        " x\n",
        "x\n\n",
        "=",
        "<<",
        ".inf",
        "a\tb",
        "2026-11-22",
      ),
      fc
        .double({ noNaN: true, noDefaultInfinity: true })
        .filter((number) => !Number.isInteger(number) || Number.isSafeInteger(number))
        .map((number) => (Object.is(number, -0) ? 0 : number)),
      fc.boolean(),
      fc.constant(null),
    ),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(
      fc.string().filter((key) => key !== "__proto__"),
      tie("value"),
      { maxKeys: 4, noNullPrototype: true },
    ),
  ),
})).value;

test("what is written is read as the same value, by us and by another reader", () => {
  fc.assert(
    fc.property(json, (value) => {
      const text = encodeYaml(value);
      expect(firstValue(text)).toEqual(value);
      expect(parseDocument(text).toJS()).toEqual(value);
    }),
    { numRuns: 500 },
  );
});

test("separates documents", () => expect(encodeYamlDocuments([{ a: 1 }, { b: 2 }])).toBe("a: 1\n---\nb: 2\n"));
