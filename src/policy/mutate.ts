/** The mutations of one policy on one object. */

import { createFrame, type Frame, RUNTIME_BUDGET } from "../cel/frame.ts";
import { toJson } from "../cel/json.ts";
import type { CelValue } from "../cel/value.ts";
import { CelError } from "../cel/value.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../lib/json.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { Schema } from "../resource/schema.ts";
import { type CompiledMutation, type CompiledPolicy, isKyvernoKind, type MutateEffect } from "./compiled-policy.ts";
import type { JsonPatchOperation } from "./decision.ts";
import { applyPatch } from "./json-patch.ts";
import { runExpression } from "./run-expression.ts";
import { structuredMerge } from "./structured-merge.ts";
import { annotate, errorFinding, type Finding, type Validated } from "./validate.ts";

export interface Mutated extends Validated {
  readonly object: JsonObject;
}

/**
 * Applies a policy's mutations in order, each to what the one before it made. One that fails leaves the object as it was; with
 * Kyverno's kinds the policy then changes nothing at all.
 */
export function mutate(
  policy: CompiledPolicy,
  effect: MutateEffect,
  object: JsonObject,
  frame: Frame,
  schema: Schema | undefined,
): Mutated {
  const findings: Finding[] = [];
  let current = object;
  let at = frame;
  for (const [index, mutation] of effect.mutations.entries()) {
    if (current !== at.bindings["object"]) at = nextFrame(policy, at, current);
    const applied = applyMutation(mutation, at, current, schema, effect.replacesAtomics);
    if (applied.ok) {
      current = applied.value;
      continue;
    }
    findings.push(errorFinding(`mutations[${index}]`, index, mutation, applied.error));
    if (isKyvernoKind(policy.kind)) return { object, findings, annotations: [] };
  }
  if (effect.auditAnnotations.length > 0) at = nextFrame(policy, at, current);
  const { annotations, failures } = annotate(effect.auditAnnotations, at);
  frame.cost = at.cost;
  return { object: failures.length === 0 ? current : object, findings: [...findings, ...failures], annotations };
}

/** The frame for the next mutation: it sees the changed object. Variables are evaluated anew for Kubernetes' kinds, but not for Kyverno's. */
function nextFrame(policy: CompiledPolicy, frame: Frame, object: JsonObject): Frame {
  const next = createFrame({ ...frame.bindings, object });
  next.cost = frame.cost;
  if (isKyvernoKind(policy.kind)) next.memo = frame.memo;
  return next;
}

function applyMutation(
  mutation: CompiledMutation,
  frame: Frame,
  object: JsonObject,
  schema: Schema | undefined,
  replacesAtomics: boolean,
): Result<JsonObject, CelError> {
  const value = runExpression(mutation, frame, frame.cost + RUNTIME_BUDGET);
  if (value instanceof CelError) return err(value);
  if (mutation.typeMismatch !== undefined) return err(failure(mutation.typeMismatch));
  return mutation.patchType === "JSONPatch" ? applyOperations(value, object) : applyConfiguration(value, object, schema, replacesAtomics);
}

const failure = (message: string): CelError => new CelError("CEL_INVALID_ARGUMENT", message);

function applyConfiguration(
  value: CelValue,
  object: JsonObject,
  schema: Schema | undefined,
  replacesAtomics: boolean,
): Result<JsonObject, CelError> {
  const json = toJson(value);
  if (json instanceof CelError) return err(json);
  if (!isJsonObject(json)) return err(failure("an apply configuration must be an Object"));
  const { apiVersion: _apiVersion, kind: _kind, ...patch } = json;
  const merged = structuredMerge(object, patch, schema, { replacesAtomics });
  return merged.ok ? merged : err(failure(`error applying patch: ${merged.error.message}`));
}

function applyOperations(value: CelValue, object: JsonObject): Result<JsonObject, CelError> {
  const json = toJson(value);
  if (json instanceof CelError) return err(json);
  const operations = isJsonArray(json) ? json.map(operationOf) : [undefined];
  if (!operations.every((operation) => operation !== undefined)) return err(failure("a JSON patch must be a list of JSONPatch"));
  const patched = applyPatch(object, operations);
  if (patched.ok) return isJsonObject(patched.value) ? ok(patched.value) : err(failure("JSON Patch: the result is not an object"));
  // A test that fails says that the patch is not for this object.
  return patched.error.code === "PATCH_TEST_FAILED"
    ? ok(object)
    : err(failure(`JSON Patch: operation ${patched.error.index}: ${patched.error.message}`));
}

const OPERATIONS: ReadonlySet<unknown> = new Set<JsonPatchOperation["op"]>(["add", "remove", "replace", "copy", "move", "test"]);
const isOperation = (op: JsonValue | undefined): op is JsonPatchOperation["op"] => OPERATIONS.has(op);

function operationOf(json: JsonValue): JsonPatchOperation | undefined {
  if (!isJsonObject(json)) return undefined;
  const { op, path = "", from, value } = json;
  if (!isOperation(op) || typeof path !== "string") return undefined;
  return { op, path, ...(typeof from === "string" ? { from } : {}), ...(value === undefined ? {} : { value }) };
}
