/** The table of Kubernetes' built-in types, unpacked at the first question. */
import { Buffer } from "node:buffer";
import { brotliDecompressSync } from "node:zlib";
import { PACKED_TABLE } from "./generated/kubernetes-openapi.ts";
import type { Schema } from "./schema.ts";

/** A node as it is stored: a schema whose parts may refer to definitions by name. */
export interface StoredDefinition {
  readonly ref?: string;
  readonly type?: string;
  readonly format?: string;
  readonly description?: string;
  readonly default?: string | number | boolean;
  readonly intOrString?: boolean;
  readonly listType?: "atomic" | "set" | "map";
  readonly listMapKeys?: readonly string[];
  readonly mapType?: "atomic" | "granular";
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, StoredDefinition>>;
  readonly items?: StoredDefinition;
  readonly additionalProperties?: StoredDefinition;
}

export interface StoredResource {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
  readonly definition: string;
  /** Name and kind of each. */
  readonly subresources: readonly (readonly [name: string, kind: string])[];
}

export interface StoredTable {
  readonly version: string;
  readonly definitions: Readonly<Record<string, StoredDefinition>>;
  readonly resources: readonly StoredResource[];
}

let unpacked: StoredTable | null = null;

/** The table; about 10 ms at the first call. */
export function kubernetesTable(): StoredTable {
  // The constant is generated from this very type.
  unpacked ??= JSON.parse(brotliDecompressSync(Buffer.from(PACKED_TABLE, "base64")).toString()) as StoredTable;
  return unpacked;
}

type Draft = { -readonly [K in keyof Schema]: Schema[K] };

const SCHEMAS = new Map<string, Draft>();

/** The schema of a definition such as `io.k8s.api.core.v1.Pod`, which must exist. */
export function definitionSchema(name: string): Schema {
  const references: Reference[] = [];
  const schema = load(name, references);
  // A definition may refer to one that is still being read: what refers is completed when all are there.
  for (const { draft, ref, own } of references) Object.assign(draft, SCHEMAS.get(ref), own);
  return schema;
}

interface Reference {
  readonly draft: Draft;
  readonly ref: string;
  readonly own: Partial<Schema>;
}

function load(name: string, references: Reference[]): Schema {
  const known = SCHEMAS.get(name);
  if (known !== undefined) return known;
  const stored = kubernetesTable().definitions[name];
  if (stored === undefined) throw new RangeError(`no Kubernetes definition \`${name}\``);
  const schema: Draft = { type: "any" };
  SCHEMAS.set(name, schema);
  return Object.assign(schema, toSchema(stored, references), { name });
}

function toSchema(stored: StoredDefinition, references: Reference[]): Schema {
  const { ref, type, properties, items, additionalProperties, ...rest } = stored;
  if (ref !== undefined) {
    load(ref, references);
    const draft: Draft = { type: "any" };
    references.push({ draft, ref, own: rest });
    return draft;
  }
  const schema: Draft = { type: schemaType(type), ...rest };
  if (properties !== undefined)
    schema.properties = new Map(Object.entries(properties).map(([name, property]) => [name, toSchema(property, references)]));
  if (items !== undefined) schema.items = toSchema(items, references);
  if (additionalProperties !== undefined) schema.additionalProperties = toSchema(additionalProperties, references);
  // RawExtension and the like: an object of which nothing is declared may hold anything.
  if (type === "object" && properties === undefined && additionalProperties === undefined) schema.preserveUnknown = true;
  return schema;
}

function schemaType(type: string | undefined): Schema["type"] {
  switch (type) {
    case "object":
    case "array":
    case "string":
    case "integer":
    case "number":
    case "boolean":
      return type;
    default:
      return "any";
  }
}
