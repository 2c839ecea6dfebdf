/**
 * The sets behind `\p{…}`: general categories and scripts by name, as the running JavaScript engine's Unicode tables have
 * them. Names are matched as Unicode recommends: case, spaces, hyphens and underscores do not matter.
 */
import { ANY_CHAR, type CharSet, MAX_CODE_POINT } from "./char-set.ts";

const CHUNK = 256;
/** Bounded: only names that the engine knows are kept, and Unicode has a few hundred. */
const cache = new Map<string, CharSet>();

/** The set that a property name denotes, or null when there is no such category or script. */
export function propertySet(name: string): CharSet | null {
  const canonical = name
    .split(/[ _-]+/)
    .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1).toLowerCase())
    .join("_");
  const known = cache.get(canonical);
  if (known !== undefined) return known;
  const set = readSet(canonical);
  if (set !== null) cache.set(canonical, set);
  return set;
}

/** Every code point that has the property `property`, written as between the braces of JavaScript's `\p{…}`. */
export function scanProperty(property: string): CharSet {
  const some = new RegExp(`\\p{${property}}`, "u");
  const every = new RegExp(`^\\p{${property}}*$`, "u");
  const set: number[] = [];
  const add = (low: number, high: number): void => {
    if (set.at(-1) === low - 1) set[set.length - 1] = high;
    else set.push(low, high);
  };
  const codePoints: number[] = [];
  for (let start = 0; start <= MAX_CODE_POINT; start += CHUNK) {
    for (let i = 0; i < CHUNK; i++) codePoints[i] = start + i;
    const chunk = String.fromCodePoint(...codePoints);
    if (!some.test(chunk)) continue;
    if (every.test(chunk)) add(start, start + CHUNK - 1);
    else for (const codePoint of codePoints) if (some.test(String.fromCodePoint(codePoint))) add(codePoint, codePoint);
  }
  return set;
}

function readSet(canonical: string): CharSet | null {
  if (canonical === "Any") return ANY_CHAR;
  if (canonical === "Ascii") return [0, 0x7f];
  if (canonical === "Assigned") return scanProperty("Assigned");
  // UNTRUSTED: the name becomes part of a pattern, so nothing but letters and underscores may pass.
  if (!/^[A-Za-z_]+$/.test(canonical)) return null;
  const name = canonical === "Lc" ? "LC" : canonical;
  for (const property of [`General_Category=${name}`, `Script=${name}`]) if (isProperty(property)) return scanProperty(property);
  return null;
}

function isProperty(property: string): boolean {
  try {
    return new RegExp(`\\p{${property}}`, "u").source !== "";
  } catch {
    return false; // a SyntaxError is the engine's way to say that it has no such property
  }
}
