/** Conditions of access rules: compiled once, judged by each layer as far as it can see. */
import type { Expr } from "../../cel/ast.ts";
import { createFrame, PER_CALL_LIMIT } from "../../cel/frame.ts";
import { partialEvaluate } from "../../cel/partial/partial-evaluate.ts";
import { walk } from "../../cel/traversal.ts";
import { BOOL } from "../../cel/type.ts";
import type { CelValue } from "../../cel/value.ts";
import type { Diagnostic } from "../../lib/diagnostic.ts";
import type { Expression } from "../../resource/expression.ts";
import { ACCESS_ENVIRONMENT, ACCESS_TYPES, callBindings, knowledgeOf, type Layer } from "./access-environment.ts";
import type { AccessRule, Condition } from "./access-rule.ts";
import type { Call } from "./endpoint.ts";
import { isPortComparable, portBoundaries } from "./port-condition.ts";
import type { RolesNow } from "./role-library.ts";

/** What a layer knows of a condition. An error counts as `no` for who would be allowed, and as `yes` for who would be denied. */
export type Answer = "yes" | "no" | "unknown";

/** The compiled condition; undefined when it does not compile, which `problems` then says. */
export function compileCondition(expression: Expression, problems: Diagnostic[]): Condition | undefined {
  const compiled = ACCESS_ENVIRONMENT.compile(expression.source, { resultType: BOOL });
  if (compiled.ok) {
    const { root } = compiled.value.checked;
    const isComparable = isPortComparable(root);
    const boundaries = isComparable ? portBoundaries(root) : [];
    return {
      expression,
      program: compiled.value,
      variables: variablesOf(root),
      requestFields: requestFieldsOf(root),
      isPortComparable: isComparable,
      portBoundaries: boundaries,
    };
  }
  problems.push(...compiled.error);
  return undefined;
}

function variablesOf(root: Expr): ReadonlySet<string> {
  const names = new Set<string>();
  walk(root, (expr) => {
    if (expr.kind === "ident") names.add(expr.name);
  });
  return names;
}

function requestFieldsOf(root: Expr): ReadonlySet<string> {
  const fields = new Set<string>();
  let named = 0;
  let whole = 0;
  walk(root, (expr) => {
    if (expr.kind === "ident" && expr.name === "request") whole++;
    if (expr.kind !== "select" || expr.operand.kind !== "ident" || expr.operand.name !== "request") return;
    named++;
    fields.add(expr.field);
  });
  if (whole > named) fields.add("request");
  return fields;
}

type Guarded = Pick<AccessRule, "when" | "action">;

/** Whether the condition holds, by everything that is known of the call: the reference. */
export function conditionHolds({ when, action }: Guarded, call: Call, roles?: RolesNow): boolean {
  return when === undefined || read(when.program.run(createFrame(callBindings(call, roles))), action) === "yes";
}

/** What a layer can say of the condition. The kernel knows of the port what it can decide for whole ranges. */
export function conditionAt(layer: Layer, { when, action }: Guarded, call: Call, roles?: RolesNow): Answer {
  if (when === undefined) return "yes";
  const { known, unknown } = knowledgeOf(layer);
  const bindings = callBindings(call, roles);
  const visible: Record<string, CelValue> = {};
  for (const name of known) {
    const value = bindings[name];
    if (value !== undefined) visible[name] = value;
  }
  const hidden = layer === "kernel" && !when.isPortComparable ? [...unknown, "connection.port"] : unknown;
  const options = { known: visible, unknown: hidden, types: ACCESS_TYPES, costLimit: PER_CALL_LIMIT };
  const outcome = partialEvaluate(when.program.checked, options);
  return outcome.kind === "value" ? read(outcome.value, action) : "unknown";
}

/** Closed on failure: what is neither true nor false never lets anybody in. */
function read(value: CelValue, action: AccessRule["action"]): Answer {
  if (typeof value === "boolean") return value ? "yes" : "no";
  return action === "deny" ? "yes" : "no";
}
