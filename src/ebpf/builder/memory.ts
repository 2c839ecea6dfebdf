/** Memory that a program may read and write, with the layout of what lies in it. */
import { EbpfError } from "../ebpf-error.ts";
import type { IntegerLayout, Layout, StructField } from "../layout.ts";
import type { AtomicOperation } from "../opcode.ts";
import type { Emitter } from "./emitter.ts";
import { type Expression, expressionOf, Scalar, type ScalarLike, shifted } from "./expression.ts";
import type { HeldRecord, PathState } from "./path-state.ts";

/** What memory asks of the function that it belongs to. */
export interface Statements {
  readonly emitter: Emitter;
  readonly state: PathState;
  /** Begins a statement: what follows stands for the caller's line. */
  begin(): void;
  /** The value of r0, where it stays. */
  result(name: string): Scalar;
}

/** Where memory is, and what must hold before it is used. */
export interface Region {
  readonly kind: "stack" | "map value" | "record" | "packet" | "context" | "socket";
  /** Only memory that begins with unknown bytes is followed: what has been written of it. */
  readonly written?: object;
  readonly record?: HeldRecord;
}

/** The whole of memory that is followed, rather than one field of it. */
const WHOLE = "";

type Numeric = number | bigint | boolean;
type Plain<T> = T extends Uint8Array | string | readonly unknown[] | Numeric ? never : T;

/** Names of the fields that are numbers. */
export type NumericField<T> = { [K in keyof Plain<T>]: Plain<T>[K] extends Numeric ? K : never }[keyof Plain<T>] & string;
/** Names of all fields. */
export type FieldName<T> = keyof Plain<T> & string;
type ElementOf<T> = T extends readonly (infer E)[] ? E : never;

/** A value for memory with the layout of a `T`: a number, memory to copy, or an object with a value for each field. */
export type Argument<T> = [T] extends [Numeric]
  ? ScalarLike
  : Memory<T> | ([T] extends [Uint8Array | string | readonly unknown[]] ? never : { readonly [K in keyof T]: Argument<T[K]> });

/** Memory, whatever lies in it. */
export interface AnyMemory {
  readonly layout: Layout;
  readonly region: Region;
  readonly base: Expression;
  checkReadable(): void;
  markWritten(): void;
}

/** Memory with the layout of a `T`. */
export class Memory<T = unknown> implements AnyMemory {
  readonly layout: Layout<T>;
  readonly region: Region;
  readonly base: Expression;
  readonly #code: Statements;
  readonly #part: string;

  /** Functions of `Code` make them. */
  constructor(code: Statements, layout: Layout<T>, base: Expression, region: Region, part: string = WHOLE) {
    this.#code = code;
    this.layout = layout;
    this.base = base;
    this.region = region;
    this.#part = part;
  }

  /** The number in a field. */
  get(field: NumericField<T>): Scalar {
    const { offset, layout } = this.#field(field);
    return this.#load(offset, layout, field);
  }

  /** The number, where the memory is one. */
  value(): Scalar {
    return this.#load(0, this.layout, "value");
  }

  /** The memory of a field. */
  at<K extends FieldName<T>>(field: K): Memory<Plain<T>[K]> {
    const { offset, layout } = this.#field(field);
    // The layout of field K has the values of field K.
    return new Memory(this.#code, layout as Layout<Plain<T>[K]>, shifted(this.base, offset), this.region, this.#part || field);
  }

  /** The memory of an element of an array. An index that is computed must have been compared with the length, or masked. */
  element(index: ScalarLike): Memory<ElementOf<T>> {
    const { layout } = this;
    if (layout.kind !== "array") throw new TypeError(`expected an array, got ${layout.kind}`);
    const element = layout.element as Layout<ElementOf<T>>;
    if (!(index instanceof Scalar)) {
      if (index < 0 || index >= layout.length) throw new RangeError(`expected an index below ${layout.length}, got ${index}`);
      return new Memory(this.#code, element, shifted(this.base, Number(index) * element.size), this.region, this.#part);
    }
    const offset = (element.size === 1 ? index : index.mul(element.size)).expression;
    const base: Expression = { kind: "binary", operation: "add", left: this.base, right: offset, bits: 64 };
    return new Memory(this.#code, element, base, this.region, this.#part);
  }

  /** The same memory, read as something else that is not larger; or what begins so many bytes into it. */
  as<U>(layout: Layout<U>, offset = 0): Memory<U> {
    if (offset < 0 || offset + layout.size > this.layout.size)
      throw new RangeError(`expected at most ${this.layout.size} bytes, got ${layout.size} at ${offset}`);
    return new Memory(this.#code, layout, shifted(this.base, offset), this.region, this.#part);
  }

  /** Writes a number into a field. */
  set(field: NumericField<T>, value: ScalarLike): void {
    this.#code.begin();
    const { offset, layout } = this.#field(field);
    this.#store(offset, layout, expressionOf(value));
    this.markWritten(field);
  }

  /** Writes the number, where the memory is one. */
  setValue(value: ScalarLike): void {
    this.#code.begin();
    this.#store(0, this.layout, expressionOf(value));
    this.markWritten();
  }

  /** Writes a number, a copy of other memory, or the fields that an object has. */
  assign(value: Argument<T>): void {
    const given: unknown = value;
    if (given instanceof Memory) this.copyFrom(given);
    else if (given instanceof Scalar || typeof given === "number" || typeof given === "bigint") this.setValue(given);
    else if (typeof given === "object" && given !== null) for (const [name, part] of Object.entries(given)) this.#assignField(name, part);
    else throw new TypeError(`expected a value for ${this.layout.kind}, got ${typeof given}`);
  }

  #assignField(name: string, value: unknown): void {
    const { offset, layout } = this.#field(name);
    new Memory(this.#code, layout, shifted(this.base, offset), this.region, this.#part || name).assign(value as Argument<unknown>);
  }

  /** Adds to a field at once, whatever other CPUs do. Of four or eight bytes. */
  increment(field: NumericField<T>, by: ScalarLike = 1): void {
    const { offset, layout } = this.#field(field);
    this.#atomic("add", offset, layout, by);
  }

  /** Adds to the number at once, where the memory is one. */
  incrementValue(by: ScalarLike = 1): void {
    this.#atomic("add", 0, this.layout, by);
  }

  /** An atomic operation on a field; what was there before, where the operation fetches it. */
  fetch(operation: "fetchAdd" | "fetchOr" | "fetchAnd" | "fetchXor" | "exchange", field: NumericField<T>, value: ScalarLike): Scalar {
    const { offset, layout } = this.#field(field);
    this.#atomic(operation, offset, layout, value);
    return this.#code.result(`${field} before`);
  }

  /** Puts `value` into a field if `expected` is there; what was there before. */
  compareExchange(field: NumericField<T>, expected: ScalarLike, value: ScalarLike): Scalar {
    this.#code.begin();
    this.checkReadable();
    const { offset, layout } = this.#field(field);
    const width = atomicWidth(layout);
    this.#code.emitter.compareExchange(width, this.base, offset, expressionOf(expected), expressionOf(value));
    return this.#code.result(`${field} before`);
  }

  /** Sets bits of a field at once. */
  setBits(field: NumericField<T>, bits: ScalarLike): void {
    const { offset, layout } = this.#field(field);
    this.#atomic("or", offset, layout, bits);
  }

  /** Writes zeros. */
  clear(): void {
    this.#code.begin();
    this.#words((offset, width) => this.#code.emitter.store(width, this.base, offset, { kind: "constant", value: 0n }));
    this.markWritten();
  }

  /** Copies memory of the same size, at most 256 bytes. */
  copyFrom(other: AnyMemory): void {
    if (other.layout.size !== this.layout.size)
      throw new RangeError(`expected ${this.layout.size} bytes to copy, got ${other.layout.size}`);
    this.#code.begin();
    other.checkReadable();
    const { emitter } = this.#code;
    const alignment = Math.min(this.layout.alignment, other.layout.alignment);
    this.#words((offset, width) => {
      const value: Expression = { kind: "load", base: other.base, offset, width, isSigned: false, isBigEndian: false };
      emitter.store(width, this.base, offset, value);
    }, alignment);
    this.markWritten();
  }

  /** Throws where the memory may not be read: a record that was given away, bytes that nobody has written. */
  checkReadable(): void {
    this.#checkRecord();
    const { written } = this.region;
    const { state, emitter } = this.#code;
    if (written === undefined || state.isWritten(written, WHOLE) || state.isWritten(written, this.#part)) return;
    throw new EbpfError(
      "EBPF_UNINITIALISED",
      `${this.#part === WHOLE ? `the ${this.region.kind}` : `\`${this.#part}\``} is read before it is written`,
      {
        source: emitter.source,
      },
    );
  }

  /** Says that the memory has been written, by a function of the kernel for one. */
  markWritten(field: string = WHOLE): void {
    this.#checkRecord();
    if (this.region.written !== undefined) this.#code.state.write(this.region.written, this.#part || field);
  }

  #checkRecord(): void {
    const { record } = this.region;
    if (record === undefined || !this.#code.emitter.isReachable || this.#code.state.isHeld(record)) return;
    throw new EbpfError("EBPF_RECORD", `a record of \`${record.ring}\` is used after it was submitted or discarded`, {
      source: this.#code.emitter.source,
    });
  }

  #field(name: string): StructField {
    if (this.layout.kind !== "struct") throw new TypeError(`expected a struct, got ${this.layout.kind}`);
    const fields: Readonly<Record<string, StructField>> = this.layout.fields;
    const field = fields[name];
    if (field === undefined) throw new TypeError(`\`${this.layout.name}\` has no field \`${name}\``);
    return field;
  }

  #load(offset: number, layout: Layout, comment: string): Scalar {
    const { size, isSigned, isBigEndian } = integerOf(layout);
    const part = this.#part || comment;
    const whole = new Memory(this.#code, this.layout, this.base, this.region, this.region.written === undefined ? WHOLE : part);
    const guard = (): void => whole.checkReadable();
    return new Scalar({ kind: "load", base: this.base, offset, width: widthOf(size), isSigned, isBigEndian, comment: part, guard });
  }

  #store(offset: number, layout: Layout, value: Expression): void {
    const { size, isBigEndian } = integerOf(layout);
    this.#checkRecord();
    this.#code.emitter.store(widthOf(size), this.base, offset, value, isBigEndian);
  }

  #atomic(operation: AtomicOperation, offset: number, layout: Layout, value: ScalarLike): void {
    this.#code.begin();
    this.checkReadable();
    this.#code.emitter.atomic(operation, atomicWidth(layout), this.base, offset, expressionOf(value));
  }

  /** All bytes in the widest steps that their alignment allows. */
  #words(each: (offset: number, width: 1 | 2 | 4 | 8) => void, alignment = this.layout.alignment): void {
    const { size } = this.layout;
    // The stack and records are aligned to eight bytes; inside of values only the alignment of the layout is certain.
    const widest =
      this.region.kind === "stack" && this.base.kind === "frame" && alignment === this.layout.alignment
        ? alignOf(this.base.offset)
        : alignment;
    let offset = 0;
    while (offset < size) {
      const width = ([8, 4, 2, 1] as const).find((candidate) => candidate <= widest && offset + candidate <= size) ?? 1;
      each(offset, width);
      offset += width;
    }
    if (size > MAX_UNROLLED * widest)
      throw new RangeError(`expected at most ${MAX_UNROLLED * widest} bytes, got ${size}: let the kernel copy them`);
  }
}

const MAX_UNROLLED = 64;

const alignOf = (offset: number): number => (offset % 8 === 0 ? 8 : offset % 4 === 0 ? 4 : offset % 2 === 0 ? 2 : 1);

function integerOf(layout: Layout): IntegerLayout<unknown> {
  if (layout.kind !== "integer") throw new TypeError(`expected a number, got ${layout.kind}: take it with \`at\``);
  return layout;
}

function widthOf(size: number): 1 | 2 | 4 | 8 {
  if (size === 1 || size === 2 || size === 4 || size === 8) return size;
  throw new TypeError(`expected 1, 2, 4 or 8 bytes, got ${size}`);
}

function atomicWidth(layout: Layout): 4 | 8 {
  const { size, isBigEndian } = integerOf(layout);
  if ((size !== 4 && size !== 8) || isBigEndian) throw new TypeError("expected a number of 4 or 8 bytes in the machine's order");
  return size;
}
