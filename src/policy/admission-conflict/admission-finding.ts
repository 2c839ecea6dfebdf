/** What admission policies make of each other. */
import type { JsonObject } from "../../lib/json.ts";
import type { Document } from "../../resource/document.ts";
import type { PolicyOrigin } from "../access/access-rule.ts";

export interface AdmissionFinding {
  readonly kind: /** Two policies set one field differently: what comes of an object depends on which of them runs last. */
    | "mutation-clash"
    /** An exception that exempts nothing. */
    | "unreachable-exception";
  readonly severity: "warning";
  readonly rule: PolicyOrigin;
  readonly against: PolicyOrigin | undefined;
  /** One line, lower case. */
  readonly message: string;
  /** An object that both policies were really run on, in either order; undefined for exceptions, which are about all objects. */
  readonly example: MutationExample | undefined;
}

export interface MutationExample {
  readonly object: JsonObject;
  /** What the policy and then the other make of it. */
  readonly first: JsonObject;
  /** What the other and then the policy make of it. */
  readonly second: JsonObject;
}

export interface AdmissionConflicts {
  readonly findings: readonly AdmissionFinding[];
  /** Pairs of policies that may set one field, and for which no object was found that shows whether they do. */
  readonly unknown: number;
}

interface Named {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly document: Document;
}

/** Where a resource is written, and how people name it. */
export function originOfResource({ kind, metadata: { name, namespace }, document }: Named): PolicyOrigin {
  const { line, column } = document.locate(["metadata", "name"]);
  return { policy: `${kind} ${namespace === "" ? "" : `${namespace}/`}${name}`, rule: "", source: `${document.file}:${line}:${column}` };
}
