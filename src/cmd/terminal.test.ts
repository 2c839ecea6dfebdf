import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { alignColumns, cutToWidth, wrapColumns } from "./table.ts";
import { safeJson, withoutControls } from "./terminal.ts";

describe("withoutControls", () => {
  test.each([
    ["plain text", "plain text"],
    ["two\nlines\tand a tab", "two\nlines\tand a tab"],
    ["\u001b[31mred\u001b[39m", "\u001b[31mred\u001b[39m"],
    ["title\u001b]0;owned\u0007", "title\\u001b]0;owned\\u0007"],
    ["up\u001b[1A", "up\\u001b[1A"],
    ["hidden\u001b[8m", "hidden\\u001b[8m"],
    ["back\rfront", "back\\u000dfront"],
    ["right\u202eleft", "right\\u202eleft"],
  ])("%j is shown as %j", (text, shown) => expect(withoutControls(text)).toBe(shown));

  test("leaves no escape but colours in any text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
        expect(withoutControls(text).replaceAll(/\u001b\[\d+m/g, "")).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
      }),
    );
  });
});

test("safeJson is JSON of the same value, without control characters", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = safeJson(value, 0);
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
      expect(withoutControls(text)).toBe(text);
    }),
  );
});

describe("tables", () => {
  test("align their columns and leave nothing behind the last", () => {
    const rows = [
      ["a", "long", "x"],
      ["\u001b[31mbcd\u001b[39m", "é", ""],
    ];
    expect(alignColumns(rows, Number.POSITIVE_INFINITY)).toEqual(["a    long  x", "\u001b[31mbcd\u001b[39m  é"]);
  });
  test("never exceed the width", () => expect(alignColumns([["name", "a very long summary"]], 12)).toEqual(["name  a ver…"]));
  test("let the columns give way that may, in their order", () => {
    const rows = [["12:00", "a long message", "a policy", "id-1"]];
    const flexible = [
      { column: 1, min: 8 },
      { column: 2, min: 4 },
    ];
    expect(alignColumns(rows, 80, flexible)).toEqual(["12:00  a long message  a policy  id-1"]);
    expect(alignColumns(rows, 34, flexible)).toEqual(["12:00  a long mes…  a policy  id-1"]);
    expect(alignColumns(rows, 28, flexible)).toEqual(["12:00  a long …  a po…  id-1"]);
    expect(alignColumns(rows, 20, flexible)).toEqual(["12:00  a long …  a …"]);
  });
  test("go on below themselves where they hold sentences", () => {
    const rows = [
      ["DENY", "privileged containers are not allowed here"],
      ["\u001b[33mWARN\u001b[39m", "short"],
    ];
    expect(wrapColumns(rows, 36)).toEqual(["DENY  privileged containers are not", "      allowed here", "\u001b[33mWARN\u001b[39m  short"]);
    expect(wrapColumns(rows, Number.POSITIVE_INFINITY)[0]).toBe("DENY  privileged containers are not allowed here");
  });
  test("cut by code points", () => expect(cutToWidth("😀😀😀😀", 3)).toBe("😀😀…"));
});
