import fc from "fast-check";
import { expect, test } from "vitest";
import { formatExponent, formatFixed, groupThousands } from "./number-format.ts";

test.each([
  [0.125, 2, "0.12"],
  [0.375, 2, "0.38"],
  [2.5, 0, "2"],
  [3.5, 0, "4"],
  [1.0005, 3, "1.000"],
  [1.0015, 3, "1.002"],
  [99.95, 1, "100.0"],
  [-0.5, 0, "-0"],
  [1e21, 1, "1000000000000000000000.0"],
  [0.1, 40, "0.1000000000000000055511151231257827021182"],
])("%d with %i digits is %s", (value, precision, text) => expect(formatFixed(value, precision)).toBe(text));

test.each([
  [0, "0"],
  [-0, "-0"],
  [1e21, "1000000000000000000000"],
  [1.5e-9, "0.0000000015"],
  [1.25e22, "12500000000000000000000"],
  [123.456, "123.456"],
])("%d without a precision is %s", (value, text) => expect(formatFixed(value)).toBe(text));

test.each([
  [0, 6, "0.000000e+00"],
  [-12345.678, 3, "-1.235e+04"],
  [1e100, 0, "1e+100"],
  [2.5, 0, "2e+00"],
  [3.5, 0, "4e+00"],
  [-0, 1, "-0.0e+00"],
])("%d with %i digits and an exponent is %s", (value, precision, text) => expect(formatExponent(value, precision)).toBe(text));

test("thousands are grouped in the integral part alone", () => {
  expect(["1", "999.12345", "1000", "-1234567.8901"].map(groupThousands)).toEqual(["1", "999.12345", "1,000", "-1,234,567.8901"]);
});

test("the shortest text reads back as the number", () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      const text = formatFixed(value);
      expect(text).toMatch(/^-?\d+(\.\d+)?$/);
      expect(Number(text)).toBe(value);
    }),
  );
});

test("a rounded text is the nearest one, and even where two are as near", () => {
  const digits = fc.integer({ min: 0, max: 6 });
  fc.assert(
    fc.property(fc.integer({ min: -(2 ** 40), max: 2 ** 40 }), fc.integer({ min: 0, max: 12 }), digits, (mantissa, halvings, precision) => {
      const value = mantissa / 2 ** halvings;
      // value × 10^precision as a fraction with denominator 2^halvings, rounded half to even.
      const [numerator, denominator] = [BigInt(Math.abs(mantissa)) * 10n ** BigInt(precision), 2n ** BigInt(halvings)];
      const [quotient, twice] = [numerator / denominator, (numerator % denominator) * 2n];
      const rounded = twice > denominator || (twice === denominator && quotient % 2n === 1n) ? quotient + 1n : quotient;
      expect(
        formatFixed(value, precision)
          .replace("-", "")
          .replace(".", "")
          .replace(/^0+(?=.)/, ""),
      ).toBe(String(rounded));
    }),
  );
});
