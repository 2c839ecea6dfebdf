/**
 * Shapes: what a document may look like, written as data. A shape turns untrusted JSON into a typed value, or reports what
 * is wrong, each mistake at its place in the file. As in Kubernetes a field that is null counts as absent.
 */
import type { Diagnostic } from "../lib/diagnostic.ts";
import { formatDuration, parseDuration } from "../lib/duration.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../lib/json.ts";
import { closestName } from "../lib/suggestion.ts";
import { type Document, describe, diagnose, type Path } from "./document.ts";

/** Codes of what is wrong inside a document. Each is a row in ERRORS.md. */
export type ShapeErrorCode =
  | "RESOURCE_UNKNOWN_FIELD"
  | "RESOURCE_MISSING_FIELD"
  | "RESOURCE_WRONG_TYPE"
  | "RESOURCE_INVALID_VALUE"
  | "RESOURCE_UNSUPPORTED_FIELD";

/** A place in a document that is being read, and where problems go. Its path is put together when somebody asks: most places are right. */
export class Spot {
  readonly document: Document;
  readonly problems: Diagnostic[];
  readonly #start: Path;
  readonly #parent: Spot | undefined;

  /** `path` begins at `parent`; at the root of the document without one. */
  constructor(document: Document, path: Path, problems: Diagnostic[], parent?: Spot) {
    this.document = document;
    this.problems = problems;
    this.#start = path;
    this.#parent = parent;
  }

  get path(): Path {
    return this.#parent === undefined ? this.#start : [...this.#parent.path, ...this.#start];
  }

  child(step: string | number): Spot {
    return new Spot(this.document, [step], this.problems, this);
  }

  report(code: ShapeErrorCode, message: string, hint?: string, atKey: boolean = false): void {
    this.problems.push(diagnose(this.document, this.path, { code, message, hint, atKey }));
  }

  /** The field's name in messages: `spec.validations[2].expression`. */
  get name(): string {
    return this.path.reduce<string>(
      (text, step) => (typeof step === "number" ? `${text}[${step}]` : text === "" ? step : `${text}.${step}`),
      "",
    );
  }
}

/** Reads a value of type T; undefined when it was refused, which has been reported then. */
export type Shape<T> = (value: JsonValue, spot: Spot) => T | undefined;

/** One field of a record: its shape, and what its absence means. */
export interface Field<T> {
  readonly shape: Shape<T>;
  /** Called when the field is absent; undefined result without a report means that it may be absent. */
  readonly absent: (spot: Spot) => T | undefined;
}

/** What every field of T is read as. */
export type Fields<T> = { readonly [K in keyof T]-?: Field<NonNullable<T[K]>> };

export const required = <T>(shape: Shape<T>): Field<T> => ({
  shape,
  absent: (spot) => {
    const owner = new Spot(spot.document, spot.path.slice(0, -1), spot.problems);
    owner.report("RESOURCE_MISSING_FIELD", `missing field \`${spot.name}\``, undefined, true);
    return undefined;
  },
});
export const optional = <T>(shape: Shape<T>): Field<T> => ({ shape, absent: () => undefined });
export const withDefault = <T>(shape: Shape<T>, value: T): Field<T> => ({ shape, absent: () => value });

/** A mapping with exactly these fields; those in `ignored` may hold anything (`status`). */
export function record<T extends object>(fields: Fields<T>, ignored: readonly string[] = []): Shape<T> {
  const names = Object.keys(fields) as (keyof T & string)[]; // the keys of an object literal that is typed by T
  const known = new Set<string>([...names, ...ignored]);
  // Copied for each record, which is much faster than adding field after field.
  const blank = Object.fromEntries(names.map((name) => [name, undefined])) as Partial<T>; // every field of T may be absent in a Partial
  return (value, spot) => {
    const entries = asMapping(value, spot);
    if (entries === undefined) return undefined;
    const problemsBefore = spot.problems.length;
    for (const name of Object.keys(entries)) {
      if (!known.has(name)) reportUnknown(spot.child(name), name, known);
    }
    const result: Partial<T> = { ...blank };
    for (const name of names) {
      const field: Field<NonNullable<T[typeof name]>> = fields[name] as never; // Fields<T> maps each name to the shape of its type
      const child = entries[name] ?? null;
      const at = spot.child(name);
      result[name] = (child === null ? field.absent(at) : field.shape(child, at)) as T[typeof name];
    }
    // Every field was read or reported; without a report the record is complete.
    return spot.problems.length === problemsBefore ? (result as T) : undefined;
  };
}

function reportUnknown(spot: Spot, name: string, known: ReadonlySet<string>): void {
  const near = closestName(name, known);
  const hint = near === undefined ? `expected one of ${[...known].map((field) => `\`${field}\``).join(", ")}` : `did you mean \`${near}\`?`;
  spot.report("RESOURCE_UNKNOWN_FIELD", `unknown field \`${spot.name}\``, hint, true);
}

export const text: Shape<string> = (value, spot) => {
  if (typeof value === "string") return value;
  const isScalar = typeof value !== "object";
  return wrongType(value, spot, "a string", isScalar ? "put it in quotes" : undefined);
};

export const nonEmptyText: Shape<string> = (value, spot) => {
  const read = text(value, spot);
  if (read === undefined || read.trim() !== "") return read;
  spot.report("RESOURCE_INVALID_VALUE", `expected \`${spot.name}\` to be not empty`);
  return undefined;
};

export const flag: Shape<boolean> = (value, spot) => (typeof value === "boolean" ? value : wrongType(value, spot, "true or false"));

/** An integer from `min` to `max`. */
export const integer =
  (min: number, max: number): Shape<number> =>
  (value, spot) => {
    if (typeof value !== "number" || !Number.isInteger(value)) return wrongType(value, spot, "an integer");
    if (value >= min && value <= max) return value;
    spot.report("RESOURCE_INVALID_VALUE", `expected \`${spot.name}\` to be from ${min} to ${max}, got \`${value}\``);
    return undefined;
  };

/** One of these words. */
export const oneOf =
  <T extends string>(...words: readonly T[]): Shape<T> =>
  (value, spot) => {
    const read = text(value, spot);
    if (read === undefined) return undefined;
    const found = words.find((word) => word === read);
    if (found !== undefined) return found;
    const near = closestName(read, words);
    const message = `expected \`${spot.name}\` to be ${words.map((word) => `\`${word}\``).join(" or ")}, got \`${read}\``;
    spot.report("RESOURCE_INVALID_VALUE", message, near === undefined ? undefined : `did you mean \`${near}\`?`);
    return undefined;
  };

/** A list of `item`, of at least `min` and at most `max` items. */
export const listOf =
  <T>(item: Shape<T>, { min = 0, max = 10_000 }: { readonly min?: number; readonly max?: number } = {}): Shape<readonly T[]> =>
  (value, spot) => {
    if (!isJsonArray(value)) return wrongType(value, spot, "a list");
    if (value.length < min) spot.report("RESOURCE_INVALID_VALUE", `expected \`${spot.name}\` to have at least ${items(min)}`);
    if (value.length > max) spot.report("RESOURCE_INVALID_VALUE", `expected \`${spot.name}\` to have at most ${items(max)}`);
    if (value.length < min || value.length > max) return undefined;
    const read: T[] = [];
    for (const [index, child] of value.entries()) {
      const result = item(child, spot.child(index));
      if (result !== undefined) read.push(result);
    }
    return read.length === value.length ? read : undefined;
  };

const items = (count: number): string => (count === 1 ? "one item" : `${count} items`);

/** A mapping from any key to strings. */
export const textMap: Shape<{ readonly [key: string]: string }> = (value, spot) => {
  const entries = asMapping(value, spot);
  if (entries === undefined) return undefined;
  const read: { [key: string]: string } = {};
  for (const [key, child] of Object.entries(entries)) {
    const result = text(child, spot.child(key));
    if (result !== undefined) read[key] = result;
  }
  return Object.keys(read).length === Object.keys(entries).length ? read : undefined;
};

/** A point in time as RFC 3339 writes it, in milliseconds since the epoch. */
export const timestamp: Shape<number> = (value, spot) => {
  const read = text(value, spot);
  if (read === undefined) return undefined;
  const isRfc3339 = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[-+]\d{2}:\d{2})$/.test(read);
  const atMs = isRfc3339 ? Date.parse(read.toUpperCase()) : Number.NaN;
  if (!Number.isNaN(atMs)) return atMs;
  spot.report("RESOURCE_INVALID_VALUE", `expected \`${spot.name}\` to be a time, got \`${read}\``, "write it as `2026-05-01T00:00:00Z`");
  return undefined;
};

/** A duration as people write it (`15m`, `1h30m`), from `minMs` to `maxMs`, in milliseconds. */
export const duration =
  (minMs: number, maxMs: number): Shape<number> =>
  (value, spot) => {
    const read = text(value, spot);
    if (read === undefined) return undefined;
    const durationMs = parseDuration(read);
    if (durationMs !== undefined && durationMs >= minMs && durationMs <= maxMs) return durationMs;
    const range = `from ${formatDuration(minMs)} to ${formatDuration(maxMs)}`;
    spot.report(
      "RESOURCE_INVALID_VALUE",
      `expected \`${spot.name}\` to be a duration ${range}, got \`${read}\``,
      "such as `15m` or `1h30m`",
    );
    return undefined;
  };

/** `shape`, and then `check`, which reports what else is wrong. */
export const checked =
  <T>(shape: Shape<T>, check: (value: T, spot: Spot) => void): Shape<T> =>
  (value, spot) => {
    const read = shape(value, spot);
    if (read === undefined) return undefined;
    const problemsBefore = spot.problems.length;
    check(read, spot);
    return spot.problems.length === problemsBefore ? read : undefined;
  };

/** Reports the second of two items that are the same by `key`. */
export function checkUnique<T>(values: readonly T[], spot: Spot, key: (value: T) => string, field?: string): void {
  const seen = new Set<string>();
  for (const [index, value] of values.entries()) {
    const name = key(value);
    const at = field === undefined ? spot.child(index) : spot.child(index).child(field);
    if (seen.has(name)) at.report("RESOURCE_INVALID_VALUE", `duplicate \`${name}\` in \`${spot.name}\``, "remove one of the two");
    seen.add(name);
  }
}

function asMapping(value: JsonValue, spot: Spot): JsonObject | undefined {
  return isJsonObject(value) ? value : wrongType(value, spot, "a mapping");
}

function wrongType(value: JsonValue, spot: Spot, expected: string, hint?: string): undefined {
  spot.report("RESOURCE_WRONG_TYPE", `expected \`${spot.name}\` to be ${expected}, got ${describe(value)}`, hint);
  return undefined;
}
