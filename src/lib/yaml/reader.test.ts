import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseDocument, stringify } from "yaml";
import { encodeJson, type JsonValue } from "../json.ts";
import type { YamlErrorCode } from "./cursor.ts";
import { DEFAULT_YAML_LIMITS, readYaml, YamlPositions } from "./reader.ts";

const read = (text: string): readonly JsonValue[] => {
  const { documents, errors } = readYaml(text);
  expect(errors).toEqual([]);
  return documents.map(({ value }) => value);
};
const load = <T>(name: string): readonly T[] => JSON.parse(readFileSync(`test/data/yaml/${name}`, "utf8")) as T[];
const asJson = (value: JsonValue): unknown => JSON.parse(encodeJson(value));

describe("the YAML test suite", () => {
  /** Valid YAML 1.2 that Kubernetes reads in another way, because its YAML is 1.1 or its values are JSON. */
  const READ_AS_KUBERNETES: Readonly<Record<string, string>> = {
    "565N": "!!binary is decoded",
    C4HZ: "a float without a fraction is written as an integer",
    "JEF9/2": "blanks without a line break at the end of the text are no line",
    "L24T/1": "blanks without a line break at the end of the text are no line",
    P76L: "%TAG does not redefine !!",
    // Keys that no JSON object has.
    "2JQS": "null key",
    "6M2F": "null key",
  };
  /** Invalid YAML that has one obvious meaning; most of it Kubernetes accepts as well. */
  const ACCEPTED = new Set("4JVG 9MMA B63P DK4H H7TQ SF5V SU74 VJP3/0 ZXT5 9C9N DK95/1 HRE5 MUS6/0 QB6E QLJ7 Y79Y/3 G5U8 YJV2".split(" "));
  const cases = load<{ id: string; name: string; yaml: string; json?: readonly JsonValue[]; invalid?: true }>("yaml-test-suite.json");
  const valid = cases.filter(({ id, invalid }) => invalid !== true && !(id in READ_AS_KUBERNETES));
  const invalid = cases.filter(({ id, invalid }) => invalid === true && !ACCEPTED.has(id));

  test.each(valid)("$id reads: $name", ({ yaml, json = [] }) => {
    const isContent = (value: unknown): boolean => value !== null;
    expect(read(yaml).map(asJson).filter(isContent)).toEqual(json.filter(isContent));
  });

  test.each(invalid)("$id is refused: $name", ({ yaml }) => {
    expect(readYaml(yaml).errors).not.toEqual([]);
  });
});

describe("reading as Kubernetes", () => {
  const STRICTER = new Set([
    // Kubernetes lets a key that merges overwrite, and a number shadow its text, by the order of a Go map.
    "1: a\n'1': b",
  ]);
  const LAXER = new Set(["a: &x {b: 1}\nc:\n  <<: [*x, {b: 2, e: 3}]"]);
  const cases = load<{ yaml: string; json?: JsonValue; refused?: true }>("kubernetes-reading.json");

  test.each(cases)("$yaml", ({ yaml, json, refused }) => {
    const { documents, errors } = readYaml(yaml);
    expect(errors.length > 0).toBe(LAXER.has(yaml) ? false : STRICTER.has(yaml) || refused === true);
    if (errors.length === 0 && refused !== true) expect(asJson(documents[0]?.value ?? null)).toEqual(json);
  });

  test("integers of int64 stay exact, larger ones become floats", () => {
    const [value] = read("[9007199254740991, 9007199254740993, -9223372036854775808, 18446744073709551615]");
    expect(value).toEqual([9007199254740991, 9007199254740993n, -9223372036854775808n, 18446744073709552000]);
  });

  test("a key that is written out wins over one that `<<` merged before it, and earlier mappings of a list win", () => {
    const text = "base: &a {p: 1, q: 1}\nother: &b {p: 2, r: 2}\nresult:\n  <<: [*a, *b]\n  q: 3\n";
    expect(read(text)[0]).toMatchObject({ result: { p: 1, q: 3, r: 2 } });
  });

  test("JSON objects may follow each other without a separator", () => {
    expect(read('{"a": 1}\n{"b": 2}{"c": 3}')).toEqual([{ a: 1 }, { b: 2 }, { c: 3 }]);
  });

  test("a byte order mark and carriage returns are no content", () => {
    expect(read("\uFEFFa: 1\r\nb: |\r\n  x\r\n  y\r\n")).toEqual([{ a: 1, b: "x\ny\n" }]);
  });
});

describe("refusals", () => {
  const cases: readonly (readonly [name: string, text: string, code: YamlErrorCode, at: string])[] = [
    ["a duplicate key", "a: 1\nb: 2\na: 3\n", "YAML_DUPLICATE_KEY", "a: 3"],
    ["a duplicate key in JSON", '{"a": 1, "b": {"c": 1, "c": 2}}', "YAML_DUPLICATE_KEY", '"c": 2'],
    ["a key before the `<<` that merges it", "x: &x {a: 1}\ny:\n  a: 2\n  <<: *x\n", "YAML_DUPLICATE_KEY", "<<"],
    ["__proto__ as a key", "a:\n  __proto__: 1\n", "YAML_KEY", "__proto__"],
    ["__proto__ as an escaped key", '{"\\u005f_proto__": 1}', "YAML_KEY", '"\\u005f'],
    ["a mapping as a key", "{a: 1}: 2", "YAML_KEY", "{a"],
    ["a tab as indentation", "a:\n\tb: 1\n", "YAML_TAB", "\tb"],
    ["a tab as indentation of a list", "a:\n\t- 1\n", "YAML_TAB", "\t-"],
    ["a key too deep", "a: 1\n  b: 2\n", "YAML_SYNTAX", ":"],
    ["a key between two levels", "a:\n    b: 1\n  c: 2\n", "YAML_INDENTATION", "c: 2"],
    ["a list item too deep", "- a\n  - b: 1\n - c\n", "YAML_SYNTAX", ": 1"],
    ["an unclosed quote", 'a: "b\nc: d\n', "YAML_SYNTAX", '"b'],
    ["an unclosed list", "a: [1, 2\nb: 3", "YAML_SYNTAX", "[1"],
    ["an unknown alias", "a: *b\n", "YAML_ALIAS", "*b"],
    ["an alias to itself", "a: &a [1, *a]\n", "YAML_ALIAS", "*a"],
    ["a number that JSON cannot hold", "a: .inf\n", "YAML_VALUE", ".inf"],
    ["a control character", "a: \x07\n", "YAML_CHARACTER", "\x07"],
    ["a template", "a: {{ .Values.a }}\n", "YAML_KEY", "{ .Values"],
    ["text after a document", "a: 1\n... b\n", "YAML_SYNTAX", "b"],
    ["nesting beyond the limit", "[".repeat(251), "YAML_DEPTH", ""],
    ["nesting of blocks beyond the limit", "- ".repeat(251), "YAML_DEPTH", ""],
  ];
  test.each(cases)("%s", (_, text, code, at) => {
    const [error] = readYaml(text).errors;
    expect(error?.code).toBe(code);
    expect(text.slice(error?.offset).startsWith(at)).toBe(true);
  });

  test("a template that was not rendered gets a hint", () => {
    expect(readYaml("a:\n  {{- toYaml . }}\n").errors[0]?.hint).toContain("helm template");
  });

  test("a bomb of aliases is refused before it costs anything", () => {
    const levels = Array.from({ length: 40 }, (_, i) => `l${i + 1}: &l${i + 1} [*l${i}, *l${i}, *l${i}]`);
    const { errors } = readYaml(`l0: &l0 [x]\n${levels.join("\n")}\n`);
    expect(errors[0]?.code).toBe("YAML_ALIAS");
  });

  test("nesting through aliases counts as nesting", () => {
    const levels = Array.from({ length: 300 }, (_, i) => `l${i + 1}: &l${i + 1} [*l${i}]`);
    const { errors } = readYaml(`l0: &l0 [x]\n${levels.join("\n")}\n`);
    expect(errors[0]?.code).toBe("YAML_DEPTH");
  });

  test("the other documents of a text are still read", () => {
    const { documents, errors } = readYaml("a: 1\n---\nb: [\n---\nc: 3\n---\nd: *x\n");
    expect(documents.map(({ value }) => value)).toEqual([{ a: 1 }, { c: 3 }]);
    expect(errors.map(({ code }) => code)).toEqual(["YAML_SYNTAX", "YAML_ALIAS"]);
  });

  test("too many documents end the reading", () => {
    const { documents, errors } = readYaml("1\n---\n2\n---\n3\n---\n4", { ...DEFAULT_YAML_LIMITS, documents: 2 });
    expect(documents).toHaveLength(2);
    expect(errors.map(({ code }) => code)).toEqual(["YAML_TOO_MANY"]);
  });
});

const json = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    fc.constantFrom<JsonValue>(
      null,
      true,
      false,
      "",
      "yes",
      "no",
      "~",
      "null",
      "1",
      "017",
      "1e3",
      "- a",
      "a: b",
      "#",
      "<<",
      "a #b",
      "| x",
      "é\n",
      " x ",
    ),
    fc.integer(),
    fc.double({ noDefaultInfinity: true, noNaN: true }).map((value) => (value === 0 ? 0 : value)),
    fc.string({ unit: "grapheme" }),
    fc.stringMatching(/^[ a-z:#\n-]*$/),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(
      fc.oneof(fc.constantFrom("a", "b-c", "x/y", "y", "1.0", "<<", "a b"), fc.string()).filter((key) => key !== "__proto__"),
      tie("value"),
      { maxKeys: 4 },
    ),
  ),
})).value;

describe("properties", () => {
  test("what JSON.stringify writes reads back, indented or not", () => {
    fc.assert(
      fc.property(json, fc.constantFrom(0, 2, "\t"), (value, indent) => {
        expect(read(JSON.stringify({ value }, null, indent)).map(asJson)).toEqual([{ value }]);
      }),
    );
  });

  test("what the yaml package writes as YAML 1.1 reads back", () => {
    const options = fc.record({
      version: fc.constant("1.1" as const),
      indentSeq: fc.boolean(),
      indent: fc.integer({ min: 1, max: 5 }),
      lineWidth: fc.constantFrom(0, 20, 80),
      minContentWidth: fc.constant(0),
      blockQuote: fc.constantFrom<boolean | "literal" | "folded">(true, false, "literal", "folded"),
      defaultStringType: fc.constantFrom<"PLAIN" | "QUOTE_DOUBLE" | "QUOTE_SINGLE" | "BLOCK_LITERAL" | "BLOCK_FOLDED">(
        "PLAIN",
        "QUOTE_DOUBLE",
        "QUOTE_SINGLE",
        "BLOCK_LITERAL",
        "BLOCK_FOLDED",
      ),
      collectionStyle: fc.constantFrom<"any" | "flow" | "block">("any", "flow", "block"),
    });
    fc.assert(
      fc.property(json, options, (value, written) => {
        const text = stringify({ value }, { ...written, aliasDuplicateObjects: false });
        // The package does not quote `<<`, which then is a merge key, and writes some texts that it cannot read itself.
        const own = parseDocument(text);
        fc.pre(!text.includes("<<") && text.isWellFormed() && own.errors.length === 0 && isDeepStrictEqual(own.toJS(), { value }));
        expect(read(text).map(asJson)).toEqual([{ value }]);
      }),
    );
  });

  test("no text makes the reader throw, and an error points into the text", () => {
    const piece = fc.constantFrom(
      ..."\n|  |- |a|: |:|#|'|\"|[|]|{|}|,|&a |*a|!x |!!int |\t|>|?|\\|---\n|...|%|<<: |0x|.5|~|é".split("|"),
      "|",
      "\r\n",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        const text = pieces.join("");
        for (const { offset, length } of readYaml(text).errors) {
          expect(offset).toBeLessThanOrEqual(text.length);
          expect(length).toBeGreaterThan(0);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe("positions", () => {
  const styles = [
    ["plain", "a:\n  - x: {0}\n", "one two"],
    ["plain over lines", "a:\n  - x: one\n      two\n\n      three\n", "one two\nthree"],
    ["double quotes", 'a: [{"x": "one\\ttwo\\u0041 \\\n   three\n  four"}]\n', "one\ttwoA three four"],
    ["single quotes", "a:\n- x: 'it''s one\n\n    two'\n", "it's one\ntwo"],
    ["literal", "a:\n  - x: |\n      one\n        two\n\n      three\n", "one\n  two\n\nthree\n"],
    ["folded", "a:\n  - x: >-\n      one\n      two\n\n      three\n        four\n", "one two\nthree\n  four"],
  ] as const;

  test.each(styles)("each letter of a scalar is found where it is written: %s", (_, template, expected) => {
    const text = template.replace("{0}", expected);
    const [document] = readYaml(text).documents;
    if (document === undefined) throw new Error("no document");
    expect(document.value).toEqual({ a: [{ x: expected }] });
    const positions = new YamlPositions(text, document);
    for (const [offset, letter] of [...expected].entries()) {
      if (/[a-z]/.test(letter)) expect(text[positions.offsetOf(["a", 0, "x"], offset)]).toBe(letter);
    }
  });

  test("a document that is indented as a whole is read the same the second time", () => {
    const text = "# c\n  - a: 1\n    b: {c: x}\n  -\n    d: 2\n";
    const [document] = readYaml(text).documents;
    if (document === undefined) throw new Error("no document");
    expect(new YamlPositions(text, document).spanOf([0, "b", "c"]).start).toBe(text.indexOf("x"));
  });

  test("keys, items, empty values and values behind aliases have a place", () => {
    const text = "# c\na: &x\n  k: v\nb:\nc:\n- *x\n- p: q\n---\nz: 1\n";
    const [first, second] = readYaml(text).documents;
    if (first === undefined || second === undefined) throw new Error("no document");
    const positions = new YamlPositions(text, first);
    const slice = (path: readonly (string | number)[]): string => {
      const { keyStart, keyEnd, start, end } = positions.spanOf(path);
      return `${text.slice(keyStart, keyEnd)}|${text.slice(start, end)}`;
    };
    expect(slice(["a"])).toBe("a|k: v");
    expect(slice(["a", "k"])).toBe("k|v");
    expect(slice(["b"])).toBe("b|");
    expect(slice(["c", 0])).toBe("*x|*x");
    expect(slice(["c", 0, "k"])).toBe("k|v");
    expect(slice(["c", 1, "p"])).toBe("p|q");
    expect(slice(["c", 1, "nothing", "here"])).toBe("p: q|p: q");
    expect(new YamlPositions(text, second).spanOf(["z"]).start).toBe(text.indexOf("1"));
  });
});
