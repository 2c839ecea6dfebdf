import { expect, test } from "vitest";
import { evaluatorOf } from "../../../../test/evaluate-expression.ts";
import { semverLibrary } from "./semver.ts";
import { compareSemvers, parseSemver } from "./semver-value.ts";

const evaluate = evaluatorOf({ libraries: [semverLibrary] });

test.each([
  ["isSemver('1.2.3-beta.1+build.1') && isSemver('0.0.0') && isSemver('1.0.0--') && isSemver('1.0.0+001')", true],
  ["['1.0', 'v1.0.0', '01.0.0', '1.0.0-01', '1.0.0-', '1.0.0+', '1.0.0-a..b', '', '1.0.0 ', 'x', '1.2.3.4'].exists(v, isSemver(v))", false],
  ["isSemver('18446744073709551615.0.0') && !isSemver('18446744073709551616.0.0')", true],
  ["['v1.0', '1', '01.01.01', 'v1.2.3-rc.1+x', '1.2.00'].all(v, isSemver(v, true))", true],
  ["['', 'v', 'vv1', '1.2-rc', '1..2', '1.2.03-01', '1.2.3.4', ' 1'].exists(v, isSemver(v, true))", false],
  ["isSemver('v1.0', false)", false],
  ["semver('Three')", "CEL_INVALID_ARGUMENT"],
  ["semver('v01.01', true) == semver('1.1.0')", true],
  ["semver('1.2.3') == semver('1.2.3+build') && semver('1.2.3') != semver('1.2.3-rc')", true],
  ["semver('1.2.3').isLessThan(semver('1.2.10')) && semver('10.0.0').isGreaterThan(semver('9.9.9'))", true],
  ["semver('1.2.3').compareTo(semver('1.2.3'))", 0],
  ["semver('1.2.3').compareTo(semver('1.2.4'))", -1],
  ["[semver('1.2.3').major(), semver('1.2.3').minor(), semver('1.2.3').patch()]", [1, 2, 3]],
  ["semver('9223372036854775807.0.0').major()", 9223372036854775807n],
  ["semver('9223372036854775808.0.0').major()", "CEL_OVERFLOW"],
])("%s is %s", (text, expected) => expect(evaluate(text).result).toEqual(expected));

test("versions are in the order of semver.org, section 11", () => {
  const ordered = [
    "1.0.0-1",
    "1.0.0-11",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.1",
    "1.1.0",
    "2.0.0",
  ];
  const versions = ordered.flatMap((text) => parseSemver(text) ?? []);
  expect(
    versions
      .toReversed()
      .sort(compareSemvers)
      .map(({ text }) => text),
  ).toEqual(ordered);
});
