/**
 * Object identifiers (X.660) between dotted text and DER content octets (X.690 §8.19).
 * Arcs are unsigned integers below 2^53; at most `MAX_ARCS` of them.
 */

/** No identifier in use comes near it; a longer one is refused. */
export const MAX_ARCS = 64;

/** The content octets of a dotted identifier. Throws a RangeError when `dotted` is not one: identifiers come from code, not from input. */
export function encodeOid(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const arcs = [first * 40 + second, ...rest];
  const isOid =
    /^[012](\.\d+)+$/.test(dotted) && (first === 2 || second < 40) && arcs.length < MAX_ARCS && arcs.every(Number.isSafeInteger);
  if (!isOid) throw new RangeError(`expected an object identifier, got \`${dotted}\``);
  const octets: number[] = [];
  for (const arc of arcs) {
    const septets = [arc % 128];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) septets.unshift((left % 128) | 0x80);
    octets.push(...septets);
  }
  return Uint8Array.from(octets);
}

/**
 * The dotted text of the content octets from `start` to `end`, or undefined when they are not the one canonical encoding of an identifier
 * within the limits.
 */
export function decodeOid(octets: Uint8Array, start = 0, end: number = octets.length): string | undefined {
  let dotted = "";
  let count = 0;
  let arc = 0;
  let isInside = false;
  for (let at = start; at < end; at++) {
    const octet = octets[at] ?? 0;
    if (!isInside && octet === 0x80) return undefined;
    arc = arc * 128 + (octet & 0x7f);
    if (!Number.isSafeInteger(arc)) return undefined;
    isInside = octet >= 0x80;
    if (isInside) continue;
    if (++count >= MAX_ARCS) return undefined;
    const first = Math.min(2, Math.floor(arc / 40));
    dotted += count === 1 ? `${first}.${arc - first * 40}` : `.${arc}`;
    arc = 0;
  }
  return isInside || count === 0 ? undefined : dotted;
}
