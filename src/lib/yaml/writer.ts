/** Writes JSON values as YAML in block style, as people write manifests. */
import type { JsonObject, JsonValue } from "../json.ts";
import { plainValue } from "./plain-value.ts";

/** The value as a YAML document that `readYaml` reads as the same value; ends with a line break. */
export const encodeYaml = (value: JsonValue): string => (isScalar(value) || isEmpty(value) ? `${inline(value)}\n` : block(value, ""));

/** Several documents, separated by `---`. */
export const encodeYamlDocuments = (values: readonly JsonValue[]): string => values.map(encodeYaml).join("---\n");

type Scalar = Exclude<JsonValue, JsonObject | readonly JsonValue[]>;

const isList = (value: JsonValue): value is readonly JsonValue[] => Array.isArray(value);
const isScalar = (value: JsonValue): value is Scalar => typeof value !== "object" || value === null;
const isEmpty = (value: JsonObject | readonly JsonValue[]): boolean => Object.keys(value).length === 0;

/** Entries, each on its own line behind `indent`. */
function block(value: JsonObject | readonly JsonValue[], indent: string): string {
  if (isList(value)) return value.map((item) => `${indent}- ${afterDash(item, `${indent}  `)}`).join("");
  return Object.entries(value)
    .map(([key, item]) => `${indent}${text(key)}:${afterColon(item, indent)}`)
    .join("");
}

/** The first entry of an item stands beside its dash. */
function afterDash(item: JsonValue, indent: string): string {
  if (isScalar(item)) return scalar(item, indent);
  return isEmpty(item) ? `${inline(item)}\n` : block(item, indent).slice(indent.length);
}

function afterColon(item: JsonValue, indent: string): string {
  if (isScalar(item)) return ` ${scalar(item, `${indent}  `)}`;
  if (isEmpty(item)) return ` ${inline(item)}\n`;
  return `\n${block(item, isList(item) ? indent : `${indent}  `)}`;
}

const BLOCK_TEXT = /^[\u0021-\u007e\u00a0-\ud7ff][\u0020-\u007e\u00a0-\ud7ff\n]*\n$/;

/** A text of several lines that ends with one line break is written as such. */
function scalar(value: Scalar, indent: string): string {
  const isBlock = typeof value === "string" && BLOCK_TEXT.test(value) && value.indexOf("\n") < value.length - 1 && !value.endsWith("\n\n");
  if (!isBlock) return `${inline(value)}\n`;
  const lines = value.slice(0, -1).split("\n");
  return `|\n${lines.map((line) => (line === "" ? "\n" : `${indent}${line}\n`)).join("")}`;
}

function inline(value: JsonValue): string {
  if (typeof value === "string") return text(value);
  if (typeof value === "bigint") return String(value);
  return JSON.stringify(value);
}

/** Letters that mean nothing to YAML stay as they are; everything else is a JSON string, which YAML reads. */
const PLAIN = /^[a-zA-Z_/.][a-zA-Z0-9_./()-]*(?: [a-zA-Z0-9_./()-]+)*$/;

const text = (value: string): string => (PLAIN.test(value) && plainValue(value) === value ? value : jsonText(value));

/** YAML takes JSON's escapes; what it cannot hold as it is has to be one. */
const jsonText = (value: string): string =>
  JSON.stringify(value).replaceAll(
    /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
