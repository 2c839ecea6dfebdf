/** One manifest after the other, by the function that the webhook calls. */
import type { Diagnostic } from "../../lib/diagnostic.ts";
import { ok, type Result } from "../../lib/result.ts";
import type { Decision } from "../../policy/decision.ts";
import { judge, judgeDocument } from "../../policy/judge.ts";
import type { ReviewError } from "../../policy/request-reader.ts";
import type { World } from "../../policy/review.ts";
import { type ObjectReviewOptions, reviewOfAdmissionRequest, reviewOfObject } from "../../policy/review-of.ts";
import type { Snapshot } from "../../policy/snapshot.ts";
import { type Document, diagnose } from "../../resource/document.ts";
import { metadataOf } from "../object-world.ts";
import type { CheckedObject } from "./report.ts";

export interface Manifest {
  readonly document: Document;
  /** It was found in a directory rather than named: what is no object may be passed over. */
  readonly wasFound: boolean;
}

export interface Judge {
  readonly snapshot: Snapshot;
  readonly world: World;
  readonly review: Pick<ObjectReviewOptions, "resourceTypeOf" | "defaultNamespace">;
}

export type Judged =
  | { readonly kind: "object"; readonly object: CheckedObject }
  /** No object, and no policy is about such documents. */
  | { readonly kind: "passed over" }
  | { readonly kind: "refused"; readonly diagnostic: Diagnostic };

const clockUs = (): number => performance.now() * 1_000;

/** Judges an object as if it were created, an AdmissionReview as the request that it is, and anything else by the policies about JSON. */
export function judgeManifest({ document, wasFound }: Manifest, by: Judge): Judged {
  const { value } = document;
  const isObject = typeof value["apiVersion"] === "string" && typeof value["kind"] === "string";
  if (!isObject && by.snapshot.json.length > 0) {
    const decision = judgeDocument(by.snapshot, value, by.world, { clockUs });
    return { kind: "object", object: { document, name: `document ${document.index + 1}`, decision } };
  }
  if (!isObject && wasFound) return { kind: "passed over" };
  const decision = judgeObject(document, by);
  if (decision.ok) return { kind: "object", object: { document, name: nameOf(document), decision: decision.value } };
  return { kind: "refused", diagnostic: diagnose(document, [], decision.error) };
}

function judgeObject({ value }: Document, { snapshot, world, review: options }: Judge): Result<Decision, ReviewError> {
  const isReview = value["kind"] === "AdmissionReview";
  const review = isReview ? reviewOfAdmissionRequest(value) : reviewOfObject(value, options);
  if (!review.ok) return review;
  return ok(judge(snapshot, review.value, world, { phase: "admit", clockUs, unknownNamespaces: "bare" }));
}

/** `Pod shop/debug`; of an AdmissionReview, the object that it is about. */
function nameOf({ value }: Document): string {
  const request = value["kind"] === "AdmissionReview" ? reviewOfAdmissionRequest(value) : undefined;
  if (request?.ok) {
    const { kind, namespace, name } = request.value;
    return `${kind.kind} ${namespace === "" ? "" : `${namespace}/`}${name}`;
  }
  const { name, namespace } = metadataOf(value);
  return `${value["kind"]} ${namespace === "" ? "" : `${namespace}/`}${name}`.trim();
}
