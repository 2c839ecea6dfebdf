import { expect, test } from "vitest";
import { evaluatorOf } from "../../../../test/evaluate-expression.ts";
import type { CelValue } from "../../value.ts";
import { quantityLibrary } from "../kubernetes/quantity.ts";
import { jsonLibrary } from "./json.ts";
import { encodeAsGo } from "./json-text.ts";

const evaluate = evaluatorOf({ libraries: [jsonLibrary, quantityLibrary] });

test.each([
  [`json.unmarshal('{"a": [1, 2.5, null, true, "x"]}').a[1]`, 2.5],
  [`json.unmarshal('"text"')`, "text"],
  [`json.unmarshal('{"a"')`, "CEL_INVALID_ARGUMENT"],
  [`json.unmarshal('{"__proto__": {"a": 1}}')`, "CEL_INVALID_ARGUMENT"],
  [String.raw`json.unmarshal('[{"\\u005f_proto__": 1}]')`, "CEL_INVALID_ARGUMENT"],
  [String.raw`json.unmarshal('{"a": "\\u0041"}').a`, "A"],
  [`json.unmarshal('{"a": 1, "a": 2}')`, "CEL_INVALID_ARGUMENT"],
  [`json.unmarshal('${"[".repeat(300)}${"]".repeat(300)}')`, "CEL_INVALID_ARGUMENT"],
  ["json.marshal({'b': [1, 2.5, 3u, null], 'a': {'x': '<&>'}})", String.raw`{"a":{"x":"\u003c\u0026\u003e"},"b":[1,2.5,3,null]}`],
  ["json.marshal('é😀')", '"é😀"'],
  ["json.marshal(b'hello')", '"aGVsbG8="'],
  ["json.marshal(timestamp('2020-01-02T03:04:05Z'))", '"2020-01-02T03:04:05Z"'],
  ["json.marshal(duration('90s'))", '"90s"'],
  ["json.marshal(9223372036854775807)", "9223372036854775807"],
  ["json.marshal([1.0, quantity('1024Mi')])", '[1,"1Gi"]'],
  ["json.marshal(0.0 / 0.0)", "CEL_INVALID_ARGUMENT"],
  ["json.marshal({1: 'a'})", "CEL_INVALID_ARGUMENT"],
  ["json.marshal([type(1)])", "CEL_INVALID_ARGUMENT"],
  ["json.unmarshal(json.marshal({'a': [1, 'b']})) == {'a': [1, 'b']}", true],
])("%s is %s", (text, expected) => expect(evaluate(text).result).toEqual(expected));

test("what would be exponentially long is not written", () => {
  let value: CelValue = 1;
  for (let depth = 0; depth < 60; depth++) value = [value, value];
  expect(encodeAsGo(value)).toMatchObject({ code: "CEL_COST_LIMIT" });
});
