/** Texts in the records of the kernel: octets that processes have chosen. UNTRUSTED. */
import { isUtf8 } from "node:buffer";

/** The octets as text; what is no UTF-8 is shown as `\xNN`, so that nothing of it is lost. */
export function textOfOctets(octets: Buffer): string {
  if (isUtf8(octets)) return octets.toString("utf8");
  let text = "";
  for (let from = 0; from < octets.length; ) {
    const length = sequenceLength(octets, from);
    text += length === 0 ? `\\x${octets.toString("hex", from, from + 1)}` : octets.toString("utf8", from, from + length);
    from += Math.max(length, 1);
  }
  return text;
}

/** How long the character is that begins there; 0 when none does. */
function sequenceLength(octets: Buffer, from: number): number {
  const first = octets[from] ?? 0;
  if (first < 0x80) return 1;
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 0;
  return length > 0 && from + length <= octets.length && isUtf8(octets.subarray(from, from + length)) ? length : 0;
}

/** The text before the first zero byte. */
export function textUntilZero(octets: Buffer): string {
  const end = octets.indexOf(0);
  return textOfOctets(end < 0 ? octets : octets.subarray(0, end));
}

/** Texts with a zero byte each; the last one may lack it where it was cut. */
export function textsOf(octets: Buffer): readonly string[] {
  const texts: string[] = [];
  for (let from = 0; from < octets.length; ) {
    const end = octets.indexOf(0, from);
    texts.push(textOfOctets(octets.subarray(from, end < 0 ? octets.length : end)));
    if (end < 0) break;
    from = end + 1;
  }
  return texts;
}

/** The path of names with a zero byte each, the last name first. */
export function pathOfNames(octets: Buffer): string {
  return octets.length === 0 ? "/" : `/${[...textsOf(octets)].reverse().join("/")}`;
}

/** An absolute path without `.`, `..` and double slashes; what is relative begins at `directory`. */
export function resolvePath(directory: string, path: string): string {
  const names: string[] = [];
  for (const name of (path.startsWith("/") ? path : `${directory}/${path}`).split("/")) {
    if (name === "..") names.pop();
    else if (name !== "" && name !== ".") names.push(name);
  }
  return `/${names.join("/")}`;
}
