/** Values of a layout between bytes and JavaScript. */
import type { IntegerLayout, Layout, StructField } from "./layout.ts";
import { compileStructReader } from "./struct-reader.ts";

/** Reads and writes values of a layout. Offsets count bytes from the start of the view. */
export interface LayoutCodec<T> {
  /** A new value. */
  decode(view: DataView, offset: number): T;
  /**
   * Overwrites a value that `create` made, for readers of many records: numbers make no garbage, texts and wide integers do.
   * A number or a text cannot be overwritten, so that a `Layout` of one gives its value back as `decode` does.
   */
  decodeInto(view: DataView, offset: number, into: T): T;
  /** Writes a value. Throws a `RangeError` when it does not fit; what is missing of a text or of octets is zeros. */
  encode(view: DataView, offset: number, value: T): void;
  /** A value of zeros. */
  create(): T;
}

const codecs = new WeakMap<Layout, LayoutCodec<unknown>>();

/** The codec of a layout; one for each. */
export function codecOf<T>(layout: Layout<T>): LayoutCodec<T> {
  let codec = codecs.get(layout);
  if (codec === undefined) {
    codec = createCodec(layout);
    codecs.set(layout, codec);
  }
  // The codec of a layout of T has values of T.
  return codec as LayoutCodec<T>;
}

function createCodec(layout: Layout): LayoutCodec<unknown> {
  const read = readerOf(layout);
  const write = writerOf(layout, layout.kind === "struct" ? layout.name : layout.kind);
  const create = (): unknown => read(new DataView(new ArrayBuffer(layout.size)), 0);
  const overwrite = layout.kind === "struct" ? compileStructReader(layout, readerOf) : undefined;
  return { decode: read, decodeInto: (view, offset, into) => overwrite?.(view, offset, into) ?? read(view, offset), encode: write, create };
}

type Reader = (view: DataView, offset: number) => unknown;
type Writer = (view: DataView, offset: number, value: unknown) => void;

/** All of a value's bytes, encoded. */
export function encodeValue<T>(layout: Layout<T>, value: T): Uint8Array {
  const bytes = new Uint8Array(layout.size);
  codecOf(layout).encode(new DataView(bytes.buffer), 0, value);
  return bytes;
}

/** The value in bytes, from their start on. Throws a `RangeError` when there are too few. */
export function decodeValue<T>(layout: Layout<T>, bytes: Uint8Array): T {
  if (bytes.length < layout.size) throw new RangeError(`expected ${layout.size} bytes, got ${bytes.length}`);
  return codecOf(layout).decode(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0);
}

function readerOf(layout: Layout): Reader {
  switch (layout.kind) {
    case "integer":
      return integerReader(layout);
    case "bytes": {
      const { size } = layout;
      return (view, offset) => bytesOf(view, offset, size).slice();
    }
    case "text": {
      const { size } = layout;
      return (view, offset) => textOf(view, offset, size);
    }
    case "array": {
      const { length, element } = layout;
      const read = readerOf(element);
      return (view, offset) => Array.from({ length }, (_, index) => read(view, offset + index * element.size));
    }
    case "struct": {
      const fields = fieldsOf(layout).map((field) => ({ ...field, read: readerOf(field.layout) }));
      return (view, offset) => {
        const value: Record<string, unknown> = {};
        for (const field of fields) value[field.name] = field.read(view, offset + field.offset);
        return value;
      };
    }
    default:
      return layout satisfies never;
  }
}

const fieldsOf = (layout: Layout & { readonly kind: "struct" }): readonly StructField[] =>
  Object.values<StructField>(layout.fields as Readonly<Record<string, StructField>>);

const bytesOf = (view: DataView, offset: number, size: number): Uint8Array => new Uint8Array(view.buffer, view.byteOffset + offset, size);

function textOf(view: DataView, offset: number, size: number): string {
  // A Buffer's own conversion is several times as fast as a TextDecoder for short texts.
  const bytes = Buffer.from(view.buffer, view.byteOffset + offset, size);
  const end = bytes.indexOf(0);
  return bytes.toString("utf8", 0, end < 0 ? size : end);
}

function integerReader({ size, isSigned, isBigEndian, as }: IntegerLayout<unknown>): Reader {
  const little = !isBigEndian;
  if (as === "boolean") return (view, offset) => view.getUint8(offset) !== 0;
  if (as === "bigint") return (view, offset) => (isSigned ? view.getBigInt64(offset, little) : view.getBigUint64(offset, little));
  switch (size) {
    case 1:
      return (view, offset) => (isSigned ? view.getInt8(offset) : view.getUint8(offset));
    case 2:
      return (view, offset) => (isSigned ? view.getInt16(offset, little) : view.getUint16(offset, little));
    case 4:
      return (view, offset) => (isSigned ? view.getInt32(offset, little) : view.getUint32(offset, little));
    default:
      return (view, offset) => wideNumber(view, offset, isSigned, little);
  }
}

function wideNumber(view: DataView, offset: number, isSigned: boolean, little: boolean): number {
  const highAt = little ? offset + 4 : offset;
  const high = isSigned ? view.getInt32(highAt, little) : view.getUint32(highAt, little);
  return high * 0x1_0000_0000 + view.getUint32(little ? offset : offset + 4, little);
}

function writerOf(layout: Layout, path: string): Writer {
  switch (layout.kind) {
    case "integer":
      return integerWriter(layout, path);
    case "bytes":
      return (view, offset, value) =>
        writeBytes(view, offset, layout.size, expect(value instanceof Uint8Array, path, "octets", value), path);
    case "text":
      // The last byte may be used: the kernel's own texts end with NUL, but nobody needs it in a field of known size.
      return (view, offset, value) =>
        writeBytes(view, offset, layout.size, Buffer.from(expect(typeof value === "string", path, "text", value) as string), path);
    case "array": {
      const { length, element } = layout;
      const write = writerOf(element, `${path}[]`);
      return (view, offset, value) => {
        const list = expect(Array.isArray(value) && value.length === length, path, `a list of ${length}`, value) as readonly unknown[];
        for (const [index, item] of list.entries()) write(view, offset + index * element.size, item);
      };
    }
    case "struct": {
      const fields = fieldsOf(layout).map((field) => ({ ...field, write: writerOf(field.layout, `${path}.${field.name}`) }));
      const { size } = layout;
      return (view, offset, value) => {
        const record = expect(typeof value === "object" && value !== null, path, "an object", value) as Readonly<Record<string, unknown>>;
        // Padding too: keys are compared as bytes.
        bytesOf(view, offset, size).fill(0);
        for (const field of fields) field.write(view, offset + field.offset, record[field.name]);
      };
    }
    default:
      return layout satisfies never;
  }
}

function expect(holds: boolean, path: string, what: string, value: unknown): unknown {
  if (!holds)
    throw new RangeError(`expected \`${path}\` to be ${what}, got ${Array.isArray(value) ? `a list of ${value.length}` : typeof value}`);
  return value;
}

function writeBytes(view: DataView, offset: number, size: number, value: unknown, path: string): void {
  const bytes = value as Uint8Array;
  if (bytes.length > size) throw new RangeError(`expected \`${path}\` to have at most ${size} bytes, got ${bytes.length}`);
  const target = bytesOf(view, offset, size);
  target.set(bytes);
  target.fill(0, bytes.length);
}

function integerWriter({ size, isSigned, isBigEndian }: IntegerLayout<unknown>, path: string): Writer {
  const little = !isBigEndian;
  const bits = BigInt(size * 8);
  const low = isSigned ? -(1n << (bits - 1n)) : 0n;
  const high = isSigned ? (1n << (bits - 1n)) - 1n : (1n << bits) - 1n;
  const [least, most] = [Number(low), Number(high)];
  return (view, offset, value) => {
    // Most values are small numbers, and maps are filled with many of them.
    if (typeof value === "number" && size !== 8 && Number.isInteger(value) && value >= least && value <= most) {
      if (size === 4) view.setUint32(offset, value, little);
      else if (size === 2) view.setUint16(offset, value, little);
      else view.setUint8(offset, value);
      return;
    }
    const whole = typeof value === "bigint" ? value : BigInt(expect(isWhole(value), path, "a whole number", value) as number | boolean);
    if (whole < low || whole > high) throw new RangeError(`expected \`${path}\` to be ${low} to ${high}, got ${whole}`);
    if (size === 8) view.setBigUint64(offset, BigInt.asUintN(64, whole), little);
    else if (size === 4) view.setUint32(offset, Number(whole), little);
    else if (size === 2) view.setUint16(offset, Number(whole), little);
    else view.setUint8(offset, Number(whole));
  };
}

const isWhole = (value: unknown): boolean => typeof value === "boolean" || (typeof value === "number" && Number.isSafeInteger(value));
