/** Kubernetes' JSON patch support for mutating policies (apiserver pkg/cel/library/jsonpatch.go), since Kubernetes 1.32. */
import type { Library } from "../../declaration.ts";
import { STRING } from "../../type.ts";
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
