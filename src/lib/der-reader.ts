/**
 * A strict reader of DER (ITU-T X.690): what is not the one canonical encoding is refused, with the offset where it stops being it.
 * It serves certificates from strangers: size, depth and number of elements are limited and nothing is copied.
 */
import { constructedContextTag, TAG } from "./der.ts";
import { messageOf, VigilError } from "./error.ts";
import { decodeOid } from "./oid.ts";
import { err, ok, type Result } from "./result.ts";

export type DerErrorCode = "DER_TRUNCATED" | "DER_LENGTH" | "DER_TAG" | "DER_VALUE" | "DER_TRAILING" | "DER_LIMIT";

/** What is not DER, and at which octet of the input. */
export class DerError extends VigilError<DerErrorCode> {
  readonly offset: number;
  constructor(code: DerErrorCode, offset: number, message: string) {
    super(code, `${message} at octet ${offset}`);
    this.offset = offset;
  }
}

export interface DerLimits {
  readonly maxBytes: number;
  readonly maxDepth: number;
  readonly maxElements: number;
}

/** Enough for any certificate in use; a chain is read certificate by certificate. */
export const DEFAULT_DER_LIMITS: DerLimits = { maxBytes: 64 * 1024, maxDepth: 24, maxElements: 4096 };

export interface DerElement {
  /** The identifier octet. */
  readonly tag: number;
  /** The whole element, a view of the input. */
  readonly bytes: Uint8Array;
  /** Its content octets, a view of the input. */
  readonly content: Uint8Array;
}

/**
 * Runs `read` over `bytes` and returns its value, or the first thing that is not strict DER or not what `read` expects.
 * All octets must be consumed. The reader throws `DerError` only; any other exception of `read` passes through.
 */
export function readDer<T>(bytes: Uint8Array, read: (reader: DerReader) => T, limits: DerLimits = DEFAULT_DER_LIMITS): Result<T, DerError> {
  try {
    if (bytes.length > limits.maxBytes)
      throw new DerError("DER_LIMIT", 0, `expected at most ${limits.maxBytes} octets, got ${bytes.length}`);
    const reader = new DerReader({ bytes, limits, elements: 0 }, { start: 0, end: bytes.length, depth: 0 });
    const value = read(reader);
    reader.end();
    return ok(value);
  } catch (thrown) {
    if (thrown instanceof DerError) return err(thrown);
    throw thrown;
  }
}

/** One input, and how many elements were read of it. */
interface Input {
  readonly bytes: Uint8Array;
  readonly limits: DerLimits;
  elements: number;
}

interface Range {
  readonly start: number;
  readonly end: number;
  readonly depth: number;
}

const HIGH_TAG_NUMBER = 0x1f;

/** A cursor over the elements of one constructed value. Every method consumes what it returns. */
export class DerReader {
  readonly #input: Input;
  readonly #bytes: Uint8Array;
  readonly #end: number;
  readonly #depth: number;
  #at: number;
  #contentEnd = 0;

  constructor(input: Input, { start, end, depth }: Range) {
    this.#input = input;
    this.#bytes = input.bytes;
    this.#at = start;
    this.#end = end;
    this.#depth = depth;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#end;
  }

  /** The identifier octet of the next element; undefined at the end. */
  get nextTag(): number | undefined {
    return this.isAtEnd ? undefined : this.#bytes[this.#at];
  }

  /** The next element, of the given tag when one is given. */
  element(tag?: number): DerElement {
    const start = this.#at;
    const found = this.#header(tag);
    const contentStart = this.#at;
    const end = this.#skipContent();
    return { tag: found, bytes: this.#bytes.subarray(start, end), content: this.#bytes.subarray(contentStart, end) };
  }

  /** The next element, which stays next. */
  peek(): DerElement {
    const at = this.#at;
    const element = this.element();
    this.#at = at;
    return element;
  }

  /** Enters the next element, which must have `tag`, and runs `read` over its content; all of it must be consumed. */
  enter<T>(tag: number, read: (reader: DerReader) => T): T {
    const { limits } = this.#input;
    if (this.#depth >= limits.maxDepth) throw this.#error("DER_LIMIT", `nested more than ${limits.maxDepth} deep`);
    this.#header(tag);
    const start = this.#at;
    const inner = new DerReader(this.#input, { start, end: this.#skipContent(), depth: this.#depth + 1 });
    const value = read(inner);
    inner.end();
    return value;
  }

  sequence<T>(read: (reader: DerReader) => T): T {
    return this.enter(TAG.sequence, read);
  }

  /** SEQUENCE OF. */
  sequenceOf<T>(read: (reader: DerReader) => T): readonly T[] {
    return this.sequence((inner) => inner.rest(read));
  }

  /** SET OF, whose elements must stand in ascending order of their encodings. */
  setOf<T>(read: (reader: DerReader) => T): readonly T[] {
    return this.enter(TAG.set, (inner) => {
      let previous: Uint8Array = new Uint8Array(0);
      return inner.rest(() => {
        const start = inner.#at;
        const value = read(inner);
        const current = inner.#bytes.subarray(start, inner.#at);
        if (Buffer.compare(previous, current) > 0) throw inner.#error("DER_VALUE", "the elements of a SET OF are out of order", start);
        previous = current;
        return value;
      });
    });
  }

  /** `[number] EXPLICIT`, when it is next. */
  optionalExplicit<T>(number: number, read: (reader: DerReader) => T): T | undefined {
    const tag = constructedContextTag(number);
    return this.nextTag === tag ? this.enter(tag, read) : undefined;
  }

  /** Everything up to the end of this value. */
  rest<T>(read: (reader: DerReader) => T): readonly T[] {
    const values: T[] = [];
    while (!this.isAtEnd) values.push(read(this));
    return values;
  }

  /** Throws when octets are left. */
  end(): void {
    if (!this.isAtEnd) throw this.#error("DER_TRAILING", `${this.#end - this.#at} octets are left over`);
  }

  boolean(): boolean {
    const start = this.#primitive(TAG.boolean);
    const value = this.#bytes[start];
    if (this.#at - start !== 1 || (value !== 0 && value !== 0xff)) throw this.#bad(start, "expected BOOLEAN 00 or ff");
    return value === 0xff;
  }

  null(): null {
    const start = this.#primitive(TAG.null);
    if (this.#at !== start) throw this.#bad(start, "expected an empty NULL");
    return null;
  }

  /** INTEGER of any size, minimal two's complement. */
  integer(): bigint {
    const start = this.#integer();
    const content = this.#bytes.subarray(start, this.#at);
    const unsigned = BigInt(`0x${Buffer.from(content.buffer, content.byteOffset, content.length).toString("hex")}`);
    return (content[0] ?? 0) < 0x80 ? unsigned : unsigned - (1n << BigInt(content.length * 8));
  }

  /** INTEGER from 0 on, as big-endian octets without leading zeros: a view of the input. */
  unsignedInteger(): Uint8Array {
    const start = this.#integer();
    const first = this.#bytes[start] ?? 0;
    if (first >= 0x80) throw this.#bad(start, "expected an INTEGER from 0 on");
    return this.#bytes.subarray(first === 0 ? start + 1 : start, this.#at);
  }

  /** INTEGER within `min`..`max`, both safe integers. */
  integerBetween(min: number, max: number): number {
    const start = this.#at;
    const value = this.integer();
    if (value < BigInt(min) || value > BigInt(max)) throw this.#error("DER_VALUE", `expected an INTEGER from ${min} to ${max}`, start);
    return Number(value);
  }

  oid(): string {
    const start = this.#primitive(TAG.oid);
    const dotted = decodeOid(this.#bytes, start, this.#at);
    if (dotted === undefined) throw this.#bad(start, "not a canonical OBJECT IDENTIFIER");
    return dotted;
  }

  octetString(): Uint8Array {
    const start = this.#primitive(TAG.octetString);
    return this.#bytes.subarray(start, this.#at);
  }

  /** BIT STRING of whole octets: keys and signatures. */
  bitString(): Uint8Array {
    const start = this.#primitive(TAG.bitString);
    if (start === this.#at || this.#bytes[start] !== 0) throw this.#bad(start, "expected a BIT STRING of whole octets");
    return this.#bytes.subarray(start + 1, this.#at);
  }

  /** The numbers of the bits that are set in a named BIT STRING (X.690 §11.2.2). */
  namedBits(): readonly number[] {
    const start = this.#primitive(TAG.bitString);
    const octets = this.#at - start - 1;
    const unusedBits = this.#bytes[start] ?? 0;
    if (octets < 0 || unusedBits > 7 || (octets === 0 && unusedBits !== 0)) throw this.#bad(start, "not a BIT STRING");
    const last = this.#bytes[start + octets] ?? 0;
    if (octets > 0 && (last & -last) !== 1 << unusedBits) throw this.#bad(start, "named bits end in zero bits");
    const bits: number[] = [];
    for (let bit = 0; bit < octets * 8; bit++) {
      if (((this.#bytes[start + 1 + (bit >> 3)] ?? 0) & (0x80 >> (bit & 7))) !== 0) bits.push(bit);
    }
    return bits;
  }

  /** Text of a UTF8String, PrintableString or IA5String, checked against the alphabet of its type. */
  text(): string {
    const tag = this.#header();
    const start = this.#at;
    const alphabet = ALPHABETS.get(tag);
    if (alphabet === undefined) throw this.#error("DER_TAG", `expected a character string, got tag ${hex(tag)}`);
    const content = this.#bytes.subarray(start, this.#skipContent());
    let text: string;
    try {
      text = UTF8.decode(content);
    } catch (thrown) {
      throw this.#bad(start, messageOf(thrown).toLowerCase());
    }
    if (!alphabet.test(text)) throw this.#bad(start, "a character outside its string type");
    return text;
  }

  /** UTCTime or GeneralizedTime in the only forms that RFC 5280 §4.1.2.5 allows, in ms since the epoch. */
  time(): number {
    const tag = this.#header();
    if (tag !== TAG.utcTime && tag !== TAG.generalizedTime) throw this.#error("DER_TAG", `expected a time, got tag ${hex(tag)}`);
    const start = this.#at;
    const end = this.#skipContent();
    const yearDigits = tag === TAG.utcTime ? 2 : 4;
    if (end - start !== yearDigits + 11 || this.#bytes[end - 1] !== UTC || !this.#areDigits(start, end - 1))
      throw this.#bad(start, "not a time in whole seconds of UTC");
    const pair = (index: number): number => this.#pairOfDigits(end - 11 + 2 * index);
    const short = this.#pairOfDigits(start);
    const year = tag === TAG.utcTime ? short + (short >= 50 ? 1900 : 2000) : short * 100 + this.#pairOfDigits(start + 2);
    const ms = timeOf(year, [pair(0), pair(1), pair(2), pair(3), pair(4)]);
    if (ms === undefined) throw this.#bad(start, "no such time");
    return ms;
  }

  #areDigits(start: number, end: number): boolean {
    for (let at = start; at < end; at++) {
      const digit = (this.#bytes[at] ?? 0) - ZERO;
      if (digit < 0 || digit > 9) return false;
    }
    return true;
  }

  #pairOfDigits(at: number): number {
    return ((this.#bytes[at] ?? 0) - ZERO) * 10 + ((this.#bytes[at + 1] ?? 0) - ZERO);
  }

  /** Consumes identifier and length of the next element and remembers where its content ends. */
  #header(tag?: number): number {
    const { limits } = this.#input;
    if (++this.#input.elements > limits.maxElements) throw this.#error("DER_LIMIT", `more than ${limits.maxElements} elements`);
    const start = this.#at;
    const found = this.#octet();
    if ((found & HIGH_TAG_NUMBER) === HIGH_TAG_NUMBER) throw this.#error("DER_TAG", "tag numbers above 30 are not read", start);
    if (tag !== undefined && found !== tag) throw this.#error("DER_TAG", `expected tag ${hex(tag)}, got ${hex(found)}`, start);
    const length = this.#length();
    if (length > this.#end - this.#at) throw this.#error("DER_TRUNCATED", `expected ${length} content octets, got ${this.#end - this.#at}`);
    this.#contentEnd = this.#at + length;
    return found;
  }

  /** Consumes the content whose header was read last, and returns where it ends. */
  #skipContent(): number {
    this.#at = this.#contentEnd;
    return this.#at;
  }

  /** Consumes the next element and returns where its content starts. */
  #primitive(tag: number): number {
    this.#header(tag);
    const start = this.#at;
    this.#skipContent();
    return start;
  }

  /** Consumes an INTEGER and returns where its content starts. */
  #integer(): number {
    const start = this.#primitive(TAG.integer);
    const length = this.#at - start;
    const [first = 0, second = 0] = [this.#bytes[start], this.#bytes[start + 1]];
    if (length === 0) throw this.#bad(start, "expected at least one octet of INTEGER");
    const isPadded = length > 1 && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80));
    if (isPadded) throw this.#bad(start, "INTEGER is not minimal");
    return start;
  }

  #octet(): number {
    const octet = this.nextTag;
    if (octet === undefined) throw this.#error("DER_TRUNCATED", "expected another octet");
    this.#at++;
    return octet;
  }

  #length(): number {
    const first = this.#octet();
    if (first < 0x80) return first;
    const size = first & 0x7f;
    if (size === 0 || size > 4)
      throw this.#error("DER_LENGTH", size === 0 ? "indefinite length" : "length of more than four octets", this.#at - 1);
    let length = 0;
    for (let i = 0; i < size; i++) length = length * 256 + this.#octet();
    if (length < 0x80 || length < 256 ** (size - 1)) throw this.#error("DER_LENGTH", "length is not minimal", this.#at - size - 1);
    return length;
  }

  #bad(start: number, message: string): DerError {
    return this.#error("DER_VALUE", message, start);
  }

  #error(code: DerErrorCode, message: string, at: number = this.#at): DerError {
    return new DerError(code, at, message);
  }
}

const ZERO = 0x30;
/** The `Z` at the end of a time. */
const UTC = 0x5a;
const DAYS_IN_MONTH = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
/** After which the calendar repeats itself. */
const CYCLE_YEARS = 400;
const CYCLE_MS = 146_097 * 86_400_000;

/** Milliseconds since the epoch; undefined when the calendar has no such time. */
function timeOf(year: number, [month, day, hour, minute, second]: readonly [number, number, number, number, number]): number | undefined {
  const isLeapYear = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const days = month === 2 && !isLeapYear ? 28 : (DAYS_IN_MONTH[month - 1] ?? 0);
  if (day < 1 || day > days || hour > 23 || minute > 59 || second > 59) return undefined;
  // `Date.UTC` takes years below 100 for those of the twentieth century.
  return Date.UTC(year + CYCLE_YEARS, month - 1, day, hour, minute, second) - CYCLE_MS;
}

const hex = (tag: number): string => tag.toString(16).padStart(2, "0");

// ignoreBOM: a leading U+FEFF is a character like any other and must survive the round trip.
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const ALPHABETS: ReadonlyMap<number, RegExp> = new Map([
  [TAG.utf8String, /^/],
  [TAG.printableString, /^[A-Za-z0-9 '()+,\-./:=?]*$/],
  // biome-ignore lint/suspicious/noControlCharactersInRegex: IA5String is all of ASCII, controls included
  [TAG.ia5String, /^[\x00-\x7f]*$/],
]);
