/** Patterns of SPIFFE IDs and of DNS names, compared as `matchesSpiffeId` and `matchesDnsName` read them. */
import { matchesDnsName } from "../access/peer-match.ts";

/** Whether every ID that fits `inner` fits `outer`. */
export function isSpiffeSubset(inner: string, outer: string): boolean {
  const a = inner.split("/");
  const b = outer.split("/");
  const aHasRest = a.at(-1) === "**";
  const bHasRest = b.at(-1) === "**";
  if (aHasRest && !bHasRest) return false;
  if (bHasRest ? a.length < b.length : a.length !== b.length) return false;
  const fixed = bHasRest ? b.length - 1 : b.length;
  for (let index = 0; index < fixed; index++) {
    if (isFree(b, index)) continue;
    // A rest of `inner` is any text.
    if (isFree(a, index) || a[index] !== b[index]) return false;
  }
  return true;
}

const isFree = (pattern: readonly string[], index: number): boolean =>
  index >= pattern.length - 1 && pattern.at(-1) === "**" ? true : pattern[index] === "*" && index > 2;

/** An ID that fits all patterns; undefined when there is none. */
export function spiffeIdIn(patterns: readonly string[]): string | undefined {
  const split = patterns.map((pattern) => pattern.split("/"));
  const length = Math.max(...split.map((segments) => segments.length));
  if (split.some((segments) => segments.at(-1) !== "**" && segments.length !== length)) return undefined;
  const id: string[] = [];
  for (let index = 0; index < length; index++) {
    const wanted = new Set(split.filter((segments) => !isFree(segments, index)).map((segments) => segments[index] ?? ""));
    if (wanted.size > 1) return undefined;
    id.push([...wanted][0] ?? "x");
  }
  return id.join("/");
}

export const domainOfPattern = (pattern: string): string => pattern.split("/")[2] ?? "";

/** Whether every name that fits `inner` fits `outer`. */
export const isDnsSubset = (inner: string, outer: string): boolean =>
  inner === outer ||
  (outer.includes("+") && !/[*+]/.test(inner) && matchesDnsName(outer, inner)) ||
  (outer.startsWith("*") && inner.endsWith(outer.slice(1)) && inner.length > outer.length - 1);

export const dnsNameIn = (pattern: string): string => (pattern === "*" ? "x" : pattern.replace(/^\*/, "x").replaceAll("+", "x"));
