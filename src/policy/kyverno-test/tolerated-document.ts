import { isJsonArray, isJsonObject, type JsonObject } from "../../lib/json.ts";
import type { Document } from "../../resource/document.ts";

/**
 * The document with what Kyverno's command line does without although the API server asks for it: the actions of a binding
 * (`Deny`) and the operations of a rule (all). Other documents are returned as they are.
 */
export function toleratedDocument(document: Document): Document {
  const { value } = document;
  const { apiVersion, kind, spec } = value;
  if (typeof apiVersion !== "string" || !apiVersion.startsWith("admissionregistration.k8s.io/") || !isJsonObject(spec)) return document;
  const needsActions = kind === "ValidatingAdmissionPolicyBinding" && spec["validationActions"] === undefined;
  const completed = { ...withOperations(spec), ...(needsActions ? { validationActions: ["Deny"] } : {}) };
  return {
    file: document.file,
    index: document.index,
    line: document.line,
    value: { ...value, spec: completed },
    locate: (path, offset) => document.locate(path, offset),
    locateKey: (path) => document.locateKey(path),
  };
}

function withOperations(spec: JsonObject): JsonObject {
  const constraints = spec["matchConstraints"];
  if (!isJsonObject(constraints) || !isJsonArray(constraints["resourceRules"])) return spec;
  const resourceRules = constraints["resourceRules"].map((rule) => (isJsonObject(rule) ? { operations: ["*"], ...rule } : rule));
  return { ...spec, matchConstraints: { ...constraints, resourceRules } };
}
