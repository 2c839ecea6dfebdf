/**
 * DER (ITU-T X.690): tags, and an encoder that can only produce canonical encodings. `der-reader.ts` reads them back.
 * Every function returns one complete tag-length-value.
 */
import { encodeOid } from "./oid.ts";

/** Identifier octets of the universal types that X.509, PKCS#8 and CMS use. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

const MAX_TAG_NUMBER = 30;

/** The identifier octet of `[number] IMPLICIT` over a primitive type. */
export const contextTag = (number: number): number => 0x80 | checkTagNumber(number);
/** The identifier octet of `[number] EXPLICIT`, or IMPLICIT over a SEQUENCE or SET. */
export const constructedContextTag = (number: number): number => 0xa0 | checkTagNumber(number);

function checkTagNumber(number: number): number {
  if (Number.isInteger(number) && number >= 0 && number <= MAX_TAG_NUMBER) return number;
  throw new RangeError(`expected a tag number from 0 to ${MAX_TAG_NUMBER}, got ${number}`);
}

/** One element: identifier octet, minimal definite length, the contents concatenated. */
export function encodeElement(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const content of contents) length += content.length;
  const lengthOctets = length < 0x80 ? 0 : length < 0x100 ? 1 : length < 0x10000 ? 2 : length < 0x1000000 ? 3 : 4;
  // Every octet is written below; small buffers of Node.js share memory that is already there.
  const out = Buffer.allocUnsafe(2 + lengthOctets + length);
  out[0] = tag;
  out[1] = lengthOctets === 0 ? length : 0x80 | lengthOctets;
  for (let at = 1 + lengthOctets, left = length; at > 1; at--, left >>>= 8) out[at] = left;
  let at = 2 + lengthOctets;
  for (const content of contents) {
    out.set(content, at);
    at += content.length;
  }
  return out;
}

export const encodeSequence = (...elements: readonly Uint8Array[]): Uint8Array => encodeElement(TAG.sequence, ...elements);

/** SET OF: elements in ascending order of their encodings (X.690 §11.6). */
export const encodeSetOf = (...elements: readonly Uint8Array[]): Uint8Array => encodeElement(TAG.set, ...elements.toSorted(Buffer.compare));

/** `[number] EXPLICIT` around complete elements. */
export const encodeExplicit = (number: number, ...elements: readonly Uint8Array[]): Uint8Array =>
  encodeElement(constructedContextTag(number), ...elements);

export const encodeBoolean = (value: boolean): Uint8Array => encodeElement(TAG.boolean, Uint8Array.of(value ? 0xff : 0));
export const encodeNull = (): Uint8Array => encodeElement(TAG.null);
export const encodeObjectIdentifier = (dotted: string): Uint8Array => encodeElement(TAG.oid, encodeOid(dotted));
export const encodeOctetString = (bytes: Uint8Array): Uint8Array => encodeElement(TAG.octetString, bytes);

/** BIT STRING of whole octets. */
export const encodeBitString = (bytes: Uint8Array): Uint8Array => encodeElement(TAG.bitString, Uint8Array.of(0), bytes);

/** BIT STRING of named bits 0 to 15 (X.690 §11.2.2: trailing zero bits are left out). */
export function encodeNamedBits(bits: readonly number[]): Uint8Array {
  const octets = new Uint8Array(bits.length === 0 ? 0 : (Math.max(...bits) >> 3) + 1);
  for (const bit of bits) octets[bit >> 3] = (octets[bit >> 3] ?? 0) | (0x80 >> (bit & 7));
  const unusedBits = bits.length === 0 ? 0 : 7 - (Math.max(...bits) & 7);
  return encodeElement(TAG.bitString, Uint8Array.of(unusedBits), octets);
}

/** INTEGER from a non-negative number given as big-endian octets (a serial number, a coordinate). */
export function encodeUnsignedInteger(magnitude: Uint8Array): Uint8Array {
  const start = magnitude.findIndex((octet) => octet !== 0);
  const digits = start < 0 ? Uint8Array.of(0) : magnitude.subarray(start);
  const isHighBitSet = (digits[0] ?? 0) >= 0x80;
  return isHighBitSet ? encodeElement(TAG.integer, Uint8Array.of(0), digits) : encodeElement(TAG.integer, digits);
}

/** INTEGER from a safe integer of either sign. */
export function encodeInteger(value: number): Uint8Array {
  if (!Number.isSafeInteger(value)) throw new RangeError(`expected a safe integer, got ${value}`);
  const octets: number[] = [];
  let left = value;
  do {
    octets.unshift(((left % 256) + 256) % 256);
    left = Math.floor(left / 256);
  } while (!(left === 0 && (octets[0] ?? 0) < 0x80) && !(left === -1 && (octets[0] ?? 0) >= 0x80));
  return encodeElement(TAG.integer, Uint8Array.from(octets));
}

export const encodeUtf8String = (text: string): Uint8Array => encodeElement(TAG.utf8String, Buffer.from(text, "utf8"));

/** IA5String (or its content under an implicit tag). Throws a RangeError on a character outside ASCII. */
export function encodeIa5String(text: string, tag: number = TAG.ia5String): Uint8Array {
  const bytes = Buffer.from(text, "utf8");
  if (bytes.some((byte) => byte >= 0x80)) throw new RangeError(`expected ASCII text, got \`${text}\``);
  return encodeElement(tag, bytes);
}

const MS_PER_SECOND = 1000;
const FIRST_GENERALIZED_YEAR = 2050;
const ZERO = 0x30;

/** Time in whole seconds (RFC 5280 §4.1.2.5): UTCTime through 2049, GeneralizedTime from 2050. `ms` since the epoch, 1950 to 9999. */
export function encodeTime(ms: number): Uint8Array {
  const date = new Date(Math.floor(ms / MS_PER_SECOND) * MS_PER_SECOND);
  const year = date.getUTCFullYear();
  if (!(year >= 1950 && year <= 9999)) throw new RangeError(`expected a time from 1950 to 9999, got ${ms} ms`);
  const isShort = year < FIRST_GENERALIZED_YEAR;
  const pairs = [
    ...(isShort ? [] : [Math.floor(year / 100)]),
    year % 100,
    date.getUTCMonth() + 1,
    date.getUTCDate(),
    date.getUTCHours(),
    date.getUTCMinutes(),
    date.getUTCSeconds(),
  ];
  const digits = new Uint8Array(pairs.length * 2 + 1);
  let at = 0;
  for (const pair of pairs) {
    digits[at++] = ZERO + Math.floor(pair / 10);
    digits[at++] = ZERO + (pair % 10);
  }
  digits[at] = 0x5a; // Z
  return encodeElement(isShort ? TAG.utcTime : TAG.generalizedTime, digits);
}
