/** Compares objects with their schema, as the API server does when it validates strictly. */
import type { Diagnostic } from "../lib/diagnostic.ts";
import { MAX_DIAGNOSTICS } from "../lib/diagnostic.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../lib/json.ts";
import { closestName } from "../lib/suggestion.ts";
import { type Document, describe, diagnose, type Path } from "./document.ts";
import type { Schema } from "./schema.ts";
import type { ShapeErrorCode } from "./shape.ts";

/** What the schema does not allow in a document: unknown fields, wrong types, missing fields, values outside an enumeration. As warnings, at most 100. */
export function checkObject(document: Document, schema: Schema): readonly Diagnostic[] {
  const findings: Finding[] = [];
  checkValue(document.value, schema, [], findings);
  return findings.map(({ path, ...about }) => diagnose(document, path, { ...about, severity: "warning" }));
}

interface Finding {
  readonly path: Path;
  readonly code: ShapeErrorCode;
  readonly message: string;
  readonly hint?: string | undefined;
  readonly atKey?: boolean;
}

function checkValue(value: JsonValue, schema: Schema, path: Path, findings: Finding[]): void {
  // As in Kubernetes null counts as absent.
  if (value === null || findings.length >= MAX_DIAGNOSTICS) return;
  if (!fits(value, schema)) {
    const hint = schema.type === "string" && typeof value !== "object" ? "put it in quotes" : undefined;
    findings.push({ path, code: "RESOURCE_WRONG_TYPE", message: `expected ${expected(schema)}, got ${describe(value)}`, hint });
    return;
  }
  if (schema.enum !== undefined && typeof value !== "object" && !schema.enum.includes(value)) {
    const message = `expected ${schema.enum.map((word) => `\`${word}\``).join(" or ")}, got \`${value}\``;
    findings.push({ path, code: "RESOURCE_INVALID_VALUE", message });
  }
  if (isJsonArray(value)) checkItems(value, schema, path, findings);
  else if (isJsonObject(value)) checkFields(value, schema, path, findings);
}

function checkItems(values: readonly JsonValue[], { items }: Schema, path: Path, findings: Finding[]): void {
  if (items === undefined) return;
  for (const [index, item] of values.entries()) checkValue(item, items, [...path, index], findings);
}

function checkFields(entries: JsonObject, schema: Schema, path: Path, findings: Finding[]): void {
  const { properties, additionalProperties, preserveUnknown, required = [] } = schema;
  for (const [name, value] of Object.entries(entries)) {
    const child = properties?.get(name) ?? additionalProperties;
    if (child !== undefined) checkValue(value, child, [...path, name], findings);
    else if (properties !== undefined && preserveUnknown !== true && !isOfEveryObject(name, schema)) {
      const near = closestName(name, properties.keys());
      const hint = near === undefined ? undefined : `did you mean \`${near}\`?`;
      findings.push({ path: [...path, name], code: "RESOURCE_UNKNOWN_FIELD", message: `unknown field \`${name}\``, hint, atKey: true });
    }
  }
  for (const name of required) {
    if (entries[name] === undefined && properties?.get(name)?.default === undefined)
      findings.push({ path, code: "RESOURCE_MISSING_FIELD", message: `missing field \`${name}\``, atKey: true });
  }
}

/** An embedded object has the fields of every object, though its schema need not say so. */
function isOfEveryObject(name: string, { embeddedResource }: Schema): boolean {
  return embeddedResource === true && (name === "apiVersion" || name === "kind" || name === "metadata");
}

function fits(value: JsonValue, schema: Schema): boolean {
  if (schema.intOrString === true) return typeof value === "string" || isInteger(value);
  switch (schema.type) {
    case "any":
      return true;
    case "array":
      return isJsonArray(value);
    case "object":
      return isJsonObject(value);
    case "string":
      return typeof value === "string" || (schema.format === "quantity" && typeof value === "number");
    case "boolean":
      return typeof value === "boolean";
    case "integer":
      return isInteger(value);
    case "number":
      return typeof value === "number" || typeof value === "bigint";
    default:
      return schema.type satisfies never;
  }
}

const isInteger = (value: JsonValue): boolean => typeof value === "bigint" || Number.isInteger(value);

function expected(schema: Schema): string {
  if (schema.intOrString === true) return "an integer or a string";
  switch (schema.type) {
    case "any":
      return "a value";
    case "array":
      return "a list";
    case "object":
      return "a mapping";
    case "integer":
      return "an integer";
    case "boolean":
      return "true or false";
    case "string":
      return schema.format === "quantity" ? "a quantity" : "a string";
    case "number":
      return "a number";
    default:
      return schema.type satisfies never;
  }
}
