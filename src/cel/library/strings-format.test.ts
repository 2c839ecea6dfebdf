import { expect, test } from "vitest";
import { evaluatorOf } from "../../../test/evaluate-expression.ts";
import type { CelValue } from "../value.ts";
import { kubernetesLibraries } from "./catalogue.ts";
import { kubernetesDialect, standardDialect } from "./format-dialect.ts";
import { kubernetesStringsLibrary, stringsLibrary } from "./strings.ts";
import { formatTemplate } from "./strings-format.ts";

const standard = evaluatorOf({ libraries: [stringsLibrary] });
const kubernetes = evaluatorOf({ libraries: [kubernetesStringsLibrary] });

test.each([
  ["'no substitution'.format([])", "no substitution"],
  ["'%% and %%'.format([])", "% and %"],
  ["'%%%s%%'.format(['text'])", "%text%"],
  ["'%s%s'.format(['a', 'b'])", "ab"],
  ["'é%s😀'.format(['x'])", "éx😀"],
  ["'%b %b %b'.format([5, -5, true])", "101 -101 1"],
  ["'%o %o'.format([11, 65535u])", "13 177777"],
  ["'%x %X %x'.format([30, 30, -255])", "1e 1E -ff"],
  ["'%x %X'.format(['Hello', b'\\xff\\x00'])", "48656c6c6f FF00"],
  ["'%s %d'.format([1, 2u])", "1 2"],
  ["'%s'.format([timestamp('2023-02-03T23:31:20Z')])", "2023-02-03T23:31:20Z"],
  ["'%s'.format([duration('1h45m47s')])", "6347s"],
  ["'%s %s'.format([null, type('a')])", "null string"],
  ["'%.0f %.0f %.0f'.format([1.5, 2.5, 3.4999])", "2 2 3"],
  ["'%.3f'.format([-123.4999])", "-123.500"],
  ["'%s'.format([])", "CEL_INDEX_OUT_OF_BOUNDS"],
  ["'%a'.format([1])", "CEL_INVALID_ARGUMENT"],
  ["'%E'.format([1.0])", "CEL_INVALID_ARGUMENT"],
  ["'%'.format([1])", "CEL_INVALID_ARGUMENT"],
  ["'%.'.format([1])", "CEL_INVALID_ARGUMENT"],
  ["'%.f'.format([1.0])", "CEL_INVALID_ARGUMENT"],
  ["'%.101f'.format([1.0])", "CEL_INVALID_ARGUMENT"],
  ["'%d'.format([duration('1s')])", "CEL_INVALID_ARGUMENT"],
  ["'%b'.format(['a'])", "CEL_INVALID_ARGUMENT"],
  ["'%o'.format([null])", "CEL_INVALID_ARGUMENT"],
  ["'%x'.format([0.5])", "CEL_INVALID_ARGUMENT"],
  ["'%e'.format([null])", "CEL_INVALID_ARGUMENT"],
  ["'%f'.format(['1.5'])", "CEL_INVALID_ARGUMENT"],
])("%s is %j in both dialects", (text, expected) => {
  expect(standard(text).result).toBe(expected);
  expect(kubernetes(text).result).toBe(expected);
});

test.each([
  ["'%s'.format([2.71])", "2.71", "2.71"],
  ["'%s'.format([1e7])", "10000000", "1e+07"],
  ["'%s'.format([0.000000002])", "0.000000002", "2e-09"],
  ["'%f'.format([1234567.5])", "1234567.500000", "1,234,567.500000"],
  ["'%.2f'.format([1e21])", "1000000000000000000000.00", "1,000,000,000,000,000,000,000.00"],
  ["'%e'.format([1052.032911275])", "1.052033e+03", "1.052033×10⁰³"],
  ["'%.2e'.format([-0.00012345])", "-1.23e-04", "-1.234500×10⁻⁰⁴"],
  ["'%f'.format([double('NaN')])", "NaN", "NaN"],
  ["'%f'.format([double('-Infinity')])", "-Infinity", "-∞"],
  ["'%e'.format([double('Infinity')])", "Infinity", "     ∞"],
  ["'%s'.format([double('Infinity')])", "Infinity", "+Inf"],
  ["'%d'.format([2.5])", "2.5", "CEL_INVALID_ARGUMENT"],
  ["'%f'.format([2])", "2.000000", "CEL_INVALID_ARGUMENT"],
  ["'%f'.format(['NaN'])", "CEL_INVALID_ARGUMENT", "NaN"],
  ["'%s'.format([b'\\xff'])", "\ufffd", "CEL_INVALID_ARGUMENT"],
  [
    "'%s'.format([['abc', 3.14, null, [9, 8], timestamp('2023-02-03T23:31:20Z'), duration('2h'), double('NaN')]])",
    "[abc, 3.14, null, [9, 8], 2023-02-03T23:31:20Z, 7200s, NaN]",
    '["abc", 3.140000, null, [9, 8], timestamp("2023-02-03T23:31:20Z"), duration("7200s"), "NaN"]',
  ],
  ["'%s'.format([{'b': b'xyz', 'a': true, 'c': {'d': 'e'}}])", "{a: true, b: xyz, c: {d: e}}", '{"a":true, "b":b"xyz", "c":{"d":"e"}}'],
  ["'%s'.format([{'strKey': 'x', 6: 1, true: 42}])", "{6: 1, strKey: x, true: 42}", '{"strKey":"x", 6:1, true:42}'],
  ["'%s'.format([['a\\n\\u200b\\u0001😀é']])", "[a\n\u200b\u0001😀é]", '["a\\n\\u200b\\x01😀é"]'],
])("%s is %j, in Kubernetes %j", (text, expected, expectedInKubernetes) => {
  expect(standard(text).result).toBe(expected);
  expect(kubernetes(text).result).toBe(expectedInKubernetes);
});

test("a value of an extension type has no place in a string", () => {
  const evaluate = evaluatorOf({ libraries: kubernetesLibraries });
  expect(evaluate("'%s'.format([quantity('1Gi')])").result).toBe("CEL_INVALID_ARGUMENT");
  expect(evaluate("'%s'.format([[optional.of(1)]])").result).toBe("CEL_INVALID_ARGUMENT");
});

test.each([standardDialect, kubernetesDialect])("what would be exponentially long is refused", (dialect) => {
  let value: CelValue = "x";
  for (let depth = 0; depth < 60; depth++) value = [value, value];
  expect(formatTemplate("%s", [value], dialect)).toMatchObject({ code: "CEL_COST_LIMIT" });
});
