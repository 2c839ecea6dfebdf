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
    const reader = new DerReader(bytes, { offset: 0, depth: 0, limits, count: { elements: 0 } });
    const value = read(reader);
    reader.end();
    return ok(value);
  } catch (thrown) {
    if (thrown instanceof DerError) return err(thrown);
    throw thrown;
  }
}

interface Position {
  readonly offset: number;
  readonly depth: number;
  readonly limits: DerLimits;
  /** Shared by the readers of one input. */
  readonly count: { elements: number };
}

const HIGH_TAG_NUMBER = 0x1f;

/** A cursor over the elements of one constructed value. Every method consumes what it returns. */
export class DerReader {
  readonly #bytes: Uint8Array;
  readonly #position: Position;
  #at = 0;

  constructor(bytes: Uint8Array, position: Position) {
    this.#bytes = bytes;
    this.#position = position;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** The identifier octet of the next element; undefined at the end. */
  get nextTag(): number | undefined {
    return this.#bytes[this.#at];
  }

  /** The next element, of the given tag when one is given. */
  element(tag?: number): DerElement {
    const { count, limits } = this.#position;
    if (++count.elements > limits.maxElements) throw this.#error("DER_LIMIT", `more than ${limits.maxElements} elements`);
    const start = this.#at;
    const found = this.#octet();
    if ((found & HIGH_TAG_NUMBER) === HIGH_TAG_NUMBER) throw this.#error("DER_TAG", "tag numbers above 30 are not read", start);
    if (tag !== undefined && found !== tag) throw this.#error("DER_TAG", `expected tag ${hex(tag)}, got ${hex(found)}`, start);
    const length = this.#length();
    if (length > this.#bytes.length - this.#at)
      throw this.#error("DER_TRUNCATED", `expected ${length} content octets, got ${this.#bytes.length - this.#at}`);
    const content = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return { tag: found, bytes: this.#bytes.subarray(start, this.#at), content };
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
    const { depth, limits, count, offset } = this.#position;
    if (depth >= limits.maxDepth) throw this.#error("DER_LIMIT", `nested more than ${limits.maxDepth} deep`);
    const { content } = this.element(tag);
    const inner = new DerReader(content, { offset: offset + this.#at - content.length, depth: depth + 1, limits, count });
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
    if (!this.isAtEnd) throw this.#error("DER_TRAILING", `${this.#bytes.length - this.#at} octets are left over`);
  }

  boolean(): boolean {
    const { content } = this.element(TAG.boolean);
    if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff)) throw this.#bad(content, "expected BOOLEAN 00 or ff");
    return content[0] === 0xff;
  }

  null(): null {
    const { content } = this.element(TAG.null);
    if (content.length !== 0) throw this.#bad(content, "expected an empty NULL");
    return null;
  }

  /** INTEGER of any size, minimal two's complement. */
  integer(): bigint {
    const { content } = this.element(TAG.integer);
    const [first, second] = content;
    if (first === undefined) throw this.#bad(content, "expected at least one octet of INTEGER");
    const isPadded = second !== undefined && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80));
    if (isPadded) throw this.#bad(content, "INTEGER is not minimal");
    const unsigned = BigInt(`0x${Buffer.from(content).toString("hex")}`);
    return first < 0x80 ? unsigned : unsigned - (1n << BigInt(content.length * 8));
  }

  /** INTEGER within `min`..`max`, both safe integers. */
  integerBetween(min: number, max: number): number {
    const start = this.#at;
    const value = this.integer();
    if (value < BigInt(min) || value > BigInt(max)) throw this.#error("DER_VALUE", `expected an INTEGER from ${min} to ${max}`, start);
    return Number(value);
  }

  oid(): string {
    const { content } = this.element(TAG.oid);
    const dotted = decodeOid(content);
    if (dotted === undefined) throw this.#bad(content, "not a canonical OBJECT IDENTIFIER");
    return dotted;
  }

  octetString(): Uint8Array {
    return this.element(TAG.octetString).content;
  }

  /** BIT STRING of whole octets: keys and signatures. */
  bitString(): Uint8Array {
    const { content } = this.element(TAG.bitString);
    if (content[0] !== 0) throw this.#bad(content, "expected a BIT STRING of whole octets");
    return content.subarray(1);
  }

  /** The numbers of the bits that are set in a named BIT STRING (X.690 §11.2.2). */
  namedBits(): readonly number[] {
    const { content } = this.element(TAG.bitString);
    const [unusedBits, ...octets] = content;
    const last = octets.at(-1) ?? 0;
    if (unusedBits === undefined || unusedBits > 7 || (octets.length === 0 && unusedBits !== 0))
      throw this.#bad(content, "not a BIT STRING");
    if (octets.length > 0 && (last & -last) !== 1 << unusedBits) throw this.#bad(content, "named bits end in zero bits");
    return octets.flatMap((octet, index) => [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => octet & (0x80 >> bit)).map((bit) => index * 8 + bit));
  }

  /** Text of a UTF8String, PrintableString or IA5String, checked against the alphabet of its type. */
  text(): string {
    const { tag, content } = this.element();
    const alphabet = ALPHABETS.get(tag);
    if (alphabet === undefined) throw this.#error("DER_TAG", `expected a character string, got tag ${hex(tag)}`, this.#at - content.length);
    let text: string;
    try {
      text = UTF8.decode(content);
    } catch (thrown) {
      throw this.#bad(content, messageOf(thrown).toLowerCase());
    }
    if (!alphabet.test(text)) throw this.#bad(content, "a character outside its string type");
    return text;
  }

  /** UTCTime or GeneralizedTime in the only forms that RFC 5280 §4.1.2.5 allows, in ms since the epoch. */
  time(): number {
    const { tag, content } = this.element();
    const digits = Buffer.from(content).toString("latin1");
    if (tag !== TAG.utcTime && tag !== TAG.generalizedTime) throw this.#error("DER_TAG", `expected a time, got tag ${hex(tag)}`);
    const parts = (tag === TAG.utcTime ? /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/ : /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/).exec(
      digits,
    );
    if (parts === null) throw this.#bad(content, "not a time in whole seconds of UTC");
    const [, year = "", ...rest] = parts;
    const fullYear = tag === TAG.generalizedTime ? year : `${Number(year) >= 50 ? "19" : "20"}${year}`;
    const [month, day, hour, minute, second] = rest;
    const iso = `${fullYear}-${month}-${day}T${hour}:${minute}:${second}.000Z`;
    const ms = Date.parse(iso);
    if (Number.isNaN(ms) || new Date(ms).toISOString() !== iso) throw this.#bad(content, "no such time");
    return ms;
  }

  #octet(): number {
    const octet = this.#bytes[this.#at];
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

  #bad(content: Uint8Array, message: string): DerError {
    return this.#error("DER_VALUE", message, this.#at - content.length);
  }

  #error(code: DerErrorCode, message: string, at: number = this.#at): DerError {
    return new DerError(code, this.#position.offset + at, message);
  }
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
