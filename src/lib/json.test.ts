import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeJson } from "./json.ts";

describe("encodeJson", () => {
  test("agrees with JSON.stringify on JSON", () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => encodeJson(value as never) === JSON.stringify(value)));
  });

  test("writes a bigint at any depth as the integer that it is", () => {
    const text = encodeJson({ a: [1, { b: 9223372036854775807n }], c: "x", d: null });
    expect(text).toBe('{"a":[1,{"b":9223372036854775807}],"c":"x","d":null}');
  });
});
