/** CustomResourceDefinition of `apiextensions.k8s.io/v1`: kinds that users bring, with their structural schemas. */
import type { Diagnostic } from "../lib/diagnostic.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../lib/json.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { Document } from "./document.ts";
import { type KnownKind, typeNameOf } from "./kubernetes-kinds.ts";
import { definitionSchema } from "./kubernetes-table.ts";
import { type Metadata, metadata } from "./metadata.ts";
import type { Schema } from "./schema.ts";
import { flag, listOf, nonEmptyText, oneOf, record, required, type Shape, Spot, text, withDefault } from "./shape.ts";

/** One version of a custom kind. */
export interface CustomKind extends KnownKind {
  readonly schema: Schema;
}

interface Names {
  readonly kind: string;
  readonly plural: string;
}

interface Version {
  readonly name: string;
  readonly served: boolean;
  readonly schema: { readonly openAPIV3Schema: Schema };
  readonly subresources: JsonObject;
}

interface Spec {
  readonly group: string;
  readonly names: Names;
  readonly scope: "Cluster" | "Namespaced";
  readonly versions: readonly Version[];
}

interface Root {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Metadata;
  readonly spec: Spec;
}

const anyMapping: Shape<JsonObject> = (value) => (isJsonObject(value) ? value : {});
const openApiSchema: Shape<Schema> = (value, spot) => {
  if (isJsonObject(value)) return toSchema(value);
  spot.report("RESOURCE_WRONG_TYPE", `expected \`${spot.name}\` to be a mapping`);
  return undefined;
};

const version: Shape<Version> = record<Version>(
  {
    name: required(nonEmptyText),
    served: withDefault(flag, true),
    schema: withDefault(record<Version["schema"]>({ openAPIV3Schema: required(openApiSchema) }), { openAPIV3Schema: { type: "any" } }),
    subresources: withDefault(anyMapping, {}),
  },
  ["storage", "deprecated", "deprecationWarning", "additionalPrinterColumns", "selectableFields"],
);

const root: Shape<Root> = record<Root>(
  {
    apiVersion: required(text),
    kind: required(text),
    metadata: required(metadata),
    spec: required(
      record<Spec>(
        {
          group: required(nonEmptyText),
          names: required(
            record<Names>({ kind: required(nonEmptyText), plural: required(nonEmptyText) }, [
              "singular",
              "listKind",
              "shortNames",
              "categories",
            ]),
          ),
          scope: required(oneOf("Cluster", "Namespaced")),
          versions: required(listOf(version, { min: 1 })),
        },
        ["conversion", "preserveUnknownFields"],
      ),
    ),
  },
  ["status"],
);

/** Whether a document is a CustomResourceDefinition that `parseCustomKinds` reads. */
export function isCustomResourceDefinition({ value }: Document): boolean {
  return value["kind"] === "CustomResourceDefinition" && value["apiVersion"] === "apiextensions.k8s.io/v1";
}

/** The kinds that a CustomResourceDefinition defines, one for each version that is served. */
export function parseCustomKinds(document: Document): Result<readonly CustomKind[], readonly Diagnostic[]> {
  const problems: Diagnostic[] = [];
  const read = root(document.value, new Spot(document, [], problems));
  if (read === undefined) return err(problems);
  const { group, names, scope, versions } = read.spec;
  return ok(
    versions
      .filter(({ served }) => served)
      .map(({ name, schema, subresources }) => {
        const kind = { group, version: name, kind: names.kind };
        const subresourceKinds = new Map(Object.keys(subresources).map((key) => [key, key === "scale" ? "Scale" : names.kind]));
        const type = {
          plural: names.plural,
          namespaced: scope === "Namespaced",
          typeName: typeNameOf(kind),
          subresources: subresourceKinds,
        };
        return { ...kind, type, schema: withObjectMeta(schema.openAPIV3Schema) };
      }),
  );
}

/** Every object has these three, whether its schema says so or not. */
function withObjectMeta(schema: Schema): Schema {
  const properties = new Map<string, Schema>([
    ["apiVersion", { type: "string" }],
    ["kind", { type: "string" }],
    ...(schema.properties ?? []),
    ["metadata", definitionSchema("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta")],
  ]);
  return { ...schema, type: "object", properties };
}

/** A structural schema; keywords that say nothing about the structure are left out. UNTRUSTED, its depth is bounded by the reader's. */
function toSchema(source: JsonObject): Schema {
  const { type, format, description, nullable, properties, items, additionalProperties, required: names } = source;
  const isIntOrString = source["x-kubernetes-int-or-string"] === true;
  const listType = wordOf(source["x-kubernetes-list-type"], ["atomic", "set", "map"] as const);
  const mapType = wordOf(source["x-kubernetes-map-type"], ["atomic", "granular"] as const);
  const schema: Schema = {
    type: isIntOrString ? "any" : (wordOf(type, ["object", "array", "string", "integer", "number", "boolean"] as const) ?? "any"),
    format: textOf(format),
    description: textOf(description)?.split(/(?<=\.)\s/, 1)[0],
    nullable: nullable === true ? true : undefined,
    intOrString: isIntOrString ? true : undefined,
    embeddedResource: source["x-kubernetes-embedded-resource"] === true ? true : undefined,
    listType,
    listMapKeys: textsOf(source["x-kubernetes-list-map-keys"]),
    mapType,
    properties: propertiesOf(properties),
    required: textsOf(names),
    items: isJsonObject(items) ? toSchema(items) : undefined,
    additionalProperties: isJsonObject(additionalProperties) ? toSchema(additionalProperties) : undefined,
    enum: isJsonArray(source["enum"]) ? source["enum"] : undefined,
    default: source["default"],
  };
  const isOpen = source["x-kubernetes-preserve-unknown-fields"] === true || additionalProperties === true;
  return isOpen ? { ...schema, preserveUnknown: true } : schema;
}

function propertiesOf(value: JsonValue | undefined): ReadonlyMap<string, Schema> | undefined {
  if (!isJsonObject(value)) return undefined;
  return new Map(Object.entries(value).map(([name, property]) => [name, toSchema(isJsonObject(property) ? property : {})]));
}

function textOf(value: JsonValue | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function textsOf(value: JsonValue | undefined): readonly string[] | undefined {
  return isJsonArray(value) ? value.filter((item) => typeof item === "string") : undefined;
}

function wordOf<T extends string>(value: JsonValue | undefined, words: readonly T[]): T | undefined {
  return words.find((word) => word === value);
}
