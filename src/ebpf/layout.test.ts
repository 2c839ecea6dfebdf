import fc from "fast-check";
import { describe, expect, expectTypeOf, test } from "vitest";
import {
  array,
  bool,
  bytes,
  i8,
  i16,
  i32,
  i64,
  type Layout,
  struct,
  text,
  u8,
  u16,
  u16be,
  u32,
  u32be,
  u64,
  u64AsNumber,
  u64be,
  type ValueOf,
} from "./layout.ts";
import { codecOf, decodeValue, encodeValue } from "./layout-codec.ts";

const offsets = (layout: { readonly fields: Readonly<Record<string, { readonly offset: number }>> }): readonly number[] =>
  Object.values(layout.fields).map(({ offset }) => offset);

describe("layouts", () => {
  test("aligns fields and pads structs as C does", () => {
    const inner = struct("inner", { a: u8, b: u32 });
    const outer = struct("outer", { a: u8, b: inner, c: u64, d: bytes(3), e: u16be, f: array(u32, 3) });
    expect([inner.size, inner.alignment]).toEqual([8, 4]);
    expect(offsets(outer)).toEqual([0, 4, 16, 24, 28, 32]);
    expect([outer.size, outer.alignment]).toEqual([48, 8]);
  });

  test("packs, and takes a size that is agreed on", () => {
    expect(offsets(struct("packed", { a: u8, b: u64 }, { packed: true }))).toEqual([0, 1]);
    expect(struct("wide", { a: u32 }, { size: 64 }).size).toBe(64);
    expect(() => struct("narrow", { a: u64 }, { size: 4 })).toThrow(RangeError);
  });

  test.each(["__proto__", "a-b", "", "1a", "a;b"])("refuses the name `%s`", (name) => {
    expect(() => struct("s", Object.fromEntries([[name, u8]]))).toThrow(RangeError);
    expect(() => struct(name === "__proto__" ? "a b" : name, { a: u8 })).toThrow(RangeError);
  });

  test.each([0, -1, 1.5, 2 ** 40])("refuses %s bytes", (size) => {
    expect(() => bytes(size)).toThrow(RangeError);
    expect(() => array(u8, size)).toThrow(RangeError);
  });

  test("says what values are", () => {
    const layout = struct("event", { ts: u64, pid: u32, comm: text(16), ok: bool, list: array(i32, 2), nested: struct("n", { x: u16be }) });
    expectTypeOf<ValueOf<typeof layout>>().toEqualTypeOf<{
      readonly ts: bigint;
      readonly pid: number;
      readonly comm: string;
      readonly ok: boolean;
      readonly list: readonly number[];
      readonly nested: { readonly x: number };
    }>();
    const numbers: Layout<number> = u32;
    expect(numbers.size).toBe(4);
    // @ts-expect-error a layout of numbers has no wide integers
    const wrong: Layout<bigint> = u32;
    expect(wrong.size).toBe(4);
  });
});

const range = (low: bigint, high: bigint): fc.Arbitrary<bigint> => fc.bigInt({ min: low, max: high });

interface Sample {
  readonly layout: Layout;
  readonly value: fc.Arbitrary<unknown>;
}

const LEAVES: readonly Sample[] = [
  { layout: u8, value: fc.integer({ min: 0, max: 255 }) },
  { layout: i8, value: fc.integer({ min: -128, max: 127 }) },
  { layout: u16, value: fc.integer({ min: 0, max: 65_535 }) },
  { layout: u16be, value: fc.integer({ min: 0, max: 65_535 }) },
  { layout: i16, value: fc.integer({ min: -32_768, max: 32_767 }) },
  { layout: u32, value: fc.integer({ min: 0, max: 2 ** 32 - 1 }) },
  { layout: u32be, value: fc.integer({ min: 0, max: 2 ** 32 - 1 }) },
  { layout: i32, value: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }) },
  { layout: u64, value: range(0n, (1n << 64n) - 1n) },
  { layout: u64be, value: range(0n, (1n << 64n) - 1n) },
  { layout: i64, value: range(-(1n << 63n), (1n << 63n) - 1n) },
  { layout: u64AsNumber, value: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }) },
  { layout: bool, value: fc.boolean() },
  { layout: bytes(5), value: fc.uint8Array({ minLength: 5, maxLength: 5 }) },
  {
    layout: text(12),
    value: fc.string({ maxLength: 3, unit: "grapheme" }).filter((value) => !value.includes("\0") && Buffer.byteLength(value) <= 12),
  },
];

function sample(depth: number): fc.Arbitrary<{ readonly layout: Layout; readonly value: unknown }> {
  const leaf = fc.constantFrom(...LEAVES).chain(({ layout, value }) => value.map((made) => ({ layout, value: made })));
  if (depth === 0) return leaf;
  const fields = fc.array(sample(depth - 1), { minLength: 1, maxLength: 5 }).map((list) => {
    const named = list.map((field, index) => [`f${index}`, field] as const);
    return {
      layout: struct("s", Object.fromEntries(named.map(([name, field]) => [name, field.layout]))) as Layout,
      value: Object.fromEntries(named.map(([name, field]) => [name, field.value])),
    };
  });
  const list = sample(depth - 1).map((item) => ({ layout: array(item.layout, 2) as Layout, value: [item.value, item.value] }));
  return fc.oneof(leaf, fields, list);
}

describe("codecs", () => {
  test("read what they write, into a new value and into one that was there", () => {
    fc.assert(
      fc.property(sample(3), ({ layout, value }) => {
        const encoded = encodeValue(layout, value);
        expect(encoded.length).toBe(layout.size);
        expect(decodeValue(layout, encoded)).toEqual(value);
        const codec = codecOf(layout);
        const shifted = new Uint8Array(layout.size + 3);
        shifted.set(encoded, 3);
        expect(codec.decodeInto(new DataView(shifted.buffer), 3, codec.create())).toEqual(value);
      }),
    );
  });

  test.each([
    [u8, 256],
    [u8, -1],
    [i8, 128],
    [u32, 0.5],
    [u64, 1n << 64n],
    [bytes(2), new Uint8Array(3)],
    [text(2), "abc"],
    [array(u8, 2), [1]],
    [u8, "1"],
  ] as readonly (readonly [Layout, unknown])[])("refuse what does not fit", (layout, value) => {
    expect(() => encodeValue(layout, value)).toThrow(RangeError);
  });

  test("put zeros where nothing is said", () => {
    const layout = struct("padded", { a: u8, b: u32, name: text(4) });
    expect(encodeValue(layout, { a: 1, b: 2, name: "x" })).toEqual(Uint8Array.of(1, 0, 0, 0, 2, 0, 0, 0, 120, 0, 0, 0));
  });

  test("refuse too few bytes", () => {
    expect(() => decodeValue(u32, new Uint8Array(3))).toThrow(RangeError);
  });
});
