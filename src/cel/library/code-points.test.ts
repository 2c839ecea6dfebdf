import fc from "fast-check";
import { expect, test } from "vitest";
import { codePointCount, codePointIndex, hasSurrogates, unitIndex, utf8Length } from "./code-points.ts";

const text = fc.string({ unit: "grapheme" });

test("code points are counted as a string's iterator gives them", () => {
  fc.assert(
    fc.property(text, (value) => {
      expect(codePointCount(value)).toBe([...value].length);
    }),
  );
});

test("indexes of units and of code points are each other's inverse", () => {
  fc.assert(
    fc.property(text, fc.nat(20), (value, index) => {
      const unit = unitIndex(value, index);
      expect(value.slice(0, unit)).toBe([...value].slice(0, index).join(""));
      expect(codePointIndex(value, unit)).toBe(Math.min(index, codePointCount(value)));
    }),
  );
});

test("bytes are counted as the encoder makes them", () => {
  fc.assert(
    fc.property(text, (value) => {
      expect(utf8Length(value)).toBe(Buffer.byteLength(value));
    }),
  );
});

test("text without surrogates is known for it", () => {
  expect([hasSurrogates("aé\uffff"), hasSurrogates("a😀"), hasSurrogates("")]).toEqual([false, true, false]);
});
