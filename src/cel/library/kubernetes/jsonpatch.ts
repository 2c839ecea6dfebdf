/** Kubernetes' JSON patch support for mutating policies (apiserver pkg/cel/library/jsonpatch.go, pkg/cel/mutation), since Kubernetes 1.32. */
import type { Library } from "../../declaration.ts";
import { type CelType, DYN, type FieldType, objectType, STRING, type TypeProvider } from "../../type.ts";
import { TRAVERSAL_FACTOR, traversal } from "../cost.ts";
import { declare, func, string } from "../define.ts";

/** A key as a segment of a JSON pointer (RFC 6901). */
const escapeKey = (key: string): string => key.replaceAll("~", "~0").replaceAll("/", "~1");

export const jsonPatchLibrary: Library = {
  name: "kubernetes.jsonpatch",
  functions: [
    declare(
      "jsonpatch.escapeKey",
      "A key as a segment of a JSON Patch path: `~` and `/` escaped.",
      func("string_jsonpatch_escapeKey_string", [string], STRING, escapeKey, traversal(TRAVERSAL_FACTOR, true)),
    ),
  ],
};

/** `JSONPatch{op: "add", path: "/a", value: 1}`, one operation of a JSON patch. */
export const JSON_PATCH: CelType = objectType("JSONPatch");

const FIELDS: ReadonlyMap<string, FieldType> = new Map([
  ["op", { type: STRING, description: "The operation: add, remove, replace, move, copy or test." }],
  ["path", { type: STRING, description: "The JSON pointer to what changes." }],
  ["from", { type: STRING, description: "The JSON pointer to what is moved or copied." }],
  ["value", { type: DYN, description: "The value that is added, put in place or compared with." }],
]);

/** Knows the type `JSONPatch` and its fields. */
export const jsonPatchTypes: TypeProvider = {
  fieldsOf: (typeName) => (typeName === "JSONPatch" ? FIELDS : undefined),
  findType: (typeName) => (typeName === "JSONPatch" ? JSON_PATCH : undefined),
};
