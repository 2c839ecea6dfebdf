/**
 * Strings of CEL count code points, strings of JavaScript UTF-16 units. The two differ only where a string has surrogate
 * pairs, which is rare: every function here has a fast way for the strings that have none.
 */

const SURROGATE = /[\ud800-\udfff]/;

/** Whether indexes by unit and by code point may differ. */
export const hasSurrogates = (text: string): boolean => SURROGATE.test(text);

export function codePointCount(text: string): number {
  return hasSurrogates(text) ? codePointIndex(text, text.length) : text.length;
}

/** The number of code points before a unit index. */
export function codePointIndex(text: string, unitIndex: number): number {
  let count = 0;
  for (let unit = 0; unit < unitIndex; count++) unit += (text.codePointAt(unit) ?? 0) > 0xffff ? 2 : 1;
  return count;
}

/** The unit index of the code point number `index`, at most the length of the text. */
export function unitIndex(text: string, index: number): number {
  let unit = 0;
  for (let count = 0; count < index && unit < text.length; count++) unit += (text.codePointAt(unit) ?? 0) > 0xffff ? 2 : 1;
  return unit;
}

/** Bytes of the text in UTF-8; a lone surrogate takes three. */
export function utf8Length(text: string): number {
  let length = text.length;
  for (let unit = 0; unit < text.length; unit++) {
    const code = text.charCodeAt(unit);
    if (code < 0x80) continue;
    if (code < 0x800) length += 1;
    else if ((text.codePointAt(unit) ?? 0) > 0xffff) {
      length += 2;
      unit++;
    } else length += 2;
  }
  return length;
}
