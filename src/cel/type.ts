import type { CelValue } from "./value.ts";

/**
 * Types of CEL, as plain data. Two types are equal when `sameType` says so; object types are equal by name, and their
 * fields are known to a `TypeProvider` (declared from OpenAPI or from a CRD).
 */
export type CelType =
  | { readonly kind: "dyn" }
  | { readonly kind: "error" }
  | { readonly kind: "null" }
  | { readonly kind: "bool" }
  | { readonly kind: "int" }
  | { readonly kind: "uint" }
  | { readonly kind: "double" }
  | { readonly kind: "string" }
  | { readonly kind: "bytes" }
  | { readonly kind: "timestamp" }
  | { readonly kind: "duration" }
  | { readonly kind: "list"; readonly element: CelType }
  | { readonly kind: "map"; readonly key: CelType; readonly value: CelType }
  /** Abstract types, `optional_type(T)` among them. */
  | { readonly kind: "opaque"; readonly name: string; readonly parameters: readonly CelType[] }
  /** A structured type whose fields a `TypeProvider` knows. */
  | { readonly kind: "object"; readonly name: string }
  /** `wrapper(int)`: that primitive or null. */
  | { readonly kind: "wrapper"; readonly of: CelType }
  /** The type of a type value, `type(int)`; `of` is null for plain `type`. */
  | { readonly kind: "type"; readonly of: CelType | null }
  /** A type parameter of a declaration, such as `T` in `list(T)`. */
  | { readonly kind: "param"; readonly name: string };

export const DYN: CelType = { kind: "dyn" };
export const ERROR: CelType = { kind: "error" };
export const NULL: CelType = { kind: "null" };
export const BOOL: CelType = { kind: "bool" };
export const INT: CelType = { kind: "int" };
export const UINT: CelType = { kind: "uint" };
export const DOUBLE: CelType = { kind: "double" };
export const STRING: CelType = { kind: "string" };
export const BYTES: CelType = { kind: "bytes" };
export const TIMESTAMP: CelType = { kind: "timestamp" };
export const DURATION: CelType = { kind: "duration" };
export const TYPE: CelType = { kind: "type", of: null };
export const listType = (element: CelType): CelType => ({ kind: "list", element });
export const mapType = (key: CelType, value: CelType): CelType => ({ kind: "map", key, value });
export const opaqueType = (name: string, ...parameters: readonly CelType[]): CelType => ({ kind: "opaque", name, parameters });
export const objectType = (name: string): CelType => ({ kind: "object", name });
export const optionalType = (of: CelType): CelType => opaqueType("optional_type", of);
export const typeParam = (name: string): CelType => ({ kind: "param", name });

/** Whether two types are the same, by structure; object and opaque types by name. */
export function sameType(a: CelType, b: CelType): boolean {
  if (a === b) return true;
  switch (a.kind) {
    case "list":
      return b.kind === "list" && sameType(a.element, b.element);
    case "map":
      return b.kind === "map" && sameType(a.key, b.key) && sameType(a.value, b.value);
    case "opaque":
      return b.kind === "opaque" && a.name === b.name && sameTypes(a.parameters, b.parameters);
    case "object":
    case "param":
      return a.kind === b.kind && a.name === b.name;
    case "wrapper":
      return b.kind === "wrapper" && sameType(a.of, b.of);
    case "type":
      return b.kind === "type" && (a.of === null || b.of === null ? a.of === b.of : sameType(a.of, b.of));
    default:
      return a.kind === b.kind;
  }
}

const sameTypes = (a: readonly CelType[], b: readonly CelType[]): boolean =>
  a.length === b.length && a.every((type, index) => sameType(type, b[index] ?? ERROR));

/** Names of the type parameters in these types, each once. */
export function typeParametersOf(types: readonly CelType[]): readonly string[] {
  const names = new Set<string>();
  const visit = (type: CelType): void => {
    if (type.kind === "param") names.add(type.name);
    else for (const part of partsOf(type)) visit(part);
  };
  for (const type of types) visit(type);
  return [...names];
}

/** The types that a type is made of: element, key and value, parameters. */
export function partsOf(type: CelType): readonly CelType[] {
  switch (type.kind) {
    case "list":
      return [type.element];
    case "map":
      return [type.key, type.value];
    case "opaque":
      return type.parameters;
    case "wrapper":
      return [type.of];
    case "type":
      return type.of === null ? [] : [type.of];
    default:
      return [];
  }
}

/** Whether a type is made of more than `limit` types, itself included. Takes no more than `limit` steps. */
export function isLargerThan(type: CelType, limit: number): boolean {
  let room = limit;
  const visit = (part: CelType): boolean => --room < 0 || partsOf(part).some(visit);
  return visit(type);
}

/** One field of an object type. `jsonName` is the key in the value when it differs from the escaped CEL name. */
export interface FieldType {
  readonly type: CelType;
  readonly jsonName?: string;
  /** One sentence for `vigil explain`, when the schema has it. */
  readonly description?: string;
}

/** Knows the fields of object types. Implementations are immutable. */
export interface TypeProvider {
  /** The fields of an object type by CEL name (escaped as Kubernetes does), or undefined when the type is unknown. */
  fieldsOf(typeName: string): ReadonlyMap<string, FieldType> | undefined;
  /** The type that a qualified name denotes, such as `Object.spec` in an apply configuration, or undefined. */
  findType(typeName: string): CelType | undefined;
  /** The value of a struct literal, from its fields by JSON name; without this method, it is the map of them. */
  construct?(typeName: string, fields: CelValue): CelValue;
}

/** The type as CEL writes it: `list(string)`, `map(string, dyn)`, `optional_type(int)`. */
export function formatType(type: CelType): string {
  switch (type.kind) {
    case "null":
      return "null";
    case "timestamp":
      return "timestamp";
    case "duration":
      return "duration";
    case "error":
      return "!error!";
    case "list":
      return `list(${formatType(type.element)})`;
    case "map":
      return `map(${formatType(type.key)}, ${formatType(type.value)})`;
    case "opaque":
      return type.parameters.length === 0 ? type.name : `${type.name}(${type.parameters.map(formatType).join(", ")})`;
    case "object":
      return type.name;
    case "wrapper":
      return `wrapper(${formatType(type.of)})`;
    case "type":
      return type.of === null ? "type" : `type(${formatType(type.of)})`;
    case "param":
      return type.name;
    default:
      return type.kind;
  }
}
