/** JSON Patch (RFC 6902), applied without changing its input: what a patch does not touch is shared with the result. */
import { encodeJson, isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../lib/json.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { JsonPatchOperation } from "./decision.ts";
import { jsonEquals, memberOf } from "./json-equals.ts";
import { parsePointer } from "./json-pointer.ts";

/** `PATCH_TEST_FAILED` is an expected outcome: the whole patch is then not applied. */
export interface PatchError {
  readonly code: "PATCH_INVALID" | "PATCH_PATH_NOT_FOUND" | "PATCH_TEST_FAILED";
  readonly message: string;
  /** Which operation of the patch, from 0. */
  readonly index: number;
}

/** A patch may hold this many operations. */
export const MAX_PATCH_OPERATIONS = 10_000;
/** What all copies of a patch may come to, in UTF-16 units of JSON: a value that is copied into itself doubles each time. */
const MAX_COPIED = 3 * 1024 * 1024;

type Step = Result<JsonValue, Omit<PatchError, "index">>;
type Path = readonly string[];

const invalid = (message: string): Step => err({ code: "PATCH_INVALID", message });
const missing = (path: string): Step => err({ code: "PATCH_PATH_NOT_FOUND", message: `no value at \`${path}\`` });

/** The document after all operations, or the first one that does not apply. */
export function applyPatch(document: JsonValue, operations: readonly JsonPatchOperation[]): Result<JsonValue, PatchError> {
  if (operations.length > MAX_PATCH_OPERATIONS) {
    return err({
      code: "PATCH_INVALID",
      message: `a patch may hold ${MAX_PATCH_OPERATIONS} operations, got ${operations.length}`,
      index: 0,
    });
  }
  let current = document;
  let copied = 0;
  for (const [index, operation] of operations.entries()) {
    if (operation.op === "copy") copied += copiedLength(current, operation);
    if (copied > MAX_COPIED) return err({ code: "PATCH_INVALID", message: `a patch may copy ${MAX_COPIED} characters of JSON`, index });
    const step = applyOperation(current, operation);
    if (!step.ok) return err({ ...step.error, index });
    current = step.value;
  }
  return ok(current);
}

function applyOperation(document: JsonValue, operation: JsonPatchOperation): Step {
  const path = parsePointer(operation.path);
  if (path === undefined) return invalid(`\`${operation.path}\` is not a JSON pointer`);
  // The key could only ever come from an attacker; no document of ours holds it.
  if (path.includes("__proto__")) return invalid("the key `__proto__` is not allowed");
  switch (operation.op) {
    case "remove":
      return change(document, path, operation.path, remove);
    case "copy":
    case "move":
      return transfer(document, path, operation);
    case "add":
    case "replace":
    case "test":
      break;
    default:
      return invalid(`unknown operation \`${String(operation.op satisfies never)}\``);
  }
  if (operation.value === undefined) return invalid(`operation \`${operation.op}\` needs a value`);
  // The producers of operations (parser, CEL output) only make JSON.
  const value = operation.value as JsonValue;
  if (operation.op === "add") return change(document, path, operation.path, add(value));
  if (operation.op === "replace") return change(document, path, operation.path, replace(value));
  const found = valueAt(document, path);
  if (found === undefined) return err({ code: "PATCH_TEST_FAILED", message: `test failed: no value at \`${operation.path}\`` });
  return jsonEquals(found, value) ? ok(document) : err({ code: "PATCH_TEST_FAILED", message: `test failed at \`${operation.path}\`` });
}

function transfer(document: JsonValue, path: Path, operation: JsonPatchOperation): Step {
  const from = operation.from === undefined ? undefined : parsePointer(operation.from);
  if (from === undefined) return invalid(`operation \`${operation.op}\` needs \`from\``);
  const value = valueAt(document, from);
  if (value === undefined) return missing(operation.from ?? "");
  if (operation.op === "copy") return change(document, path, operation.path, add(value));
  if (path.length > from.length && from.every((segment, index) => segment === path[index])) {
    return invalid("a value cannot be moved into itself");
  }
  const removed = change(document, from, operation.from ?? "", remove);
  return removed.ok ? change(removed.value, path, operation.path, add(value)) : removed;
}

function copiedLength(document: JsonValue, { from = "" }: JsonPatchOperation): number {
  const value = valueAt(document, parsePointer(from) ?? []);
  return value === undefined ? 0 : encodeJson(value).length;
}

/** The value that a path leads to. */
function valueAt(document: JsonValue, path: Path): JsonValue | undefined {
  let current: JsonValue | undefined = document;
  for (const segment of path) {
    if (isJsonArray(current)) {
      const index = arrayIndex(segment, current.length - 1);
      current = index === undefined ? undefined : current[index];
    } else if (isJsonObject(current)) {
      current = memberOf(current, segment);
    } else {
      return undefined;
    }
  }
  return current;
}

/** An index within 0..last, or undefined. */
function arrayIndex(segment: string, last: number): number | undefined {
  if (!/^(0|[1-9][0-9]{0,9})$/.test(segment)) return undefined;
  const index = Number(segment);
  return index <= last ? index : undefined;
}

/** What to do at the last segment. `undefined` = the place does not exist. */
interface Edit {
  readonly root: (document: JsonValue) => JsonValue;
  readonly member: (object: JsonObject, key: string) => JsonObject | undefined;
  readonly element: (array: readonly JsonValue[], segment: string) => readonly JsonValue[] | undefined;
}

const add = (value: JsonValue): Edit => ({
  root: () => value,
  member: (object, key) => ({ ...object, [key]: value }),
  element: (array, segment) => {
    const index = segment === "-" ? array.length : arrayIndex(segment, array.length);
    return index === undefined ? undefined : array.toSpliced(index, 0, value);
  },
});

const replace = (value: JsonValue): Edit => ({
  root: () => value,
  member: (object, key) => (Object.hasOwn(object, key) ? { ...object, [key]: value } : undefined),
  element: (array, segment) => {
    const index = arrayIndex(segment, array.length - 1);
    return index === undefined ? undefined : array.with(index, value);
  },
});

const remove: Edit = {
  root: () => null,
  member: (object, key) => {
    if (!Object.hasOwn(object, key)) return undefined;
    const { [key]: _, ...rest } = object;
    return rest;
  },
  element: (array, segment) => {
    const index = arrayIndex(segment, array.length - 1);
    return index === undefined ? undefined : array.toSpliced(index, 1);
  },
};

/** Copies the containers along the path and edits the last one. */
function change(document: JsonValue, path: Path, pointer: string, edit: Edit): Step {
  const [segment, ...rest] = path;
  if (segment === undefined) return ok(edit.root(document));
  if (rest.length === 0) {
    const edited = isJsonArray(document)
      ? edit.element(document, segment)
      : isJsonObject(document)
        ? edit.member(document, segment)
        : undefined;
    return edited === undefined ? missing(pointer) : ok(edited);
  }
  const child = valueAt(document, [segment]);
  if (child === undefined) return missing(pointer);
  const changed = change(child, rest, pointer, edit);
  if (!changed.ok) return changed;
  return ok(
    isJsonArray(document) ? document.with(Number(segment), changed.value) : { ...(document as JsonObject), [segment]: changed.value },
  );
}
