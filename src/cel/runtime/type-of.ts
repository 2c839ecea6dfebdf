import {
  BOOL,
  BYTES,
  type CelType,
  DOUBLE,
  DURATION,
  DYN,
  ERROR,
  INT,
  listType,
  mapType,
  NULL,
  opaqueType,
  optionalType,
  STRING,
  TIMESTAMP,
  TYPE,
  UINT,
} from "../type.ts";
import { CelDouble, CelDuration, CelError, CelOpaque, CelOptional, CelTimestamp, CelTypeValue, CelUint, type CelValue } from "../value.ts";

/** An unsafe integral number is a double, see value.ts. */
export const isInt = (value: CelValue): value is number | bigint =>
  typeof value === "number" ? Number.isSafeInteger(value) : typeof value === "bigint";

const LIST = listType(DYN);
const MAP = mapType(DYN, DYN);
const OPTIONAL = optionalType(DYN);

/** The run-time type of a value. Elements of lists, maps and optionals are not looked at: they are `dyn`. */
export function typeOf(value: CelValue): CelType {
  switch (typeof value) {
    case "string":
      return STRING;
    case "boolean":
      return BOOL;
    case "bigint":
      return INT;
    case "number":
      return isInt(value) ? INT : DOUBLE;
    default:
      return value === null ? NULL : typeOfObject(value);
  }
}

function typeOfObject(value: CelValue & object): CelType {
  if (Array.isArray(value)) return LIST;
  if (value instanceof CelDouble) return DOUBLE;
  if (value instanceof CelUint) return UINT;
  if (value instanceof Uint8Array) return BYTES;
  if (value instanceof CelTimestamp) return TIMESTAMP;
  if (value instanceof CelDuration) return DURATION;
  if (value instanceof CelOptional) return OPTIONAL;
  if (value instanceof CelTypeValue) return TYPE;
  if (value instanceof CelError) return ERROR;
  return value instanceof CelOpaque ? value.celType : MAP;
}

/** The name of a type as `type()` tells types apart: `list`, `map`, `google.protobuf.Timestamp`, `optional_type`. */
export function typeName(type: CelType): string {
  switch (type.kind) {
    case "null":
      return "null_type";
    case "timestamp":
      return "google.protobuf.Timestamp";
    case "duration":
      return "google.protobuf.Duration";
    case "opaque":
    case "object":
    case "param":
      return type.name;
    case "wrapper":
      return typeName(type.of);
    default:
      return type.kind;
  }
}

/**
 * Whether a value may be passed where a declaration says `type`. Of a list, the first element is looked at too, which
 * tells `list(int)` from `list(double)`; of maps and optionals only the shape.
 */
export function fitsType(value: CelValue, type: CelType): boolean {
  switch (type.kind) {
    case "dyn":
    case "param":
      return true;
    case "int":
      return isInt(value);
    case "double":
      return value instanceof CelDouble || (typeof value === "number" && !isInt(value));
    case "wrapper":
      return value === null || fitsType(value, type.of);
    case "list":
      return Array.isArray(value) && (value.length === 0 || fitsType(value[0], type.element));
    case "opaque":
      return type.name === OPTIONAL_NAME
        ? value instanceof CelOptional
        : value instanceof CelOpaque && typeName(value.celType) === type.name;
    case "object":
      return typeOf(value).kind === "map";
    default:
      return typeOf(value).kind === type.kind;
  }
}

const OPTIONAL_NAME = typeName(opaqueType("optional_type"));
