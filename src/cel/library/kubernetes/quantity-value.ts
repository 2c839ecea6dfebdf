/**
 * Quantities of Kubernetes (apimachinery pkg/api/resource): exact decimals with a suffix, `500m`, `1.5`, `512Mi`, `12e6`.
 * Nothing is smaller than 1n; what is, is rounded away from zero.
 */
import { type Int, intOf } from "../../runtime/int64.ts";
import { type CelType, opaqueType } from "../../type.ts";
import { CelError, CelOpaque } from "../../value.ts";

export const QUANTITY: CelType = opaqueType("kubernetes.Quantity");

/** How the quantity was written, and is written again: 12M, 12Mi, 12e6. */
type Notation = "decimal" | "binary" | "exponent";

/** The value is `unscaled` × 10^`exponent`. */
export class QuantityValue extends CelOpaque {
  /** A safe integer is a number, a larger one a bigint of any size. */
  readonly unscaled: Int;
  readonly exponent: number;
  readonly notation: Notation;
  /**
   * Whether Kubernetes holds it as an int64 and an exponent rather than as a big decimal. It decides `isInteger` by that: 1Gi
   * is an integer there, 1.5Gi and 1Pi are not.
   */
  readonly isCompact: boolean;

  constructor(unscaled: Int, exponent: number, notation: Notation, isCompact: boolean) {
    super();
    this.unscaled = unscaled;
    this.exponent = exponent;
    this.notation = notation;
    this.isCompact = isCompact;
  }

  override get celType(): CelType {
    return QUANTITY;
  }

  override equals(other: CelOpaque): boolean {
    return other instanceof QuantityValue && compareQuantities(this, other) === 0;
  }

  override toCelJson(): string {
    return formatQuantity(this);
  }
}

const MAX_COMPACT_DIGITS = 18;

interface Suffix {
  readonly base: 2 | 10;
  readonly exponent: number;
  readonly notation: Notation;
  /** 2^exponent for base 2, 1 for base 10. */
  readonly factor: number;
  /** Kubernetes' guess of how many digits fit an int64 together with the factor. */
  readonly maxDigits: number;
}

const decimal = (exponent: number, notation: Notation = "decimal"): Suffix => ({
  base: 10,
  exponent,
  notation,
  factor: 1,
  maxDigits: MAX_COMPACT_DIGITS,
});
const binary = (exponent: number): Suffix => ({
  base: 2,
  exponent,
  notation: "binary",
  factor: 2 ** exponent,
  maxDigits: 14 - (exponent * 3) / 10,
});
const NO_SUFFIX = decimal(0);
const DECIMAL_SUFFIXES: Readonly<Record<string, Suffix>> = {
  n: decimal(-9),
  u: decimal(-6),
  m: decimal(-3),
  k: decimal(3),
  M: decimal(6),
  G: decimal(9),
  T: decimal(12),
  P: decimal(15),
  E: decimal(18),
};
const BINARY_SUFFIXES: Readonly<Record<string, Suffix>> = {
  K: binary(10),
  M: binary(20),
  G: binary(30),
  T: binary(40),
  P: binary(50),
  E: binary(60),
};

/** Suffixes by the code of their letter: the look-up is the half of parsing. */
const byCode = (suffixes: Readonly<Record<string, Suffix>>): readonly (Suffix | undefined)[] =>
  Array.from({ length: 128 }, (_, code) => suffixes[String.fromCharCode(code)]);
const DECIMAL_BY_CODE = byCode(DECIMAL_SUFFIXES);
const BINARY_BY_CODE = byCode(BINARY_SUFFIXES);

function suffixAt(text: string, start: number): Suffix | undefined {
  switch (text.length - start) {
    case 0:
      return NO_SUFFIX;
    case 1:
      return DECIMAL_BY_CODE[text.charCodeAt(start)];
    case 2:
      if (text.charCodeAt(start + 1) === 0x69) return BINARY_BY_CODE[text.charCodeAt(start)];
  }
  return exponentAt(text, start);
}

function exponentAt(text: string, start: number): Suffix | undefined {
  const digits = /^[eE]([+-]?\d{1,19})$/.exec(text.slice(start))?.[1];
  if (digits === undefined) return undefined;
  const exponent = BigInt(digits.replace("+", ""));
  if (intOf(exponent) instanceof CelError) return undefined;
  // As in Kubernetes, which keeps the lower 32 bits.
  return decimal(Number(BigInt.asIntN(32, exponent)), "exponent");
}

const NANO = -9;
/** Digits that a double holds exactly. */
const MAX_SAFE_DIGITS = 15;
/** No quantity in use comes near it; what is longer is refused, since big numbers take more than linear time. */
const MAX_TEXT_LENGTH = 1024;
const [PLUS, MINUS, POINT, ZERO] = [0x2b, 0x2d, 0x2e, 0x30];

/** The quantity that a text of at most 1024 characters is, or undefined. UNTRUSTED. */
export function parseQuantity(text: string): QuantityValue | undefined {
  const sign = text.charCodeAt(0);
  const signEnd = sign === MINUS || sign === PLUS ? 1 : 0;
  let index = signEnd;
  while (text.charCodeAt(index) === ZERO) index++;
  const start = index;
  let value = 0;
  let digit = text.charCodeAt(index) - ZERO;
  for (; digit >= 0 && digit <= 9; digit = text.charCodeAt(++index) - ZERO) value = value * 10 + digit;
  // A missing integral part counts as the digit 0.
  let digits = Math.max(index - start, 1);
  let fractionDigits = 0;
  if (digit === POINT - ZERO) {
    const point = index;
    digit = text.charCodeAt(++index) - ZERO;
    for (; digit >= 0 && digit <= 9; digit = text.charCodeAt(++index) - ZERO) value = value * 10 + digit;
    fractionDigits = index - point - 1;
    digits += fractionDigits;
  }
  const suffix = suffixAt(text, index);
  if (suffix === undefined || text === "" || text.length > MAX_TEXT_LENGTH) return undefined;
  if (digits > MAX_SAFE_DIGITS || !isCompactForm(suffix, digits, fractionDigits)) {
    return parseBigQuantity(text.slice(signEnd, index), digits, fractionDigits, suffix, sign === MINUS);
  }
  const unscaled = value * suffix.factor;
  const exponent = suffix.base === 2 ? 0 : suffix.exponent - fractionDigits;
  return new QuantityValue(sign === MINUS && unscaled !== 0 ? -unscaled : unscaled, exponent, suffix.notation, true);
}

const isCompactForm = (suffix: Suffix, digits: number, fractionDigits: number): boolean =>
  digits <= suffix.maxDigits && (suffix.base === 10 ? suffix.exponent - fractionDigits >= NANO : fractionDigits === 0);

const MAX_BINARY = 2n ** 63n - 1n;

/** The way for what is large, tiny or a binary fraction. */
function parseBigQuantity(
  number: string,
  digits: number,
  fractionDigits: number,
  suffix: Suffix,
  isNegative: boolean,
): QuantityValue | undefined {
  const written = number.replace(".", "");
  const magnitude = BigInt(`0${written}`);
  const make = (unscaled: bigint, exponent: number, isCompact: boolean, notation: Notation = suffix.notation): QuantityValue =>
    new QuantityValue(anyInt(isNegative ? -unscaled : unscaled), exponent, notation, isCompact);
  if (suffix.base === 10) {
    const exponent = suffix.exponent - fractionDigits;
    if (isCompactForm(suffix, digits, fractionDigits)) return make(magnitude, exponent, true);
    if (written === "") return undefined;
    return exponent >= NANO ? make(magnitude, exponent, false) : make(roundUp(magnitude, NANO - exponent), NANO, false);
  }
  if (written === "") return undefined;
  const scaled = magnitude << BigInt(suffix.exponent);
  const [unscaled, exponent] = fractionDigits > -NANO ? [roundUp(scaled, fractionDigits + NANO), NANO] : [scaled, -fractionDigits];
  const whole = unscaled / 10n ** BigInt(-exponent);
  if (whole >= MAX_BINARY) return make(MAX_BINARY, 0, false);
  return make(unscaled, exponent, false, whole === 0n && unscaled > 0n ? "decimal" : "binary");
}

/** `value` / 10^`places`, rounded up. */
function roundUp(value: bigint, places: number): bigint {
  if (value === 0n) return 0n;
  // No power is made that is longer than the value, however small the exponent that was asked for.
  if (places > value.toString().length) return 1n;
  const divisor = 10n ** BigInt(places);
  return (value + divisor - 1n) / divisor;
}

const anyInt = (value: bigint): Int => (value <= Number.MAX_SAFE_INTEGER && value >= Number.MIN_SAFE_INTEGER ? Number(value) : value);

const POWERS_OF_TEN = Array.from({ length: 16 }, (_, power) => 10 ** power);

/** Negative, 0 or positive. */
export function compareQuantities(a: QuantityValue, b: QuantityValue): number {
  if (typeof a.unscaled === "number" && typeof b.unscaled === "number") {
    const shift = a.exponent - b.exponent;
    if (shift === 0) return a.unscaled - b.unscaled;
    const left = a.unscaled * (shift > 0 ? (POWERS_OF_TEN[shift] ?? Number.NaN) : 1);
    const right = b.unscaled * (shift < 0 ? (POWERS_OF_TEN[-shift] ?? Number.NaN) : 1);
    if (Number.isSafeInteger(left) && Number.isSafeInteger(right)) return left - right;
  }
  return compareBig(a, b);
}

function compareBig(a: QuantityValue, b: QuantityValue): number {
  const [signA, signB] = [signOf(a), signOf(b)];
  if (signA !== signB || signA === 0) return signA - signB;
  // The place of the leading digit decides, unless it is the same one; then the exponents are near each other.
  const difference = leadingPlace(a) - leadingPlace(b);
  if (difference !== 0) return difference * signA;
  const exponent = Math.min(a.exponent, b.exponent);
  const [left, right] = [atExponent(a, exponent), atExponent(b, exponent)];
  return left < right ? -1 : left > right ? 1 : 0;
}

const leadingPlace = ({ unscaled, exponent }: QuantityValue): number => String(unscaled).replace("-", "").length + exponent;
const atExponent = ({ unscaled, exponent }: QuantityValue, target: number): bigint => BigInt(unscaled) * 10n ** BigInt(exponent - target);

/** -1, 0 or 1. */
export const signOf = ({ unscaled }: QuantityValue): number => (unscaled > 0 ? 1 : unscaled < 0 ? -1 : 0);

const MAX_ALIGNMENT = 4096;

/** a + b or a - b; undefined when the two are too far apart to be written as one number. */
export function addQuantities(a: QuantityValue, b: QuantityValue, sign: 1 | -1): QuantityValue | undefined {
  const notation = a.unscaled === 0 ? b.notation : a.notation;
  if (b.unscaled === 0) return new QuantityValue(a.unscaled, a.exponent, notation, a.isCompact && b.isCompact);
  if (a.unscaled === 0)
    return new QuantityValue(anyInt(BigInt(b.unscaled) * BigInt(sign)), b.exponent, notation, a.isCompact && b.isCompact);
  if (Math.abs(a.exponent - b.exponent) > MAX_ALIGNMENT) return undefined;
  const exponent = Math.min(a.exponent, b.exponent);
  const sum = atExponent(a, exponent) + BigInt(sign) * atExponent(b, exponent);
  const isCompact = a.isCompact && b.isCompact && !(intOf(sum) instanceof CelError);
  return new QuantityValue(anyInt(sum), exponent, notation, isCompact);
}

/** The quantity as an int64, where Kubernetes takes it for one; else undefined. */
export function quantityAsInt({ unscaled, exponent, isCompact }: QuantityValue): Int | undefined {
  if (!isCompact || exponent < 0) return undefined;
  if (unscaled === 0) return 0;
  if (exponent > MAX_COMPACT_DIGITS) return undefined;
  const value = exponent === 0 && typeof unscaled === "number" ? unscaled : intOf(BigInt(unscaled) * 10n ** BigInt(exponent));
  return value instanceof CelError ? undefined : value;
}

/** The nearest double, or one beside it. */
export function quantityAsDouble({ unscaled, exponent, isCompact }: QuantityValue): number {
  // Kubernetes multiplies a big decimal at nine places, a compact value at its own exponent.
  if (isCompact || unscaled === MAX_BINARY || exponent > 400) return Number(unscaled) * powerOfTen(exponent);
  return Number(BigInt(unscaled) * 10n ** BigInt(exponent - NANO)) * powerOfTen(NANO);
}

/** Exact, unlike `10 ** exponent`. */
const powerOfTen = (exponent: number): number => Number(`1e${exponent}`);

/** The canonical text: no fraction, the largest suffix that leaves none. */
export function formatQuantity(quantity: QuantityValue): string {
  const { unscaled, exponent, notation } = quantity;
  if (unscaled === 0) return "0";
  const whole = notation === "binary" && exponent >= NANO && exponent <= MAX_COMPACT_DIGITS ? wholeValue(quantity) : undefined;
  if (whole !== undefined && (whole >= 1024n || whole <= -1024n)) return formatBinary(whole);
  return formatDecimal(String(unscaled), exponent, notation);
}

/** The value where it is whole. */
function wholeValue({ unscaled, exponent }: QuantityValue): bigint | undefined {
  if (exponent >= 0) return BigInt(unscaled) * 10n ** BigInt(exponent);
  const divisor = 10n ** BigInt(-exponent);
  return BigInt(unscaled) % divisor === 0n ? BigInt(unscaled) / divisor : undefined;
}

function formatBinary(whole: bigint): string {
  let mantissa = whole;
  let suffix = "";
  for (const letter of Object.keys(BINARY_SUFFIXES)) {
    if (mantissa % 1024n !== 0n) break;
    mantissa /= 1024n;
    suffix = `${letter}i`;
  }
  return `${mantissa}${suffix}`;
}

function formatDecimal(unscaled: string, exponent: number, notation: Notation): string {
  const significant = unscaled.replace(/0+$/, "");
  const lowest = exponent + unscaled.length - significant.length;
  // The exponent is a multiple of three and, as a letter, at most that of E.
  const place = Math.min(Math.floor(lowest / 3) * 3, notation === "exponent" ? Number.POSITIVE_INFINITY : 18);
  const mantissa = significant + "0".repeat(Math.min(lowest - place, MAX_ALIGNMENT));
  if (place === 0) return mantissa;
  const letter = Object.entries(DECIMAL_SUFFIXES).find(([, suffix]) => suffix.exponent === place)?.[0];
  return notation === "exponent" || letter === undefined ? `${mantissa}e${place}` : mantissa + letter;
}
