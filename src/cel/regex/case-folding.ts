/**
 * Simple case folding (Unicode CaseFolding.txt, status C and S), taken from the running JavaScript engine: two code points
 * are equal without regard to case when a `/iu` expression says so.
 */
import { type CharSet, contains, unionOf } from "./char-set.ts";
import { scanProperty } from "./unicode-property.ts";

const KELVIN_SIGN = 0x212a;
const LONG_S = 0x17f;
const LAST_ASCII = 0x7f;

/** The set and everything that differs from a member only by case. */
export function foldSet(set: CharSet): CharSet {
  const folded = [...set];
  if ((set.at(-1) ?? 0) <= LAST_ASCII) {
    for (let upper = 0x41; upper <= 0x5a; upper++) {
      if (contains(set, upper) || contains(set, upper + 0x20)) folded.push(upper, upper, upper + 0x20, upper + 0x20);
    }
    if (contains(set, 0x4b) || contains(set, 0x6b)) folded.push(KELVIN_SIGN, KELVIN_SIGN);
    if (contains(set, 0x53) || contains(set, 0x73)) folded.push(LONG_S, LONG_S);
  } else {
    for (const orbit of caseOrbits())
      if (orbit.some((member) => contains(set, member))) for (const member of orbit) folded.push(member, member);
  }
  return folded.length === set.length ? set : unionOf(folded);
}

let orbits: readonly (readonly number[])[] | undefined;

/** All groups of two or more code points that are equal without regard to case. Made at the first non-ASCII use. */
function caseOrbits(): readonly (readonly number[])[] {
  orbits ??= findOrbits();
  return orbits;
}

function findOrbits(): readonly (readonly number[])[] {
  const sameFolded = /^(.)\1$/isu;
  const orbitOf = new Map<number, Set<number>>();
  const join = (a: number, text: string): void => {
    const b = text.codePointAt(0) ?? a;
    if (a === b || text !== String.fromCodePoint(b) || !sameFolded.test(String.fromCodePoint(a, b))) return;
    const joined = new Set([...(orbitOf.get(a) ?? [a]), ...(orbitOf.get(b) ?? [b])]);
    for (const member of joined) orbitOf.set(member, joined);
  };
  const cased = scanProperty("Changes_When_Casemapped");
  for (let i = 0; i < cased.length; i += 2) {
    for (let codePoint = cased[i] ?? 0; codePoint <= (cased[i + 1] ?? 0); codePoint++) {
      const text = String.fromCodePoint(codePoint);
      join(codePoint, text.toLowerCase());
      join(codePoint, text.toUpperCase());
    }
  }
  return [...new Set(orbitOf.values())].map((orbit) => [...orbit]);
}
