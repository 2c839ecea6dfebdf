/** RuntimePolicies made ready to judge events of the host. Pure: what time it is, events say. */
import { createFrame, type Frame } from "../cel/frame.ts";
import { BOOL, STRING } from "../cel/type.ts";
import { CelError } from "../cel/value.ts";
import { PathPrefixes } from "../falco/path-prefix.ts";
import type { SyscallEvent } from "../falco/syscall-event.ts";
import { type Diagnostic, sortDiagnostics } from "../lib/diagnostic.ts";
import type { Expression } from "../resource/expression.ts";
import { policyNote } from "../resource/metadata.ts";
import { callsOf, type RuntimeEventName, runtimeEventName } from "../resource/runtime-event-name.ts";
import type { RuntimePolicy } from "../resource/runtime-policy.ts";
import type { CompiledCondition, CompiledExpression } from "./compiled-policy.ts";
import { ExpressionCompiler } from "./expression-compiler.ts";
import { selects, selectsEverything } from "./label-match.ts";
import { checkConditions, describeError, runExpression } from "./run-expression.ts";
import { RUNTIME_VARIABLES, runtimeEnvironment } from "./runtime-declarations.ts";
import { AGES, pathOf, type RunningWorkload, RuntimeBindings } from "./runtime-view.ts";

/** What one policy says about one event. */
export interface RuntimeMatchResult {
  readonly policy: RuntimePolicy;
  readonly event: RuntimeEventName;
  readonly message: string;
  /** What it is counted under: alike for what is the same again. */
  readonly key: string;
  readonly thresholdKey: string;
  /** The exception that leaves it alone, if one does. */
  readonly exception: string | undefined;
  /** What went wrong in an expression; the event counts as matched then: deny when unsure. */
  readonly error: string | undefined;
}

/** What has to be seen at all, for the filters in the kernel. */
export interface RuntimeInterest {
  readonly calls: readonly string[];
  readonly events: readonly RuntimeEventName[];
  /** By event: the only paths that any policy asks about. An event that is not here: all. */
  readonly paths: Readonly<Partial<Record<RuntimeEventName, readonly string[]>>>;
}

export interface RuntimeRules {
  readonly policies: readonly RuntimePolicy[];
  readonly interest: RuntimeInterest;
  /** Null when nothing matches, which is the usual case. */
  judge(event: SyscallEvent, workloadOf: (event: SyscallEvent) => RunningWorkload): readonly RuntimeMatchResult[] | null;
}

/** Compiles policies; one that does not compile is left out, and its mistakes are in `diagnostics`. */
export function compileRuntimePolicies(policies: readonly RuntimePolicy[]): {
  readonly rules: RuntimeRules;
  readonly diagnostics: readonly Diagnostic[];
} {
  const diagnostics: Diagnostic[] = [];
  const compiled = policies.flatMap((policy) => compilePolicy(policy, diagnostics) ?? []);
  const byEvent = new Map<RuntimeEventName, CompiledRuntimePolicy[]>();
  for (const rule of compiled) {
    for (const name of new Set(rule.policy.match.events)) {
      const same = byEvent.get(name) ?? [];
      same.push(rule);
      byEvent.set(name, same);
    }
  }
  const rulesOf = new Map([...byEvent].map(([name, rules]) => [name, eventRules(rules)]));
  const judge: RuntimeRules["judge"] = (event, workloadOf) => {
    const name = runtimeEventName(event);
    const rules = name === undefined ? undefined : rulesOf.get(name);
    if (name === undefined || rules === undefined) return null;
    const { all, withoutPaths, paths } = rules;
    const path = paths === undefined ? "" : pathOf(event);
    const able = paths === undefined || paths.matches(path) ? all : withoutPaths;
    return able.length === 0 ? null : judgeAll(able, { event, name, path }, workloadOf);
  };
  return {
    rules: { policies: compiled.map(({ policy }) => policy), interest: interestOf(byEvent), judge },
    diagnostics: sortDiagnostics(diagnostics),
  };
}

interface CompiledRuntimePolicy {
  readonly policy: RuntimePolicy;
  readonly paths: PathPrefixes | undefined;
  readonly isForAll: boolean;
  readonly conditions: readonly RuntimeCondition[];
  readonly exceptions: readonly (CompiledCondition & { readonly expiresAtMs: number | undefined })[];
  readonly message: CompiledExpression | undefined;
  readonly key: CompiledExpression | undefined;
  readonly thresholdKey: CompiledExpression | undefined;
  /** Those that its expressions name. */
  readonly variables: readonly string[];
}

/** With the variables that it names: those of later conditions are made when the earlier ones hold, which is seldom. */
interface RuntimeCondition extends CompiledCondition {
  readonly needs: readonly string[];
}

function compilePolicy(policy: RuntimePolicy, diagnostics: Diagnostic[]): CompiledRuntimePolicy | undefined {
  const compiler = new ExpressionCompiler(runtimeEnvironment());
  compiler.compileVariables(policy.variables);
  const optional = (expression: Expression | undefined): CompiledExpression | undefined =>
    expression && compiler.compile(expression, STRING);
  const conditions = compiler.conditions(policy.conditions);
  const exceptions = policy.exceptions.flatMap(({ name, expression, expiresAtMs }) => {
    const compiled = compiler.compile(expression, BOOL);
    return compiled === undefined ? [] : [{ name, expiresAtMs, ...compiled }];
  });
  const [message, key, thresholdKey] = [policy.message, policy.deduplicate.key, policy.threshold?.key].map(optional);
  diagnostics.push(...compiler.problems);
  if (compiler.problems.length > 0) return undefined;
  const variables = policy.variables.map(({ expression }) => expression.text);
  const conditionTexts = policy.conditions.map(({ expression }) => expression.text);
  const texts = [...policy.exceptions.map(({ expression }) => expression), policy.message, policy.deduplicate.key, policy.threshold?.key];
  return {
    policy,
    paths: policy.match.paths.length === 0 ? undefined : new PathPrefixes(policy.match.paths),
    isForAll: selectsEverything(policy.match.workloads),
    conditions: conditions.map((condition) => {
      const { text } = condition.expression;
      return { ...condition, needs: namedIn(/\bvariables\b/.test(text) ? [...variables, text] : [text]) };
    }),
    exceptions,
    message,
    key,
    thresholdKey,
    variables: namedIn([...variables, ...conditionTexts, ...texts.map((expression) => expression?.text ?? "")]),
  };
}

/**
 * Variables in the order in which they are made. A word in a text may be no variable but a field; then a value is made that nobody
 * reads. Whatever is `dyn` may be asked for anything.
 */
function namedIn(texts: readonly string[]): readonly string[] {
  const names = (name: string): boolean => texts.some((text) => new RegExp(`\\b${name}\\b`).test(text));
  const asksForAges = ["ageSeconds", "executableAgeSeconds", "dyn"].some(names);
  return [...(asksForAges ? [AGES] : []), ...Object.keys(RUNTIME_VARIABLES).filter(names)];
}

function interestOf(byEvent: ReadonlyMap<RuntimeEventName, readonly CompiledRuntimePolicy[]>): RuntimeInterest {
  const paths: Partial<Record<RuntimeEventName, readonly string[]>> = {};
  for (const [name, rules] of byEvent) {
    if (rules.every((rule) => rule.paths !== undefined)) paths[name] = [...new Set(rules.flatMap(({ policy }) => policy.match.paths))];
  }
  const events = [...byEvent.keys()];
  return { events, calls: callsOf(new Set(events)), paths };
}

/** What an event is judged by. Most events that are about a path are about one that no policy asks for. */
interface EventRules {
  readonly all: readonly CompiledRuntimePolicy[];
  readonly withoutPaths: readonly CompiledRuntimePolicy[];
  /** All paths that some ask for; undefined when none does. */
  readonly paths: PathPrefixes | undefined;
}

function eventRules(all: readonly CompiledRuntimePolicy[]): EventRules {
  const asked = all.flatMap(({ policy }) => policy.match.paths);
  return {
    all,
    withoutPaths: all.filter(({ paths }) => paths === undefined),
    paths: asked.length === 0 ? undefined : new PathPrefixes(asked),
  };
}

interface Judged {
  readonly event: SyscallEvent;
  readonly name: RuntimeEventName;
  readonly path: string;
}

function judgeAll(
  rules: readonly CompiledRuntimePolicy[],
  judged: Judged,
  workloadOf: (event: SyscallEvent) => RunningWorkload,
): readonly RuntimeMatchResult[] | null {
  let found: RuntimeMatchResult[] | null = null;
  let bindings: RuntimeBindings | undefined;
  let frame: Frame | undefined;
  const { event, name, path } = judged;
  for (const rule of rules) {
    if (rule.paths !== undefined && !rule.paths.matches(path)) continue;
    bindings ??= new RuntimeBindings(event, name, workloadOf(event));
    if (!rule.isForAll && !selects(rule.policy.match.workloads, bindings.workload.labels)) continue;
    frame ??= createFrame(bindings.made);
    // Each policy has an account of its own.
    frame.cost = 0;
    frame.memo = null;
    const result = judgeOne(rule, judged, frame, bindings);
    if (result === undefined) continue;
    found ??= [];
    found.push(result);
  }
  return found;
}

function judgeOne(
  rule: CompiledRuntimePolicy,
  { event, name }: Judged,
  frame: Frame,
  bindings: RuntimeBindings,
): RuntimeMatchResult | undefined {
  const { policy } = rule;
  const { workload } = bindings;
  const conditions = checkConditions<RuntimeCondition>(rule.conditions, frame, bindings);
  if (conditions.kind === "unmet") return undefined;
  bindings.make(rule.variables);
  const errors = conditions.kind === "error" ? [describeError(conditions.condition, conditions.error)] : [];
  const nowMs = Number(event.timeNs / 1_000_000n);
  const isInForce = (expiresAtMs: number | undefined): boolean => expiresAtMs === undefined || nowMs < expiresAtMs;
  const exception = rule.exceptions.find((entry) => isInForce(entry.expiresAtMs) && runExpression(entry, frame, BUDGET) === true);
  const usualKey = `${workload.id}\0${event.caller.exePath}\0${pathOf(event) || (event.fd?.name ?? "")}`;
  return {
    policy,
    event: name,
    message: textOf(rule.message, frame, errors) ?? policyNote(policy.metadata, "title") ?? policy.metadata.name,
    key: textOf(rule.key, frame, errors)?.slice(0, MAX_KEY) ?? usualKey,
    thresholdKey: textOf(rule.thresholdKey, frame, errors)?.slice(0, MAX_KEY) ?? workload.id,
    exception: exception?.name,
    error: errors[0],
  };
}

/** Of everything that is asked about one event by one policy. */
const BUDGET = 10_000_000;
const MAX_TEXT = 4_096;
/** Keys are kept in memory, many at a time. */
const MAX_KEY = 512;

function textOf(expression: CompiledExpression | undefined, frame: Frame, errors: string[]): string | undefined {
  if (expression === undefined) return undefined;
  const value = runExpression(expression, frame, BUDGET);
  if (typeof value === "string") return value.slice(0, MAX_TEXT);
  errors.push(describeError(expression, value instanceof CelError ? value : new CelError("CEL_NO_SUCH_OVERLOAD", "expected a text")));
  return undefined;
}
