import { expect, test } from "vitest";
import { evaluatorOf } from "../../../../test/evaluate-expression.ts";
import { optionalsLibrary } from "../optionals.ts";
import { formatLibrary } from "./format.ts";
import { namedFormats } from "./named-formats.ts";

const evaluate = evaluatorOf({ libraries: [optionalsLibrary, formatLibrary] });

test.each([
  ["dns1123Label", ["my-label", "1", "a".repeat(63)], ["", "My-label", "a.b", "a_b", "-a", "a-", "a".repeat(64), "a b"]],
  ["dns1123Subdomain", ["example.com", "a", "a-1.b"], ["", ".a", "a.", "a..b", "A.b", "a_b", "a".repeat(254)]],
  ["dns1035Label", ["my-label", "a"], ["", "1a", "a.b", "A", "a-"]],
  ["qualifiedName", ["MyName", "my.name", "example.com/My_Name-1", "1"], ["", "a/b/c", "/a", "a/", "A.com/a", "-a", "a".repeat(64), "a b"]],
  ["dns1123LabelPrefix", ["my-prefix-", "a", "A-"], ["", "-", "a--b c"]],
  ["dns1123SubdomainPrefix", ["a.b-", "a.b"], ["", "a..b-"]],
  ["dns1035LabelPrefix", ["my-prefix-"], ["", "1-b"]],
  ["labelValue", ["", "MyValue", "a.b_c-1"], ["-a", "a-", "a b", "a".repeat(64)]],
  ["uri", ["http://example.com", "/path"], ["", "example", "../x"]],
  ["uuid", ["123e4567-e89b-12d3-a456-426614174000", "123E4567E89B12D3A456426614174000"], ["", "123e4567-e89b-12d3-a456-42661417400", "x"]],
  ["byte", ["aGVsbG8=", "YWI="], ["", "aGVsbG8", "_-=="]],
  ["date", ["2021-01-01", "2020-02-29", "0000-01-01"], ["", "2021-02-29", "2021-13-01", "2021-1-1", "2021-01-32", "2021-01-00"]],
  [
    "datetime",
    ["2021-01-01T00:00:00Z", "2021-01-01t23:59:59.5+01:00"],
    ["", "2021-01-01", "2021-01-01T24:00:00Z", "2021-02-30T00:00:00Z", "2021-01-01T00:00:00"],
  ],
])("%s accepts and refuses as in Kubernetes", (name, valid, invalid) => {
  const format = namedFormats.get(name);
  expect(valid.filter((text) => format?.validate(text).length !== 0)).toEqual([]);
  expect(invalid.filter((text) => format?.validate(text).length === 0)).toEqual([]);
});

test.each([
  ["format.dns1123Label().validate('ok').hasValue()", false],
  ["format.dns1123Label().validate('a.b').value()", ["must not contain dots"]],
  [`format.labelValue().validate('${"a".repeat(64)}').value()`, ["must be no more than 63 bytes"]],
  ["format.qualifiedName().validate('/a').value()", ["prefix part must be non-empty"]],
  [
    "format.dns1035Label().validate('1').value()",
    [
      "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
    ],
  ],
  ["format.named('dns1123Label').value() == format.dns1123Label()", true],
  ["format.dns1123Label() == format.dns1035Label()", false],
  ["format.named('unknown').hasValue()", false],
  ["format.unknown()", "CEL_UNKNOWN_FUNCTION"],
])("%s is %j", (text, expected) => expect(evaluate(text).result).toEqual(expected));

test.each([...namedFormats.keys()])("format.named and format.%s() give the same format", (name) => {
  expect(evaluate(`format.named('${name}').value() == format.${name}()`).result).toBe(true);
});

// As apiserver's cost estimator gives them: the length of the text times that of the regular expression.
test.each([
  ["format.dns1123Label().validate('my-label-name')", 17],
  ["format.uuid().validate('123e4567-e89b-12d3-a456-426614174000')", 73],
  ["format.uri().validate('foo')", 277],
  ["format.named('byte')", 1],
])("%s costs %i", (text, cost) => expect(evaluate(text).cost).toBe(cost));
