/**
 * Which names may be read with plain property access. Absent from a map, most names read as undefined on every run-time
 * value, so `x?.spec` is the entry or undefined whatever `x` is. Names that some value has anyway, by its prototype or as
 * a field of its class, are read only from plain objects.
 */

import type { CelValue } from "../value.ts";

/** Fields of the classes in value.ts, and of the libraries' extension types (a test keeps this list complete). */
const CLASS_FIELDS: ReadonlySet<string> = new Set([
  "value",
  "seconds",
  "nanos",
  "hasValue",
  "type",
  "entries",
  "code",
  "message",
  "start",
  "end",
  "celType",
  "equals",
  "toCelJson",
  "address",
  "prefix",
  "name",
  "validate",
  "regexLength",
  "text",
  "major",
  "minor",
  "patch",
  "prerelease",
  "parts",
  "unscaled",
  "exponent",
  "notation",
  "isCompact",
  "content",
  "accepts",
  "check",
]);

const prototypeNames = (...prototypes: readonly object[]): ReadonlySet<string> =>
  new Set(prototypes.flatMap((prototype) => Object.getOwnPropertyNames(prototype)));

const OBJECT_NAMES = prototypeNames(Object.prototype);
const BUILT_IN_NAMES = prototypeNames(
  Array.prototype,
  String.prototype,
  Number.prototype,
  Boolean.prototype,
  BigInt.prototype,
  Uint8Array.prototype,
  Object.getPrototypeOf(Uint8Array.prototype),
);

/** `direct`: undefined wherever it is absent. `plain`: only from plain objects. `own`: on the prototype of plain objects too. */
export type Access = "direct" | "plain" | "own";

export function accessTo(name: string): Access {
  // What looks like an index reads elements of lists and characters of strings.
  if (OBJECT_NAMES.has(name) || /^\d*$/.test(name)) return "own";
  return BUILT_IN_NAMES.has(name) || CLASS_FIELDS.has(name) ? "plain" : "direct";
}

/** A value as something with fields, which JavaScript lets every value but null and undefined be. */
type Fields = { readonly [name: string]: CelValue | undefined } | null | undefined;

/** Plain property access. Only for names with direct access, or on plain objects and names with plain access. */
// INVARIANT: by the choice of names, what is read is an entry of a map, or undefined.
export const readDirect = (value: CelValue | undefined, name: string): CelValue | undefined => (value as Fields)?.[name];

/** Whether a value surely is a map with string keys: the usual ones are, `isPlainMap` knows the others. */
export const isUsualMap = (value: CelValue | undefined): boolean => value?.constructor === Object;
