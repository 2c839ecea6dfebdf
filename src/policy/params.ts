/** The parameter objects of a binding, as the API server finds them. */

import { isJsonObject, type JsonObject } from "../lib/json.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { ParamKind } from "../resource/validating-admission-policy.ts";
import type { ParamRef } from "../resource/validating-admission-policy-binding.ts";
import { memberOf } from "./json-equals.ts";
import { selects } from "./label-match.ts";
import { labelsOf } from "./match.ts";
import type { World } from "./review.ts";

const NO_PARAMS: readonly null[] = [null];

/**
 * What `params` is bound to, one evaluation for each: null alone when the policy takes none or the binding names none; empty
 * when none were found and that is allowed. The error says why the binding cannot be used.
 */
export function collectParams(
  kind: ParamKind | undefined,
  ref: ParamRef | undefined,
  requestNamespace: string,
  world: World,
): Result<readonly (JsonObject | null)[], string> {
  if (kind === undefined || ref === undefined) return ok(NO_PARAMS);
  const all = world.objects(kind.apiVersion, kind.kind, "");
  const isNamespaced = all.some((object) => namespaceOf(object) !== "");
  if (!isNamespaced && ref.namespace !== undefined && all.length > 0) {
    return err("paramRef.namespace must not be provided for a cluster-scoped `paramKind`");
  }
  const namespace = ref.namespace ?? requestNamespace;
  if (isNamespaced && namespace === "")
    return err("cannot use namespaced paramRef in policy binding that matches cluster-scoped resources");
  const near = isNamespaced ? all.filter((object) => namespaceOf(object) === namespace) : all;
  const { name, selector } = ref;
  const found = near.filter((object) => (selector === undefined ? nameOf(object) === name : selects(selector, labelsOf(object))));
  if (found.length === 0 && ref.parameterNotFoundAction === "Deny") {
    return err("no params found for policy binding with `Deny` parameterNotFoundAction");
  }
  return ok(found.map((object) => (Object.hasOwn(object, "kind") ? object : { ...object, apiVersion: kind.apiVersion, kind: kind.kind })));
}

const nameOf = (object: JsonObject): string => metadataText(object, "name");
const namespaceOf = (object: JsonObject): string => metadataText(object, "namespace");

function metadataText(object: JsonObject, key: string): string {
  const metadata = memberOf(object, "metadata");
  const value = isJsonObject(metadata) ? memberOf(metadata, key) : undefined;
  return typeof value === "string" ? value : "";
}
