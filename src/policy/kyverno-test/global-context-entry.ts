/** Entries of the global context that a test declares, with the part of JMESPath that selects: `a.b`, `[0]`, `[*]`, `@`, `|`, `length(…)`. */
import { isJsonArray, isJsonObject, type JsonValue } from "../../lib/json.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import { memberOf } from "../json-equals.ts";
import type { GlobalContextEntry } from "./test-file.ts";

/** The value of an entry: its root, or an object with its projections. The error says which path is not understood. */
export function projectEntry({ fieldPath, projections }: GlobalContextEntry, root: JsonValue): Result<JsonValue, string> {
  const start = fieldPath === "" ? ok(root) : search(fieldPath, root);
  if (!start.ok || projections.length === 0) return start;
  const out: Record<string, JsonValue> = {};
  for (const { name, path } of projections) {
    const value = search(path, start.value);
    if (!value.ok) return value;
    out[name] = value.value;
  }
  return ok(out);
}

/** What a path finds; null when there is nothing. */
export function search(path: string, root: JsonValue): Result<JsonValue, string> {
  let current: JsonValue = root;
  for (const part of path.split("|")) {
    const step = searchPart(part.trim(), current);
    if (step === undefined) return err(`JMESPath \`${path}\` is not supported`);
    current = step.value;
  }
  return ok(current);
}

interface Found {
  readonly value: JsonValue;
}

function searchPart(part: string, root: JsonValue): Found | undefined {
  const length = /^length\((.*)\)$/.exec(part);
  if (length === null) return select(stepsOf(part), root);
  const inner = searchPart(length[1]?.trim() ?? "", root);
  if (inner === undefined) return undefined;
  const { value } = inner;
  if (typeof value === "string") return { value: [...value].length };
  return { value: isJsonArray(value) ? value.length : isJsonObject(value) ? Object.keys(value).length : 0 };
}

type Step =
  | { readonly kind: "field"; readonly name: string }
  | { readonly kind: "index"; readonly index: number }
  | { readonly kind: "each" };

function stepsOf(path: string): readonly Step[] | undefined {
  if (path === "@") return [];
  const steps: Step[] = [];
  const token = /(?:^|\.)(?:([A-Za-z_][A-Za-z0-9_]*)|"([^"\\]*)")|\[(-?\d+)\]|(\[\*?\])/y;
  while (token.lastIndex < path.length) {
    const match = token.exec(path);
    if (match === null) return undefined;
    const [, plain, quoted, index] = match;
    if (index !== undefined) steps.push({ kind: "index", index: Number(index) });
    else if (plain !== undefined || quoted !== undefined) steps.push({ kind: "field", name: plain ?? quoted ?? "" });
    else steps.push({ kind: "each" });
  }
  return steps;
}

function select(steps: readonly Step[] | undefined, value: JsonValue): Found | undefined {
  if (steps === undefined) return undefined;
  const [step, ...rest] = steps;
  if (step === undefined) return { value };
  switch (step.kind) {
    case "field":
      return isJsonObject(value) ? select(rest, memberOf(value, step.name) ?? null) : { value: null };
    case "index":
      return isJsonArray(value) ? select(rest, value.at(step.index) ?? null) : { value: null };
    default:
      if (!isJsonArray(value)) return { value: null };
      return { value: value.map((item) => select(rest, item)?.value ?? null).filter((item) => item !== null) };
  }
}
