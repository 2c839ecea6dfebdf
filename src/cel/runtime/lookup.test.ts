import { describe, expect, test } from "vitest";
import { CelDouble, CelError, CelMap, CelOptional, CelTimestamp, CelUint, type CelValue, NONE } from "../value.ts";
import { isPresent, lookUp, lookUpOptional } from "./lookup.ts";

const object: CelValue = JSON.parse('{"a": null, "list": [10, 20], "__proto__": {"polluted": true}}');
const codeOf = (value: CelValue): CelValue => (value instanceof CelError ? value.code : value);

describe("lookUp", () => {
  test.each<readonly [container: CelValue, key: CelValue, found: CelValue]>([
    [object, "a", null],
    [object, "b", "CEL_NO_SUCH_KEY"],
    [object, "toString", "CEL_NO_SUCH_KEY"],
    [{}, "__proto__", "CEL_NO_SUCH_KEY"],
    [{}, "constructor", "CEL_NO_SUCH_KEY"],
    [[10, 20], 1, 20],
    [[10, 20], new CelUint(1n), 20],
    [[10, 20], new CelDouble(1), 20],
    [[10, 20], 2, "CEL_INDEX_OUT_OF_BOUNDS"],
    [[10, 20], -1, "CEL_INDEX_OUT_OF_BOUNDS"],
    [[10, 20], 2n ** 60n, "CEL_INDEX_OUT_OF_BOUNDS"],
    [[10, 20], 0.5, "CEL_NO_SUCH_OVERLOAD"],
    [[10, 20], "length", "CEL_NO_SUCH_OVERLOAD"],
    [new CelMap(new Map([[1, [1, "one"]]])), 1, "one"],
    [null, "a", "CEL_NO_SUCH_FIELD"],
    ["text", "length", "CEL_NO_SUCH_FIELD"],
    ["text", 0, "CEL_NO_SUCH_FIELD"],
    [new CelTimestamp(1, 2), "seconds", "CEL_NO_SUCH_FIELD"],
    [new CelError("CEL_OVERFLOW", ""), "a", "CEL_OVERFLOW"],
  ])("%o at %o is %o", (container, key, found) => {
    expect(codeOf(lookUp(container, key, true))).toEqual(found);
  });

  test("an own __proto__ key is an entry like any other", () => {
    expect(lookUp(object, "__proto__", true)).toEqual({ polluted: true });
  });

  test("an optional container gives optional entries", () => {
    expect(lookUp(new CelOptional(true, object), "a", true)).toEqual(new CelOptional(true, null));
    expect(lookUp(new CelOptional(true, object), "b", true)).toBe(NONE);
    expect(lookUp(NONE, "a", true)).toBe(NONE);
  });
});

describe("presence", () => {
  test.each<readonly [container: CelValue, strict: CelValue, lenient: CelValue]>([
    [{ f: null }, true, true],
    [{}, false, false],
    [{ f: undefined } as never, false, false],
    [NONE, false, false],
    [new CelOptional(true, { f: 1 }), true, true],
    [null, "CEL_NO_SUCH_FIELD", false],
    [3, "CEL_NO_SUCH_FIELD", false],
    [[], "CEL_NO_SUCH_OVERLOAD", "CEL_NO_SUCH_OVERLOAD"],
  ])("of f in %o is %o, %o when lenient", (container, strict, lenient) => {
    expect(codeOf(isPresent(container, "f", true))).toBe(strict);
    expect(codeOf(isPresent(container, "f", false))).toBe(lenient);
  });

  test("an absent element of a list is none, not an error", () => {
    expect(lookUpOptional([1], 5, true)).toBe(NONE);
  });
});
