import { expect, test } from "vitest";
import { LineIndex } from "./line-index.ts";

test("each offset has the line and column that an editor shows, whatever ends the lines", () => {
  const text = "ab\n\r\nc\rd";
  const index = new LineIndex(text);
  const places = [...text, ""].map((_, offset) => index.locate(offset)).map(({ line, column }) => `${line}:${column}`);
  expect(places).toEqual(["1:1", "1:2", "1:3", "2:1", "2:1", "3:1", "3:2", "4:1", "4:2"]);
  expect(index.locate(0).sourceLine).toBe("ab");
  expect(index.locate(3).sourceLine).toBe("");
  expect(index.locate(99)).toEqual({ line: 4, column: 2, sourceLine: "d" });
});
