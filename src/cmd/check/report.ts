/** What came of a check, before it is drawn. */
import type { Diagnostic } from "../../lib/diagnostic.ts";
import type { Decision, Verdict } from "../../policy/decision.ts";
import type { Document } from "../../resource/document.ts";

export interface Report {
  /** Every object that was judged, in the order of files. */
  readonly objects: readonly CheckedObject[];
  /** What could not be read or compiled. */
  readonly diagnostics: readonly Diagnostic[];
  /** Documents that are no Kubernetes objects, and that no policy is about. */
  readonly passedOver: number;
  readonly policies: number;
  readonly snapshotId: string;
  readonly durationMs: number;
}

export interface CheckedObject {
  readonly document: Document;
  /** `Pod shop/debug`. */
  readonly name: string;
  readonly decision: Decision;
}

/** A verdict that somebody should see. */
export type Violation = Verdict & { readonly outcome: "deny" | "warn" | "audit" | "error" };

const OUTCOMES: readonly Verdict["outcome"][] = ["deny", "error", "warn", "audit"];

/** The gravest first, otherwise in policy order. */
export const violationsOf = ({ decision }: CheckedObject): readonly Violation[] =>
  decision.verdicts.filter(isViolation).sort((a, b) => OUTCOMES.indexOf(a.outcome) - OUTCOMES.indexOf(b.outcome));

const isViolation = (verdict: Verdict): verdict is Violation => verdict.outcome !== "allow" && verdict.outcome !== "skip";

export interface Summary {
  readonly objects: number;
  readonly denied: number;
  /** Objects that are admitted, but with a warning, an audit entry or a policy that failed. */
  readonly warned: number;
  readonly clean: number;
  /** Objects that mutating policies change. */
  readonly changed: number;
  readonly passedOver: number;
  readonly policies: number;
  /** Mistakes in the input. */
  readonly errors: number;
}

export function summarise({ objects, diagnostics, passedOver, policies }: Report): Summary {
  const denied = objects.filter(({ decision }) => !decision.allowed).length;
  const clean = objects.filter((object) => violationsOf(object).length === 0).length;
  const changed = objects.filter(({ decision }) => decision.patch.length > 0).length;
  const errors = diagnostics.filter(({ severity }) => severity === "error").length;
  return { objects: objects.length, denied, warned: objects.length - denied - clean, clean, changed, passedOver, policies, errors };
}
