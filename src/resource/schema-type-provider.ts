/** From schemas to declared types of CEL, so that expressions are checked against what objects look like. */
import {
  BOOL,
  type CelType,
  DOUBLE,
  DYN,
  type FieldType,
  INT,
  listType,
  mapType,
  objectType,
  STRING,
  type TypeProvider,
} from "../cel/type.ts";
import { celName } from "./cel-name.ts";
import type { Schema } from "./schema.ts";

/** Steps in the names of types: `Deployment.spec.template.spec.containers[]`. */
const ITEM = "[]";
const VALUE = "[*]";

interface Naming {
  readonly item: string;
  readonly value: string;
}

/**
 * Types for objects: a root is named by `rootOf`, what is below by its path (`apps/v1 Deployment.spec`, `….containers[]`).
 * Values are JSON at run time, so dates, durations and base64 are strings here, whatever their format; what may be of more
 * than one type (int-or-string, fields that are not declared) is dyn.
 */
export function schemaTypes(rootOf: (typeName: string) => Schema | undefined): TypeProvider {
  return typeProvider(rootOf, { item: ITEM, value: VALUE });
}

/** Types for apply configurations: `Object`, `Object.spec`, …; lists and maps have no step in these names. */
export function objectTypes(schema: Schema): TypeProvider {
  return typeProvider((name) => (name === "Object" ? schema : undefined), { item: "", value: "" });
}

function typeProvider(rootOf: (name: string) => Schema | undefined, naming: Naming): TypeProvider {
  const known = new Map<string, ReadonlyMap<string, FieldType> | undefined>();
  const fieldsOf = (name: string): ReadonlyMap<string, FieldType> | undefined => {
    if (!known.has(name)) {
      const schema = schemaNamed(name, rootOf);
      known.set(name, schema?.properties === undefined ? undefined : declaredFields(name, schema.properties, naming));
    }
    return known.get(name);
  };
  return { fieldsOf, findType: (name) => (fieldsOf(name) === undefined ? undefined : objectType(name)) };
}

/** A root's name ends at the first dot behind the space, if it has one: `networking.k8s.io/v1 Ingress.spec`. */
function schemaNamed(name: string, rootOf: (name: string) => Schema | undefined): Schema | undefined {
  const dot = name.indexOf(".", name.indexOf(" ") + 1);
  if (dot === -1) return rootOf(name);
  let schema = rootOf(name.slice(0, dot));
  for (const step of name.slice(dot + 1).split(".")) {
    const field = step.replaceAll(/\[\*?\]/g, "");
    schema = propertyNamed(schema, field);
    while (schema !== undefined && schema.properties === undefined) schema = schema.items ?? schema.additionalProperties;
  }
  return schema;
}

function propertyNamed(schema: Schema | undefined, name: string): Schema | undefined {
  if (schema?.properties === undefined) return undefined;
  const direct = schema.properties.get(name);
  if (direct !== undefined && celName(name) === name) return direct;
  for (const [field, property] of schema.properties) {
    if (celName(field) === name) return property;
  }
  return undefined;
}

function declaredFields(owner: string, properties: ReadonlyMap<string, Schema>, naming: Naming): ReadonlyMap<string, FieldType> {
  const fields = new Map<string, FieldType>();
  for (const [field, schema] of properties) {
    const name = celName(field);
    if (name === undefined) continue;
    const type = celType(schema, `${owner}.${name}`, naming);
    const { description } = schema;
    fields.set(name, { type, ...(name === field ? {} : { jsonName: field }), ...(description === undefined ? {} : { description }) });
  }
  return fields;
}

function celType(schema: Schema, name: string, naming: Naming): CelType {
  if (schema.intOrString === true) return DYN;
  switch (schema.type) {
    case "boolean":
      return BOOL;
    case "integer":
      return INT;
    case "number":
      return DOUBLE;
    case "string":
      return STRING;
    case "array":
      return listType(schema.items === undefined ? DYN : celType(schema.items, name + naming.item, naming));
    case "object":
      if (schema.properties !== undefined) return objectType(name);
      return schema.additionalProperties === undefined
        ? DYN
        : mapType(STRING, celType(schema.additionalProperties, name + naming.value, naming));
    case "any":
      return DYN;
    default:
      return schema.type satisfies never;
  }
}
