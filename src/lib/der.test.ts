import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  constructedContextTag,
  encodeBitString,
  encodeBoolean,
  encodeElement,
  encodeExplicit,
  encodeIa5String,
  encodeInteger,
  encodeNamedBits,
  encodeNull,
  encodeObjectIdentifier,
  encodeOctetString,
  encodeSequence,
  encodeSetOf,
  encodeTime,
  encodeUnsignedInteger,
  encodeUtf8String,
  TAG,
} from "./der.ts";
import { DEFAULT_DER_LIMITS, type DerElement, type DerErrorCode, type DerReader, readDer } from "./der-reader.ts";
import { decodeOid, encodeOid } from "./oid.ts";

const bytesOf = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex.replaceAll(" ", ""), "hex"));
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

function readWhole<T>(bytes: Uint8Array, read: (reader: DerReader) => T): T {
  const result = readDer(bytes, read);
  if (!result.ok) throw result.error;
  return result.value;
}

function codeOf(bytes: Uint8Array, read: (reader: DerReader) => unknown): DerErrorCode | "read" {
  const result = readDer(bytes, read);
  return result.ok ? "read" : result.error.code;
}

/** Reads any element to its leaves and encodes it again. */
function reencode(reader: DerReader): Uint8Array {
  const tag = reader.nextTag ?? 0;
  const isConstructed = (tag & 0x20) !== 0;
  if (isConstructed) return reader.enter(tag, (inner) => encodeElement(tag, ...inner.rest(reencode)));
  const element: DerElement = reader.element();
  return encodeElement(element.tag, element.content);
}

describe("encoding", () => {
  test.each([
    ["a short sequence", encodeSequence(encodeNull(), encodeBoolean(true)), "30050500 0101ff"],
    ["a length of 128", encodeOctetString(new Uint8Array(128)).subarray(0, 3), "048180"],
    ["a length of 256", encodeOctetString(new Uint8Array(256)).subarray(0, 4), "04820100"],
    ["zero", encodeInteger(0), "020100"],
    ["127 and 128", encodeSequence(encodeInteger(127), encodeInteger(128)), "3007 02017f 02020080"],
    ["-128 and -129", encodeSequence(encodeInteger(-128), encodeInteger(-129)), "3007 020180 0202ff7f"],
    ["an unsigned number with its high bit set", encodeUnsignedInteger(bytesOf("0000ff01")), "020300ff01"],
    ["named bits 0 and 5", encodeNamedBits([0, 5]), "03020284"],
    ["no named bits", encodeNamedBits([]), "030100"],
    ["rsaEncryption", encodeObjectIdentifier("1.2.840.113549.1.1.1"), "06092a864886f70d010101"],
    ["an identifier below 2", encodeObjectIdentifier("2.999.3"), "0603883703"],
    ["the last second of UTCTime", encodeTime(Date.UTC(2049, 11, 31, 23, 59, 59)), `170d${hexOf(Buffer.from("491231235959Z"))}`],
    ["the first of GeneralizedTime", encodeTime(Date.UTC(2050, 0, 1)), `180f${hexOf(Buffer.from("20500101000000Z"))}`],
    ["a set in order of its encodings", encodeSetOf(encodeInteger(2), encodeInteger(1)), "3106 020101 020102"],
    ["an explicit tag", encodeExplicit(3, encodeNull()), "a3020500"],
  ])("writes %s", (_, encoded, expected) => expect(hexOf(encoded)).toBe(expected.replaceAll(" ", "")));

  test.each([
    ["a tag number above 30", () => constructedContextTag(31)],
    ["text outside ASCII", () => encodeIa5String("é")],
    ["a fraction", () => encodeInteger(0.5)],
    ["a year after 9999", () => encodeTime(Date.UTC(10000, 0, 1))],
    ["an identifier of one arc", () => encodeOid("1")],
    ["a second arc above 39", () => encodeOid("1.40")],
    ["an arc that is no number", () => encodeOid("1.2.x")],
  ])("refuses %s", (_, encode) => expect(encode).toThrow(RangeError));
});

describe("reading", () => {
  test.each<[string, string, (reader: DerReader) => unknown, DerErrorCode]>([
    ["an empty input", "", (r) => r.element(), "DER_TRUNCATED"],
    ["a missing length", "30", (r) => r.element(), "DER_TRUNCATED"],
    ["missing content", "0402 00", (r) => r.element(), "DER_TRUNCATED"],
    ["an indefinite length", "3080 0000", (r) => r.element(), "DER_LENGTH"],
    ["a long form below 128", "048101 00", (r) => r.element(), "DER_LENGTH"],
    ["a long form with a leading zero", `04820080${"00".repeat(128)}`, (r) => r.element(), "DER_LENGTH"],
    ["a length of five octets", "04850000000001 00", (r) => r.element(), "DER_LENGTH"],
    ["a high tag number", "1f810100", (r) => r.element(), "DER_TAG"],
    ["another tag", "0500", (r) => r.integer(), "DER_TAG"],
    ["octets after the end", "050000", (r) => r.null(), "DER_TRAILING"],
    ["octets left in a sequence", "3002 0500", (r) => r.sequence(() => 0), "DER_TRAILING"],
    ["a boolean of 01", "010101", (r) => r.boolean(), "DER_VALUE"],
    ["a null with content", "050100", (r) => r.null(), "DER_VALUE"],
    ["an empty integer", "0200", (r) => r.integer(), "DER_VALUE"],
    ["a padded positive integer", "0202007f", (r) => r.integer(), "DER_VALUE"],
    ["a padded negative integer", "0202ff80", (r) => r.integer(), "DER_VALUE"],
    ["an integer out of range", "020102", (r) => r.integerBetween(0, 1), "DER_VALUE"],
    ["an empty identifier", "0600", (r) => r.oid(), "DER_VALUE"],
    ["a padded arc", "06022a80", (r) => r.oid(), "DER_VALUE"],
    ["an arc with leading zeros", "06032a8001", (r) => r.oid(), "DER_VALUE"],
    ["a bit string without its count", "0300", (r) => r.namedBits(), "DER_VALUE"],
    ["a negative number where none may be", "020180", (r) => r.unsignedInteger(), "DER_VALUE"],
    ["digits that are none in a time", `170d${hexOf(Buffer.from("49123123595:Z"))}`, (r) => r.time(), "DER_VALUE"],
    [
      "a time with its last octet outside its sequence",
      `300e 170d${hexOf(Buffer.from("491231235959Z"))}`,
      (r) => r.sequence((s) => s.time()),
      "DER_TRUNCATED",
    ],
    ["eight unused bits", "03020800", (r) => r.namedBits(), "DER_VALUE"],
    ["named bits with a zero tail", "03020100", (r) => r.namedBits(), "DER_VALUE"],
    ["unused bits in a key", "03020780", (r) => r.bitString(), "DER_VALUE"],
    ["a set out of order", "3106 020102 020101", (r) => r.setOf((s) => s.integer()), "DER_VALUE"],
    ["invalid UTF-8", "0c02c328", (r) => r.text(), "DER_VALUE"],
    ["an asterisk in PrintableString", "13012a", (r) => r.text(), "DER_VALUE"],
    ["a byte above ASCII in IA5String", "1602c3a9", (r) => r.text(), "DER_VALUE"],
    ["text under another tag", "0400", (r) => r.text(), "DER_TAG"],
    ["a time without seconds", `170b${hexOf(Buffer.from("4912312359Z"))}`, (r) => r.time(), "DER_VALUE"],
    ["February 30", `170d${hexOf(Buffer.from("490230235959Z"))}`, (r) => r.time(), "DER_VALUE"],
    ["a time under another tag", "0500", (r) => r.time(), "DER_TAG"],
  ])("refuses %s", (_, hex, read, code) => expect(codeOf(bytesOf(hex), read)).toBe(code));

  test("refuses what exceeds its limits", () => {
    const nested = (depth: number): Uint8Array => (depth === 0 ? encodeNull() : encodeSequence(nested(depth - 1)));
    const { maxDepth, maxElements, maxBytes } = DEFAULT_DER_LIMITS;
    expect(codeOf(nested(maxDepth), reencode)).toBe("read");
    expect(codeOf(nested(maxDepth + 1), reencode)).toBe("DER_LIMIT");
    expect(codeOf(encodeSequence(...new Array<Uint8Array>(maxElements).fill(encodeNull())), reencode)).toBe("DER_LIMIT");
    expect(codeOf(encodeOctetString(new Uint8Array(maxBytes)), (r) => r.octetString())).toBe("DER_LIMIT");
  });

  test("names the octet where the input stops being DER", () => {
    const result = readDer(encodeSequence(encodeNull(), bytesOf("010107")), (r) => r.sequence((s) => [s.null(), s.boolean()]));
    expect(result.ok ? undefined : result.error.offset).toBe(6);
  });

  test("lets an exception of the caller pass", () => {
    const fail = (): never => {
      throw new TypeError("mine");
    };
    expect(() => readDer(encodeNull(), fail)).toThrow(TypeError);
  });
});

describe("round trips", () => {
  const arcs = fc.tuple(fc.constantFrom(0, 1, 2), fc.nat(39), fc.array(fc.maxSafeNat(), { maxLength: 10 }));
  test("identifiers", () => {
    fc.assert(
      fc.property(arcs, ([first, second, rest]) => {
        const dotted = [first, second, ...rest].join(".");
        expect(decodeOid(encodeOid(dotted))).toBe(dotted);
      }),
    );
  });

  test("integers, times, texts, bits and bytes", () => {
    fc.assert(
      fc.property(
        fc.maxSafeInteger(),
        fc.integer({ min: Date.UTC(1950, 0, 1) / 1000, max: Date.UTC(9999, 11, 31) / 1000 }),
        fc.string({ unit: "binary" }),
        fc.uniqueArray(fc.nat(15)),
        fc.uint8Array({ maxLength: 300 }),
        (integer, seconds, text, bits, bytes) => {
          expect(readWhole(encodeInteger(integer), (r) => r.integer())).toBe(BigInt(integer));
          expect(readWhole(encodeTime(seconds * 1000), (r) => r.time())).toBe(seconds * 1000);
          expect(readWhole(encodeUtf8String(text), (r) => r.text())).toBe(text);
          expect(readWhole(encodeNamedBits(bits), (r) => r.namedBits())).toEqual(bits.toSorted((a, b) => a - b));
          expect(hexOf(readWhole(encodeBitString(bytes), (r) => r.bitString()))).toBe(hexOf(bytes));
          const magnitude = readWhole(encodeUnsignedInteger(bytes), (r) => r.integer());
          expect(magnitude).toBe(BigInt(`0x0${hexOf(bytes)}`));
        },
      ),
    );
  });

  test("a time is read when the calendar has it, whatever its digits are", () => {
    const two = fc.oneof(fc.nat(99), fc.nat(31), fc.nat(12)).map((number) => String(number).padStart(2, "0"));
    fc.assert(
      fc.property(
        fc.boolean(),
        two,
        fc.tuple(two, two, two, two, two, two),
        (isShort, century, [year, month, day, hour, minute, second]) => {
          const text = `${isShort ? "" : century}${year}${month}${day}${hour}${minute}${second}Z`;
          const fullYear = isShort ? `${Number(year) >= 50 ? "19" : "20"}${year}` : `${century}${year}`;
          const iso = `${fullYear}-${month}-${day}T${hour}:${minute}:${second}.000Z`;
          const ms = Date.parse(iso);
          const isTime = !Number.isNaN(ms) && new Date(ms).toISOString() === iso;
          const read = readDer(encodeElement(isShort ? TAG.utcTime : TAG.generalizedTime, Buffer.from(text)), (r) => r.time());
          expect(read.ok ? read.value : undefined).toBe(isTime ? ms : undefined);
        },
      ),
      { numRuns: 3000 },
    );
  });

  test("whatever is read encodes to the same octets: there is one encoding of a value", () => {
    const tree = fc.letrec<{ node: Uint8Array }>((tie) => ({
      node: fc.oneof(
        { depthSize: "small" },
        fc.uint8Array({ maxLength: 200 }).map(encodeOctetString),
        fc.maxSafeInteger().map(encodeInteger),
        fc.array(tie("node"), { maxLength: 4 }).map((nodes) => encodeSequence(...nodes)),
        fc.array(tie("node"), { maxLength: 4 }).map((nodes) => encodeExplicit(1, ...nodes)),
      ),
    })).node;
    const mutated = fc.tuple(tree, fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 3 })).map(([bytes, changes]) => {
      const out = Uint8Array.from(bytes);
      for (const [at, value] of changes) out[at % out.length] = value;
      return out;
    });
    fc.assert(
      fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 64 })), (bytes) => {
        const result = readDer(bytes, reencode);
        if (result.ok) expect(hexOf(result.value)).toBe(hexOf(bytes));
      }),
      { numRuns: 2000 },
    );
  });
});
