/**
 * Run-time values of CEL as JavaScript values. The representation is chosen so that parsed JSON *is* a CEL value:
 *
 * | CEL | JavaScript |
 * |---|---|
 * | null, bool, string | null, boolean, string |
 * | int | an integral `number` within ±(2^53-1), otherwise a `bigint` within int64 |
 * | double | a `number` that is not integral (NaN and ±Infinity included), otherwise a `CelDouble` (integral doubles and -0) |
 * | uint | `CelUint` |
 * | bytes | `Uint8Array` |
 * | list | a dense array |
 * | map | a plain object (own enumerable string keys), or a `CelMap` when a key is not a string |
 * | timestamp, duration | `CelTimestamp`, `CelDuration` |
 * | optional | `CelOptional` |
 * | type | `CelTypeValue` |
 * | extension types (quantity, ip, url, …) | an object that extends `CelOpaque` |
 * | error | `CelError`: a value, never thrown on the expected path |
 *
 * An integral JSON number is therefore an int, as in Kubernetes. Where a static type says double, a backend accepts an
 * integral `number` as a double. Values are immutable by convention: no function changes its arguments.
 */
import type { CelType } from "./type.ts";

export type CelValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | CelDouble
  | CelUint
  | CelTimestamp
  | CelDuration
  | CelOptional
  | CelTypeValue
  | CelMap
  | CelOpaque
  | CelError
  | readonly CelValue[]
  | { readonly [key: string]: CelValue };

/** An integral (or -0) double, boxed so that `type(1.0)` and `1.0 / 2.0` stay right once the value flows into dyn. */
export class CelDouble {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

/** An unsigned 64-bit integer. INVARIANT: 0 <= value < 2^64. */
export class CelUint {
  readonly value: bigint;
  constructor(value: bigint) {
    this.value = value;
  }
}

/** A point in time, 0001-01-01T00:00:00Z to 9999-12-31T23:59:59.999999999Z. `seconds` since the epoch, `nanos` 0..999,999,999. */
export class CelTimestamp {
  readonly seconds: number;
  readonly nanos: number;
  constructor(seconds: number, nanos: number) {
    this.seconds = seconds;
    this.nanos = nanos;
  }
}

/** A signed span of at most ±315,576,000,000 s. `nanos` has the sign of `seconds` (or either sign when seconds is 0). */
export class CelDuration {
  readonly seconds: number;
  readonly nanos: number;
  constructor(seconds: number, nanos: number) {
    this.seconds = seconds;
    this.nanos = nanos;
  }
}

/** `optional.of(x)` or `optional.none()`. */
export class CelOptional {
  readonly hasValue: boolean;
  readonly value: CelValue;
  constructor(hasValue: boolean, value: CelValue) {
    this.hasValue = hasValue;
    this.value = value;
  }
}
export const NONE: CelOptional = new CelOptional(false, null);

/** A type as a value, the result of `type(x)`. */
export class CelTypeValue {
  readonly type: CelType;
  constructor(type: CelType) {
    this.type = type;
  }
}

/**
 * A map with keys that need not be strings. Keys are normalised to a JavaScript primitive by `mapKey`
 * (strings as `s:…`, booleans, and all numbers that are equal in CEL to one key), entries keep the original key.
 */
export class CelMap {
  readonly entries: ReadonlyMap<string | number | bigint | boolean, readonly [key: CelValue, value: CelValue]>;
  constructor(entries: ReadonlyMap<string | number | bigint | boolean, readonly [key: CelValue, value: CelValue]>) {
    this.entries = entries;
  }
}

/** A value of an extension type. Each extension defines one subclass with readonly fields. */
export abstract class CelOpaque {
  abstract readonly celType: CelType;
  /** Equality in CEL's sense with another value of the same celType name. */
  abstract equals(other: CelOpaque): boolean;
  /** The value as JSON for output, where it has one (`quantity("1Gi")` → "1Gi"). */
  toCelJson?(): CelValue;
}

/** Codes of errors at evaluation. Each is a row in ERRORS.md. */
export type CelErrorCode =
  | "CEL_NO_SUCH_FIELD"
  | "CEL_NO_SUCH_KEY"
  | "CEL_NO_SUCH_OVERLOAD"
  | "CEL_NO_SUCH_VARIABLE"
  | "CEL_INDEX_OUT_OF_BOUNDS"
  | "CEL_DIVIDE_BY_ZERO"
  | "CEL_OVERFLOW"
  | "CEL_INVALID_ARGUMENT"
  | "CEL_DUPLICATE_KEY"
  | "CEL_NOT_BOOL"
  | "CEL_NONE_DEREFERENCE"
  | "CEL_COST_LIMIT"
  | "CEL_UNAVAILABLE"
  | "CEL_INTERNAL";

/** An error as a value. `start`/`end` are offsets of the failing sub-expression; -1 when the failing function did not know them (the backend fills them in). */
export class CelError {
  readonly code: CelErrorCode;
  readonly message: string;
  readonly start: number;
  readonly end: number;
  constructor(code: CelErrorCode, message: string, start: number = -1, end: number = -1) {
    this.code = code;
    this.message = message;
    this.start = start;
    this.end = end;
  }
}
