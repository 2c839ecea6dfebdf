/** Semantic versions (semver.org 2.0.0), as Kubernetes reads them. */
import type { Int } from "../../runtime/int64.ts";
import { type CelType, opaqueType } from "../../type.ts";
import { CelOpaque } from "../../value.ts";

export const SEMVER: CelType = opaqueType("kubernetes.Semver");

export class SemverValue extends CelOpaque {
  readonly text: string;
  readonly major: Int;
  readonly minor: Int;
  readonly patch: Int;
  /** Numeric identifiers as numbers. */
  readonly prerelease: readonly (Int | string)[];

  constructor(text: string, [major, minor, patch]: readonly [Int, Int, Int], prerelease: readonly (Int | string)[]) {
    super();
    this.text = text;
    this.major = major;
    this.minor = minor;
    this.patch = patch;
    this.prerelease = prerelease;
  }

  override get celType(): CelType {
    return SEMVER;
  }

  /** Versions that differ in their build metadata alone are equal. */
  override equals(other: CelOpaque): boolean {
    return other instanceof SemverValue && compareSemvers(this, other) === 0;
  }

  override toCelJson(): string {
    return this.text;
  }
}

const IDENTIFIERS = "[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*";
const VERSION = new RegExp(`^(\\d+)\\.(\\d+)\\.(\\d+)(?:-(${IDENTIFIERS}))?(?:\\+${IDENTIFIERS})?$`);
const MAX_UINT64 = 2n ** 64n - 1n;

/** The version that a text is, or undefined. UNTRUSTED. */
export function parseSemver(text: string): SemverValue | undefined {
  const match = VERSION.exec(text);
  if (match === null) return undefined;
  const [, major = "", minor = "", patch = "", prereleaseText] = match;
  const [first, second, third] = [parseNumber(major), parseNumber(minor), parseNumber(patch)];
  if (first === undefined || second === undefined || third === undefined) return undefined;
  const prerelease: (Int | string)[] = [];
  for (const identifier of prereleaseText?.split(".") ?? []) {
    const value = /^\d+$/.test(identifier) ? parseNumber(identifier) : identifier;
    if (value === undefined) return undefined;
    prerelease.push(value);
  }
  return new SemverValue(text, [first, second, third], prerelease);
}

/** A uint64 without leading zeros. */
function parseNumber(digits: string): Int | undefined {
  if (digits.length > 1 && digits.startsWith("0")) return undefined;
  if (digits.length < 16) return Number(digits);
  return digits.length <= 20 && BigInt(digits) <= MAX_UINT64 ? BigInt(digits) : undefined;
}

/** The text without a leading `v`, with missing minor and patch numbers added and leading zeros taken away. */
export function normalizeSemver(text: string): string {
  const [major = "", minor, ...patch] = text.replace(/^v/, "").split(".");
  const parts = [major, minor, patch.length === 0 ? undefined : patch.join(".")].filter((part) => part !== undefined);
  const isShort = parts.length < 3;
  // A short version with a suffix is no version: `1.2-rc` stays as it is, and fails to parse.
  if (isShort && /[+-]/.test(parts.at(-1) ?? "")) return text;
  return [...parts.map(withoutLeadingZeros), "0", "0"].slice(0, 3).join(".");
}

const withoutLeadingZeros = (part: string): string => part.replace(/^0+(?=\d)/, "");

/** Negative, 0 or positive, by semver.org §11. */
export function compareSemvers(a: SemverValue, b: SemverValue): number {
  return (
    compareIdentifiers(a.major, b.major) ||
    compareIdentifiers(a.minor, b.minor) ||
    compareIdentifiers(a.patch, b.patch) ||
    comparePrereleases(a.prerelease, b.prerelease)
  );
}

function comparePrereleases(a: readonly (Int | string)[], b: readonly (Int | string)[]): number {
  // A release comes after its pre-releases.
  if (a.length === 0 || b.length === 0) return b.length - a.length;
  for (const [index, identifier] of a.entries()) {
    const other = b[index];
    const order = other === undefined ? 1 : compareIdentifiers(identifier, other);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

/** Numbers come before words. */
function compareIdentifiers(a: Int | string, b: Int | string): number {
  if ((typeof a === "string") !== (typeof b === "string")) return typeof a === "string" ? 1 : -1;
  return a < b ? -1 : a > b ? 1 : 0;
}
