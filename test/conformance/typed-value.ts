/** Values with their exact types as comparable data: from the conformance data (the JSON of `cel.expr.Value`), and from an evaluation. */
import { Buffer } from "node:buffer";
import { formatDouble } from "../../src/cel/runtime/double.ts";
import { formatDuration, parseDuration } from "../../src/cel/runtime/duration.ts";
import { isMap, mapGet, mapKeys } from "../../src/cel/runtime/map.ts";
import { formatTimestamp, parseTimestamp } from "../../src/cel/runtime/timestamp.ts";
import { isInt, typeName, typeOf } from "../../src/cel/runtime/type-of.ts";
import {
  CelDouble,
  CelDuration,
  CelError,
  CelMap,
  CelOptional,
  CelTimestamp,
  CelTypeValue,
  CelUint,
  type CelValue,
} from "../../src/cel/value.ts";

/** The JSON of `cel.expr.Value`, without messages other than timestamps and durations. */
interface ProtobufValue {
  readonly nullValue?: unknown;
  readonly boolValue?: boolean;
  readonly int64Value?: string | number;
  readonly uint64Value?: string | number;
  readonly doubleValue?: string | number;
  readonly stringValue?: string;
  readonly bytesValue?: string;
  readonly typeValue?: string;
  readonly listValue?: { readonly values?: readonly ProtobufValue[] };
  readonly mapValue?: { readonly entries?: readonly { readonly key: ProtobufValue; readonly value: ProtobufValue }[] };
  readonly objectValue?: { readonly "@type": string; readonly value: string };
}

/** A value of the data as a run-time value. */
export function parseProtobufValue(json: unknown): CelValue {
  // The data is trusted to have the shape of its message.
  const value = json as ProtobufValue;
  if (value.boolValue !== undefined) return value.boolValue;
  if (value.int64Value !== undefined) return parseInt64(BigInt(value.int64Value));
  if (value.uint64Value !== undefined) return new CelUint(BigInt(value.uint64Value));
  if (value.doubleValue !== undefined) return parseDouble(Number(value.doubleValue));
  if (value.stringValue !== undefined) return value.stringValue;
  if (value.bytesValue !== undefined) return new Uint8Array(Buffer.from(value.bytesValue, "base64"));
  if (value.typeValue !== undefined) return new CelTypeValue({ kind: "opaque", name: value.typeValue, parameters: [] });
  if (value.listValue !== undefined) return (value.listValue.values ?? []).map(parseProtobufValue);
  if (value.mapValue !== undefined) return parseMap(value.mapValue.entries ?? []);
  if (value.objectValue !== undefined) return parseWellKnown(value.objectValue);
  if ("nullValue" in value) return null;
  throw new TypeError(`unknown value ${JSON.stringify(json)}`);
}

const parseInt64 = (value: bigint): CelValue => (Number.isSafeInteger(Number(value)) ? Number(value) : value);
const parseDouble = (value: number): CelValue => (Number.isSafeInteger(value) ? new CelDouble(value) : value);

function parseMap(entries: readonly { readonly key: ProtobufValue; readonly value: ProtobufValue }[]): CelValue {
  const pairs = entries.map(({ key, value }) => [parseProtobufValue(key), parseProtobufValue(value)] as const);
  if (pairs.every(([key]) => typeof key === "string")) return Object.fromEntries(pairs);
  return new CelMap(new Map(pairs.map((pair) => [JSON.stringify(typedValue(pair[0])), pair])));
}

function parseWellKnown({ "@type": type, value }: { readonly "@type": string; readonly value: string }): CelValue {
  if (type.endsWith(".Timestamp")) return parseTimestamp(value);
  if (type.endsWith(".Duration")) return parseDuration(value);
  throw new TypeError(`unknown message ${type}`);
}

/** Plain data that is equal for two values of the same type and content only. Map entries are in a fixed order. */
export function typedValue(value: CelValue): unknown {
  if (value === null || typeof value === "boolean" || typeof value === "string") return value;
  if (isInt(value)) return { int: String(value) };
  if (typeof value === "number") return { double: formatDouble(value) };
  if (value instanceof CelDouble) return { double: formatDouble(value.value) };
  if (value instanceof CelUint) return { uint: String(value.value) };
  if (value instanceof Uint8Array) return { bytes: Buffer.from(value).toString("hex") };
  if (value instanceof CelTimestamp) return { timestamp: formatTimestamp(value) };
  if (value instanceof CelDuration) return { duration: formatDuration(value) };
  if (value instanceof CelTypeValue) return { type: typeName(value.type) };
  if (value instanceof CelError) return { error: value.code };
  if (value instanceof CelOptional) return { optional: value.hasValue ? [typedValue(value.value)] : [] };
  if (Array.isArray(value)) return value.map(typedValue);
  return isMap(value) ? typedEntries(value) : { opaque: typeName(typeOf(value)) };
}

function typedEntries(map: CelMap | { readonly [key: string]: CelValue }): unknown {
  const entries: (readonly [CelValue, CelValue])[] =
    map instanceof CelMap
      ? [...map.entries.values()].map(([key, value]) => [key, value])
      : mapKeys(map).map((key) => [key, mapGet(map, key) ?? null]);
  const typed = entries.map(([key, value]) => [JSON.stringify(typedValue(key)), typedValue(value)] as const);
  return { map: typed.toSorted(([a], [b]) => (a < b ? -1 : 1)) };
}
