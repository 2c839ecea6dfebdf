/** A decision as the `admission.k8s.io/v1` AdmissionReview that answers the API server, within the limits that it sets. */
import { encodeJson, type JsonValue } from "../lib/json.ts";
import type { Decision, JsonPatchOperation } from "../policy/decision.ts";

export type Phase = "validate" | "mutate";

/** The API server cuts a warning at 256 characters once all together exceed 4,096, and drops one with a control character. */
const MAX_WARNING_LENGTH = 256;
const MAX_WARNINGS_LENGTH = 4096;
/** As the API server allows for the annotations of a ValidatingAdmissionPolicy. */
const MAX_ANNOTATION_LENGTH = 10 * 1024;
const MAX_ANNOTATIONS = 64;
const MAX_MESSAGE_LENGTH = 16 * 1024;
/** The name part of a qualified name; the API server puts the webhook's name before it. */
const MAX_ANNOTATION_KEY_LENGTH = 63;

const HEAD = '{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":';

/** The answer to a review of which nothing is to be said. */
export const encodeAllowed = (uid: string): string => `${HEAD}${JSON.stringify(uid)},"allowed":true}}`;

/** The answer that allows with one warning. */
export const encodeAllowedWithWarning = (uid: string, warning: string): string =>
  `${HEAD}${JSON.stringify(uid)},"allowed":true,"warnings":${JSON.stringify(warningsOf([warning]))}}}`;

/** The answer that denies outside any policy. `code` is an HTTP status of 400 or more. */
export const encodeDenied = (uid: string, code: number, reason: string, message: string): string =>
  `${HEAD}${JSON.stringify(uid)},"allowed":false,"status":${statusOf(code, reason, message)}}}`;

/** The answer of a decision. A patch is sent only where the API server takes one: when mutating, and allowed. */
export function encodeDecision(uid: string, decision: Decision, phase: Phase): string {
  const { allowed, warnings, auditAnnotations, patch } = decision;
  let text = `${HEAD}${JSON.stringify(uid)},"allowed":${allowed}`;
  if (!allowed) text += `,"status":${statusOf(decision.code, decision.reason, decision.message)}`;
  if (warnings.length > 0) text += `,"warnings":${JSON.stringify(warningsOf(warnings))}`;
  const annotations = Object.entries(auditAnnotations);
  if (annotations.length > 0) text += `,"auditAnnotations":${JSON.stringify(annotationsOf(annotations))}`;
  if (allowed && phase === "mutate" && patch.length > 0) text += `,"patchType":"JSONPatch","patch":"${encodePatch(patch)}"`;
  return `${text}}}`;
}

function statusOf(code: number, reason: string, message: string): string {
  return JSON.stringify({ metadata: {}, status: "Failure", message: cut(message, MAX_MESSAGE_LENGTH), reason, code });
}

function encodePatch(patch: readonly JsonPatchOperation[]): string {
  const operations = patch.map(({ op, path, from, value }) => ({
    op,
    path,
    ...(from !== undefined && { from }),
    // A patch is made of JSON: the type of `value` is wider than what it holds.
    ...(value !== undefined && { value: value as JsonValue }),
  }));
  return Buffer.from(encodeJson(operations)).toString("base64");
}

/** Warnings that the API server passes on to the client: on one line each, no doubles, within its limits. */
function warningsOf(warnings: readonly string[]): readonly string[] {
  const kept: string[] = [];
  let left = MAX_WARNINGS_LENGTH;
  for (const warning of new Set(warnings.map(onOneLine))) {
    const text = cut(warning, Math.min(MAX_WARNING_LENGTH, left));
    if (text !== "") kept.push(text);
    left -= text.length;
  }
  return kept;
}

function annotationsOf(annotations: readonly (readonly [string, string])[]): { readonly [key: string]: string } {
  return Object.fromEntries(
    annotations.slice(0, MAX_ANNOTATIONS).map(([key, value]) => [annotationKey(key), cut(value, MAX_ANNOTATION_LENGTH)]),
  );
}

/** A key that begins and ends with a letter or digit, with `.`, `_` and `-` between: anything else is dropped by the API server. */
function annotationKey(key: string): string {
  const cleaned = key.replaceAll(/[^A-Za-z0-9._-]/g, ".").slice(-MAX_ANNOTATION_KEY_LENGTH);
  return cleaned.replaceAll(/^[._-]+|[._-]+$/g, "") || "annotation";
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced
const onOneLine = (text: string): string => text.replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, " ").trim();

/** At most `limit` UTF-16 units, marked where it was cut, never within a character. */
function cut(text: string, limit: number): string {
  if (text.length <= limit) return text;
  return limit < 1
    ? ""
    : `${text
        .slice(0, limit - 1)
        .toWellFormed()
        .replace(/\ufffd$/, "")}…`;
}
