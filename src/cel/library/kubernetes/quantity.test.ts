import fc from "fast-check";
import { expect, test } from "vitest";
import { evaluatorOf } from "../../../../test/evaluate-expression.ts";
import { CelDouble } from "../../value.ts";
import { quantityLibrary } from "./quantity.ts";
import { compareQuantities, formatQuantity, parseQuantity, quantityAsInt } from "./quantity-value.ts";

const evaluate = evaluatorOf({ libraries: [quantityLibrary] });

test.each([
  ["isQuantity('20') && isQuantity('20M') && isQuantity('1.5Gi') && isQuantity('12e6') && isQuantity('-1.5m') && isQuantity('+3E')", true],
  ["['20mi', '20 Mi', 'Three', '1e', 'Pi', '', ' 1', '1ki', '1.2.3', '0x5', '1e5e5', 'Infinity'].exists(q, isQuantity(q))", false],
  ["quantity('10 Mo')", "CEL_INVALID_ARGUMENT"],
  ["quantity('200M') == quantity('0.2G')", true],
  ["quantity('2000k') == quantity('2M') && quantity('2Mi') == quantity('2048Ki')", true],
  ["quantity('200M') == quantity('0.3G')", false],
  ["quantity('1') == quantity('1000m') && quantity('1') != quantity('1001m')", true],
  ["quantity('50M').isLessThan(quantity('50Mi')) && !quantity('50Mi').isLessThan(quantity('50M'))", true],
  ["quantity('50Mi').isGreaterThan(quantity('50M')) && !quantity('50k').isGreaterThan(quantity('50k'))", true],
  ["quantity('200M').compareTo(quantity('0.2G'))", 0],
  ["quantity('50M').compareTo(quantity('50Mi'))", -1],
  ["quantity('50Mi').compareTo(quantity('50M'))", 1],
  ["quantity('1e400').compareTo(quantity('9e399'))", 1],
  ["quantity('-1e400').compareTo(quantity('9E'))", -1],
  ["quantity('1e999999999').compareTo(quantity('1n'))", 1],
  ["sign(quantity('0')) + sign(quantity('1n')) * 10 + sign(quantity('-1')) * 100", -90],
  ["quantity('50').isInteger() && quantity('50k').asInteger() == 50000", true],
  ["quantity('1Gi').asInteger()", 1073741824],
  ["quantity('1Gi').isInteger() && !quantity('1.5Gi').isInteger() && !quantity('50.1').isInteger() && !quantity('1.0').isInteger()", true],
  ["quantity('9223372036854775807').asInteger()", "CEL_INVALID_ARGUMENT"],
  ["quantity('999999999999999999').asInteger()", 999999999999999999n],
  ["quantity('9999999999999999999999999').asInteger()", "CEL_INVALID_ARGUMENT"],
  ["quantity('50.703k').asApproximateFloat()", new CelDouble(50703)],
  ["quantity('1.5').asApproximateFloat()", 1.5],
  ["quantity('9999999999999999999999999999999999999G').asApproximateFloat()", 1.0000000000000001e46],
  ["quantity('50k').add(quantity('20')) == quantity('50.02k')", true],
  ["quantity('50k').add(20) == quantity('50020')", true],
  ["quantity('50k').sub(quantity('20')) == quantity('49.98k') && quantity('50k').sub(20) == quantity('49980')", true],
  ["quantity('50k').add(20).sub(quantity('100k')).sub(-50000) == quantity('20')", true],
  ["quantity('1Pi').add(quantity('1n')).sub(quantity('1Pi')) == quantity('1n')", true],
  ["quantity('0').sub(5) == quantity('-5')", true],
  ["quantity('1e999999999').add(1)", "CEL_OVERFLOW"],
  ["quantity('8Ei') == quantity('100Ei')", true],
  ["quantity('0.0000000001') == quantity('1n') && quantity('-1e-999999999') == quantity('-1n')", true],
  ["quantity(1)", "CEL_NO_MATCHING_OVERLOAD"],
  ["quantity('5').sign()", "CEL_NO_MATCHING_OVERLOAD"],
])("%s is %s", (text, expected) => expect(evaluate(text).result).toEqual(expected));

test.each([
  ["0Mi", "0"],
  ["1536Mi", "1536Mi"],
  ["2048Ki", "2Mi"],
  ["1500m", "1500m"],
  ["2000m", "2"],
  ["0.5Gi", "512Mi"],
  ["0.1Ki", "102400m"],
  ["100", "100"],
  ["100000", "100k"],
  ["12e6", "12e6"],
  ["1e21", "1e21"],
  ["-1.5G", "-1500M"],
  ["1000E", "1000E"],
])("%s is written %s", (text, canonical) => {
  const quantity = parseQuantity(text);
  expect(quantity && formatQuantity(quantity)).toBe(canonical);
});

const suffixes = ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "e3", "E-2"];
const quantityText = fc
  .tuple(fc.constantFrom("", "-", "+"), fc.nat(10 ** 7), fc.constantFrom("", ".5", ".25", ".125"), fc.constantFrom(...suffixes))
  .map((parts) => parts.join(""));

test("the canonical text is the same quantity", () => {
  fc.assert(
    fc.property(quantityText, (text) => {
      const quantity = parseQuantity(text);
      const again = quantity && parseQuantity(formatQuantity(quantity));
      expect(quantity && again && compareQuantities(quantity, again)).toBe(0);
    }),
  );
});

test("quantities are compared by their exact values", () => {
  const nanos = (text: string): bigint => {
    const [, sign, whole = "", fraction = "", suffix = ""] = /^([+-]?)(\d+)(?:\.(\d+))?(.*)$/.exec(text) ?? [];
    const binary = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].indexOf(suffix) + 1;
    const decimal = { n: -9, u: -6, m: -3, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18, e3: 3, "E-2": -2 }[suffix] ?? 0;
    const digits = BigInt(whole + fraction.padEnd(3, "0")) * 1024n ** BigInt(binary);
    // At a millionth of a nano, so that nothing is lost before it is rounded up.
    const scaled = digits * 10n ** BigInt(12 + decimal);
    const rounded = (scaled + 999_999n) / 1_000_000n;
    const capped = binary > 0 && rounded > (2n ** 63n - 1n) * 10n ** 9n ? (2n ** 63n - 1n) * 10n ** 9n : rounded;
    return sign === "-" ? -capped : capped;
  };
  fc.assert(
    fc.property(quantityText, quantityText, (left, right) => {
      const [a, b] = [parseQuantity(left), parseQuantity(right)];
      const [x, y] = [nanos(left), nanos(right)];
      expect(a && b && Math.sign(compareQuantities(a, b))).toBe(x < y ? -1 : x > y ? 1 : 0);
    }),
  );
});

test("no text makes the parser fail otherwise than by saying no, or slow", () => {
  const characters = fc.constantFrom(..."0123456789+-.eEinumkKMGTP x");
  fc.assert(
    fc.property(fc.string({ unit: characters, maxLength: 40 }), (text) => {
      const quantity = parseQuantity(text);
      if (quantity === undefined) return;
      quantityAsInt(quantity);
      formatQuantity(quantity);
      expect(compareQuantities(quantity, quantity)).toBe(0);
    }),
  );
  expect(parseQuantity("9".repeat(1024))).toBeDefined();
  expect(parseQuantity("9".repeat(1025))).toBeUndefined();
});
