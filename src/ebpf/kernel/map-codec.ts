/** Keys and values of maps between bytes and JavaScript, by their layouts. */
import type { ArrayLayout, IntegerLayout, Layout, StructLayout } from "../layout.ts";
import { u32 } from "../layout.ts";
import type { MapSpec } from "../map-spec.ts";

export interface Codec<T> {
  encode(view: DataView, offset: number, value: T): void;
  /** A new value each time. */
  decode(view: DataView, offset: number): T;
}

/** How values of a layout are written and read. */
export function codecOf<T>(layout: Layout<T>): Codec<T> {
  // Each codec below is of the type that its layout declares.
  return codecOfKind(layout) as Codec<T>;
}

function codecOfKind(layout: Layout): Codec<unknown> {
  switch (layout.kind) {
    case "integer":
      return integerCodec(layout);
    case "bytes":
      return bytesCodec(layout.size);
    case "text":
      return textCodec(layout.size);
    case "array":
      return arrayCodec(layout);
    case "struct":
      return structCodec(layout);
    default:
      return layout satisfies never;
  }
}

function integerCodec({ size, isSigned, isBigEndian, as }: IntegerLayout<unknown>): Codec<number | bigint | boolean> {
  const codec = size === 8 ? wideCodec(isSigned, !isBigEndian) : narrowCodec(size, isSigned, !isBigEndian);
  if (as === "boolean") return { encode: codec.encode, decode: (view, offset) => Number(codec.decode(view, offset)) !== 0 };
  const convert = as === "bigint" ? BigInt : Number;
  return { encode: codec.encode, decode: (view, offset) => convert(codec.decode(view, offset)) };
}

function narrowCodec(size: number, isSigned: boolean, littleEndian: boolean): Codec<number | bigint | boolean> {
  const [low, high] = isSigned ? [-(2 ** (size * 8 - 1)), 2 ** (size * 8 - 1) - 1] : [0, 2 ** (size * 8) - 1];
  return {
    encode: (view, offset, value) => {
      const integer = checkInteger(Number(value), low, high);
      if (size === 1) view.setUint8(offset, integer);
      else if (size === 2) view.setUint16(offset, integer, littleEndian);
      else view.setUint32(offset, integer, littleEndian);
    },
    decode: (view, offset) => {
      if (size === 1) return isSigned ? view.getInt8(offset) : view.getUint8(offset);
      if (size === 2) return isSigned ? view.getInt16(offset, littleEndian) : view.getUint16(offset, littleEndian);
      return isSigned ? view.getInt32(offset, littleEndian) : view.getUint32(offset, littleEndian);
    },
  };
}

function checkInteger(value: number, low: number, high: number): number {
  if (!Number.isInteger(value) || value < low || value > high)
    throw new RangeError(`expected an integer from ${low} to ${high}, got ${value}`);
  return value;
}

function wideCodec(isSigned: boolean, littleEndian: boolean): Codec<number | bigint | boolean> {
  const [low, high] = isSigned ? [-(1n << 63n), (1n << 63n) - 1n] : [0n, (1n << 64n) - 1n];
  return {
    encode: (view, offset, value) => {
      const integer = BigInt(value);
      if (integer < low || integer > high) throw new RangeError(`expected an integer from ${low} to ${high}, got ${value}`);
      view.setBigUint64(offset, BigInt.asUintN(64, integer), littleEndian);
    },
    decode: (view, offset) => (isSigned ? view.getBigInt64(offset, littleEndian) : view.getBigUint64(offset, littleEndian)),
  };
}

function bytesCodec(size: number): Codec<Uint8Array> {
  return {
    encode: (view, offset, value) => {
      if (value.length !== size) throw new RangeError(`expected ${size} octets, got ${value.length}`);
      new Uint8Array(view.buffer, view.byteOffset + offset, size).set(value);
    },
    decode: (view, offset) => new Uint8Array(view.buffer, view.byteOffset + offset, size).slice(),
  };
}

function textCodec(size: number): Codec<string> {
  return {
    encode: (view, offset, value) => {
      const encoded = Buffer.from(value, "utf8");
      if (encoded.length > size) throw new RangeError(`expected text of at most ${size} octets, got ${encoded.length}`);
      const field = new Uint8Array(view.buffer, view.byteOffset + offset, size).fill(0);
      field.set(encoded);
    },
    decode: (view, offset) => {
      const field = Buffer.from(view.buffer, view.byteOffset + offset, size);
      const end = field.indexOf(0);
      return field.toString("utf8", 0, end === -1 ? size : end);
    },
  };
}

function arrayCodec({ element, length }: ArrayLayout): Codec<readonly unknown[]> {
  const codec = codecOf(element);
  return {
    encode: (view, offset, values) => {
      if (values.length !== length) throw new RangeError(`expected ${length} elements, got ${values.length}`);
      for (const [index, value] of values.entries()) codec.encode(view, offset + index * element.size, value);
    },
    decode: (view, offset) => Array.from({ length }, (_, index) => codec.decode(view, offset + index * element.size)),
  };
}

function structCodec({ fields, size }: StructLayout): Codec<Readonly<Record<string, unknown>>> {
  const members = Object.values(fields).map((field) => ({ ...field, codec: codecOf(field.layout) }));
  return {
    encode: (view, offset, value) => {
      // Padding is part of a key: it has to be the same each time.
      new Uint8Array(view.buffer, view.byteOffset + offset, size).fill(0);
      for (const member of members) member.codec.encode(view, offset + member.offset, value[member.name]);
    },
    decode: (view, offset) => {
      const value: Record<string, unknown> = {};
      for (const member of members) value[member.name] = member.codec.decode(view, offset + member.offset);
      return value;
    },
  };
}

/** Of a map's keys; indexes of arrays are numbers. */
export function keyCodec<K, V>(spec: MapSpec<K, V>): Codec<K> {
  if (spec.key !== undefined) return codecOf(spec.key);
  if (spec.keySize !== u32.size) throw new TypeError(`expected the map \`${spec.name}\` to have a layout for its keys`);
  // Without a layout, keys of 4 bytes are indexes or descriptors, whose type in JavaScript is number.
  return codecOf(u32) as Codec<unknown> as Codec<K>;
}

export function valueCodec<K, V>(spec: MapSpec<K, V>): Codec<V> {
  if (spec.value === undefined) throw new TypeError(`expected the map \`${spec.name}\` to have a layout for its values`);
  return codecOf(spec.value);
}
