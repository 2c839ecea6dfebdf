/** Small changes of what is well formed: most of what they make is nearly right, which is where mistakes hide. */

/** A whole number from 0 up to, without, the limit. */
export type UpTo = (limit: number) => number;

const MAX_CHANGES = 4;

const PIECES = [
  "spiffe://",
  "/",
  "..",
  ".",
  "%2e",
  '"',
  "{",
  "}",
  "[",
  ",",
  ":",
  '"a":1,"a":2,',
  '"__proto__":{},',
  "null",
  "1e999",
  "\u0000",
  "\ud800",
  "é",
  "=",
  "-",
  "e30",
  "@",
  "?",
  "#",
];

/** A text with a few changes, or none. */
export function mutatedText(seed: string, upTo: UpTo): string {
  let text = seed;
  for (let changes = upTo(MAX_CHANGES + 1); changes > 0; changes--) {
    const at = upTo(text.length + 1);
    const other = upTo(text.length + 1);
    const piece =
      [PIECES[upTo(PIECES.length)] ?? "", text.slice(other, other + upTo(60)), "", String.fromCharCode(upTo(256))][upTo(4)] ?? "";
    text = text.slice(0, at) + piece + text.slice(at + upTo(3));
  }
  return text;
}

/** Octets with a few changes, or none. */
export function mutatedBytes(seed: Uint8Array, upTo: UpTo): Uint8Array {
  let bytes = Buffer.from(seed);
  for (let changes = upTo(MAX_CHANGES + 1); changes > 0; changes--) {
    const at = upTo(bytes.length + 1);
    const other = upTo(bytes.length + 1);
    switch (upTo(4)) {
      case 0:
        if (at < bytes.length) bytes[at] = upTo(256);
        break;
      case 1:
        if (at < bytes.length) bytes[at] = (bytes[at] ?? 0) ^ (1 << upTo(8));
        break;
      case 2:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(other, other + upTo(40)), bytes.subarray(at)]);
        break;
      default:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + upTo(8))]);
    }
  }
  return upTo(20) === 0 ? bytes.subarray(0, upTo(bytes.length + 1)) : bytes;
}
