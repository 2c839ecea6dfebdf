/**
 * How a value lies in memory, declared once for the generator, the decoder, the keys and values of maps, and BTF.
 * Offsets follow C on 64-bit machines: a field is aligned to its own alignment, a struct to that of its strictest field.
 */

declare const VALUE: unique symbol;

interface Sized<T> {
  /** Bytes. */
  readonly size: number;
  /** Bytes, a power of two. */
  readonly alignment: number;
  /** Exists in types alone: what a value is in JavaScript. */
  readonly [VALUE]?: T;
}

/** An integer, little-endian unless it says otherwise (both machines that Vigil runs on are). */
export interface IntegerLayout<T = number | bigint | boolean> extends Sized<T> {
  readonly kind: "integer";
  readonly isSigned: boolean;
  readonly isBigEndian: boolean;
  /** What it is in JavaScript. A `number` of 64 bits is exact up to 2^53. */
  readonly as: "number" | "bigint" | "boolean";
}

/** Octets as they are. */
export interface BytesLayout<T = Uint8Array> extends Sized<T> {
  readonly kind: "bytes";
}

/** UTF-8 that ends at the first NUL, or at the end of the field. */
export interface TextLayout<T = string> extends Sized<T> {
  readonly kind: "text";
}

/** The same thing several times. */
export interface ArrayLayout<T = unknown> extends Sized<T> {
  readonly kind: "array";
  readonly element: Layout;
  readonly length: number;
}

/** A field at its place. */
export interface StructField {
  readonly name: string;
  /** Bytes from the start of the struct. */
  readonly offset: number;
  readonly layout: Layout;
}

/** Named fields; `T` is the object that they are in JavaScript. */
export interface StructLayout<T = unknown> extends Sized<T> {
  readonly kind: "struct";
  readonly name: string;
  /** In the order of declaration. */
  readonly fields: Readonly<Record<string, StructField>> & { readonly [K in keyof T]: StructField };
}

/** Any layout whose values are `T` in JavaScript. */
export type Layout<T = unknown> = Sized<T> &
  (IntegerLayout<unknown> | BytesLayout<unknown> | TextLayout<unknown> | ArrayLayout | StructLayout);

/** What a value of a layout is in JavaScript. */
export type ValueOf<L> = L extends Sized<infer T> ? T : never;

interface IntegerTraits {
  readonly isSigned?: boolean;
  readonly isBigEndian?: boolean;
  readonly as?: "number" | "bigint" | "boolean";
}

const integer = <T>(
  size: 1 | 2 | 4 | 8,
  { isSigned = false, isBigEndian = false, as = "number" }: IntegerTraits = {},
): IntegerLayout<T> => ({
  kind: "integer",
  size,
  alignment: size,
  isSigned,
  isBigEndian,
  as,
});

export const u8: IntegerLayout<number> = integer(1);
export const u16: IntegerLayout<number> = integer(2);
export const u32: IntegerLayout<number> = integer(4);
export const u64: IntegerLayout<bigint> = integer(8, { as: "bigint" });
/** 64 bits that are a `number` in JavaScript: exact up to 2^53 (times in ns for 104 days), without garbage when decoded. */
export const u64AsNumber: IntegerLayout<number> = integer(8);
export const i8: IntegerLayout<number> = integer(1, { isSigned: true });
export const i16: IntegerLayout<number> = integer(2, { isSigned: true });
export const i32: IntegerLayout<number> = integer(4, { isSigned: true });
export const i64: IntegerLayout<bigint> = integer(8, { isSigned: true, as: "bigint" });
/** One byte that is 0 or 1. */
export const bool: IntegerLayout<boolean> = integer(1, { as: "boolean" });
/** Big-endian, as on the wire. */
export const u16be: IntegerLayout<number> = integer(2, { isBigEndian: true });
export const u32be: IntegerLayout<number> = integer(4, { isBigEndian: true });
export const u64be: IntegerLayout<bigint> = integer(8, { isBigEndian: true, as: "bigint" });

const MAX_SIZE = 1 << 26;

function checkSize(size: number, what: string): number {
  if (!Number.isInteger(size) || size < 1 || size > MAX_SIZE)
    throw new RangeError(`expected the size of ${what} to be 1 to ${MAX_SIZE} bytes, got ${size}`);
  return size;
}

/** So many octets. */
export const bytes = (size: number): BytesLayout => ({ kind: "bytes", size: checkSize(size, "bytes"), alignment: 1 });

/** A `char[size]` that holds text. */
export const text = (size: number): TextLayout => ({ kind: "text", size: checkSize(size, "text"), alignment: 1 });

export function array<T>(element: Layout<T>, length: number): ArrayLayout<readonly T[]> {
  if (!Number.isInteger(length)) throw new RangeError(`expected a whole number of elements, got ${length}`);
  return { kind: "array", element, length, size: checkSize(element.size * length, "an array"), alignment: element.alignment };
}

const IDENTIFIER = /^[A-Za-z_]\w{0,127}$/;

/**
 * Fields in the order given, each aligned as C does, padded at the end to the alignment of the struct.
 * `size` fixes the size where it is part of an agreement; it can only add room at the end.
 */
export function struct<F extends Readonly<Record<string, Layout>>>(
  name: string,
  fields: F,
  options: { readonly size?: number; readonly packed?: boolean } = {},
): StructLayout<{ readonly [K in keyof F]: ValueOf<F[K]> }> {
  if (!IDENTIFIER.test(name)) throw new RangeError(`expected an identifier as the name of a struct, got \`${name}\``);
  const placed: Record<string, StructField> = Object.create(null);
  let offset = 0;
  let strictest = 1;
  for (const [fieldName, layout] of Object.entries(fields)) {
    // Names become source of the generated decoder.
    if (!IDENTIFIER.test(fieldName) || fieldName === "__proto__")
      throw new RangeError(`expected an identifier as a field of \`${name}\`, got \`${fieldName}\``);
    const alignment = options.packed === true ? 1 : layout.alignment;
    offset = alignUp(offset, alignment);
    placed[fieldName] = { name: fieldName, offset, layout };
    offset += layout.size;
    strictest = Math.max(strictest, alignment);
  }
  const natural = alignUp(offset, strictest);
  const size = checkSize(options.size ?? natural, `\`${name}\``);
  if (size < natural) throw new RangeError(`expected the size of \`${name}\` to be at least ${natural}, got ${size}`);
  type Value = { readonly [K in keyof F]: ValueOf<F[K]> };
  // Every key of `fields` was placed.
  return { kind: "struct", name, size, alignment: strictest, fields: placed as StructLayout<Value>["fields"] };
}

/** The next multiple of `alignment`, a power of two. */
export const alignUp = (offset: number, alignment: number): number => (offset + alignment - 1) & -alignment;
