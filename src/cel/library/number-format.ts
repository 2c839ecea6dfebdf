/** Doubles as text, rounded as Go rounds: exactly, ties to even. */

/** Decimal notation with `precision` digits after the point, 0 to 100; without a precision, the shortest that reads back as the number. */
export function formatFixed(value: number, precision?: number): string {
  if (precision === undefined) return withoutExponent(value);
  const sign = value < 0 || Object.is(value, -0) ? "-" : "";
  const magnitude = Math.abs(value);
  // From 1e21 on `toFixed` gives up; those numbers are whole.
  if (magnitude >= 1e21) return `${sign}${BigInt(magnitude)}${precision === 0 ? "" : `.${"0".repeat(precision)}`}`;
  return sign + (isTie(magnitude, precision) ? roundTie(magnitude, precision) : magnitude.toFixed(precision));
}

/** `1.500000e+03`: one digit before the point, `precision` after it, at least two in the exponent. */
export function formatExponent(value: number, precision: number): string {
  const [mantissa = "", exponent = ""] = roundedExponential(value, precision).split("e");
  const sign = Object.is(value, -0) ? "-" : "";
  return `${sign}${mantissa}e${exponent.slice(0, 1)}${exponent.slice(1).padStart(2, "0")}`;
}

/** `1,234.5` from `1234.5`. */
export const groupThousands = (text: string): string => {
  const [whole = "", ...fraction] = text.split(".");
  return [whole.replaceAll(/\B(?=(?:\d{3})+$)/g, ","), ...fraction].join(".");
};

const MAX_DIGITS = 100;

/** Whether the number lies exactly between two numbers of `precision` digits, where `toFixed` rounds up. */
function isTie(magnitude: number, precision: number): boolean {
  return /^50*$/.test(magnitude.toFixed(MAX_DIGITS).split(".")[1]?.slice(precision) ?? "");
}

/** Rounds down where the last digit is even then. */
function roundTie(magnitude: number, precision: number): string {
  const exact = magnitude.toFixed(MAX_DIGITS);
  const point = exact.indexOf(".");
  const down = exact.slice(0, precision === 0 ? point : point + 1 + precision);
  return Number(down.at(-1)) % 2 === 0 ? down : magnitude.toFixed(precision);
}

/** `toExponential`, ties to even. */
function roundedExponential(value: number, precision: number): string {
  const exact = value.toExponential(MAX_DIGITS);
  const [digits = "", exponent = ""] = exact.split("e");
  const fraction = digits.split(".")[1] ?? "";
  if (!/^50*$/.test(fraction.slice(precision))) return value.toExponential(precision);
  const down = digits.slice(0, digits.length - MAX_DIGITS + precision - (precision === 0 ? 1 : 0));
  return Number(down.at(-1)) % 2 === 0 ? `${down}e${exponent}` : value.toExponential(precision);
}

/** The shortest digits of a double in plain decimal notation. */
function withoutExponent(value: number): string {
  const text = Object.is(value, -0) ? "-0" : String(value);
  const match = /^(-?)(\d)(?:\.(\d+))?e([+-]\d+)$/.exec(text);
  if (match === null) return text;
  const [, sign = "", first = "", rest = "", exponentText] = match;
  const [digits, exponent] = [first + rest, Number(exponentText)];
  return exponent < 0 ? `${sign}0.${"0".repeat(-exponent - 1)}${digits}` : sign + digits.padEnd(exponent + 1, "0");
}
