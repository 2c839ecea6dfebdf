/**
 * The subject of a judgement: an admission request, a manifest that `vigil check` read as if it were created, or any JSON
 * document. One shape for the webhook, the command line, the background audit and the tests (requirement P2).
 */
import type { CelValue } from "../cel/value.ts";
import type { JsonObject } from "../lib/json.ts";

export interface GroupVersionKind {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

export interface GroupVersionResource {
  readonly group: string;
  readonly version: string;
  /** The plural, lower case: `deployments`. */
  readonly resource: string;
}

export type Operation = "CREATE" | "UPDATE" | "DELETE" | "CONNECT";

export interface UserInfo {
  readonly username: string;
  readonly uid?: string;
  readonly groups?: readonly string[];
  readonly extra?: { readonly [key: string]: readonly string[] };
}

/** `admission.k8s.io/v1` AdmissionRequest, with what the API server knows beside it. */
export interface Review {
  readonly uid: string;
  readonly operation: Operation;
  readonly kind: GroupVersionKind;
  readonly resource: GroupVersionResource;
  /** Empty when the request is for the resource itself. */
  readonly subResource: string;
  readonly requestKind: GroupVersionKind;
  readonly requestResource: GroupVersionResource;
  readonly requestSubResource: string;
  readonly name: string;
  /** Empty for cluster-scoped objects. */
  readonly namespace: string;
  readonly userInfo: UserInfo;
  /** null on DELETE and CONNECT where the API server sends none. */
  readonly object: JsonObject | null;
  readonly oldObject: JsonObject | null;
  readonly options: JsonObject | null;
  readonly dryRun: boolean;
  /** The AdmissionRequest as received: what CEL sees as `request`. */
  readonly request: JsonObject;
}

/** What the judge knows of the world beside the request: prefetched, immutable while a decision is made. */
export interface World {
  /** The Namespace object by name, or undefined when it is not known. */
  namespace(name: string): JsonObject | undefined;
  /** Objects that policies refer to: params of VAPs, `resource.Get`, by `apiVersion`, `kind` and namespace ("" = cluster-scoped or all). */
  objects(apiVersion: string, kind: string, namespace: string): readonly JsonObject[];
  /** Bindings of Kyverno's `globalContext`, `http`, `image` data and the like: name → CEL value. Missing = an error value with its age. */
  readonly bindings: { readonly [name: string]: CelValue };
  /** The current time in milliseconds since the epoch (for exceptions that expire and `time.now()`). */
  readonly nowMs: number;
}
