/** Rules made ready to judge events: each event meets only the rules that its type can match. */
import type { Diagnostic } from "../lib/diagnostic.ts";
import { closestName } from "../lib/suggestion.ts";
import type { Problem } from "./access.ts";
import { type Backend, type Bucket, compileBucket } from "./bucket.ts";
import { compileCheck } from "./check-test.ts";
import { type Check, type Condition, type Literal, OPERATORS, type Range } from "./condition.ts";
import { parseCondition } from "./condition-parser.ts";
import { diagnoseAt, type Spot } from "./diagnostic.ts";
import { EVENT_TYPES } from "./event-type.ts";
import type { Need } from "./field/field-row.ts";
import { type OutputFormat, parseOutput } from "./output-format.ts";
import { type PlanNode, PlanPool, specialize } from "./plan.ts";
import type { Priority, RuleException } from "./rule-file.ts";
import type { ConditionText, LoadedRule, RuleSet } from "./rule-set.ts";
import type { SyscallEvent } from "./syscall-event.ts";

/** A rule that judges events. */
export interface FalcoRule {
  readonly name: string;
  readonly description: string;
  readonly priority: Priority;
  readonly tags: readonly string[];
  readonly output: OutputFormat;
  readonly isEnabled: boolean;
  /** `file:line:column`. */
  readonly writtenAt: string;
  /** The types of events that it can match. */
  readonly eventTypes: readonly string[];
  /** Facts from elsewhere that its condition asks about; without them it matches more or less often. */
  readonly needs: readonly Need[];
  /** Parts of its condition that have no value here, with the reason. */
  readonly missing: readonly string[];
}

/** A rule that never judges anything, and why. */
export interface SilentRule {
  readonly name: string;
  readonly writtenAt: string;
  readonly isEnabled: boolean;
  readonly tags: readonly string[];
  readonly priority: Priority;
  readonly reason: string;
}

export interface CompileOptions {
  /** Which rules; those that are enabled when absent. */
  readonly includes?: (rule: LoadedRule) => boolean;
  readonly backend?: Backend;
}

export interface CompiledRules {
  readonly rules: readonly FalcoRule[];
  readonly silent: readonly SilentRule[];
  readonly diagnostics: readonly Diagnostic[];
  /** What has to be collected at all for these rules. */
  readonly eventTypes: readonly string[];
  /** The rules that match, in the order in which they are written; Falco itself reports the first only. */
  judge(event: SyscallEvent): readonly FalcoRule[];
}

export function compileRules(
  ruleSet: RuleSet,
  { includes = ({ isEnabled }) => isEnabled, backend = "auto" }: CompileOptions = {},
): CompiledRules {
  const compiler = new RuleCompiler(ruleSet);
  const rules: FalcoRule[] = [];
  const roots: PlanNode[] = [];
  const silent: SilentRule[] = [];
  for (const loaded of ruleSet.rules.filter(includes)) {
    const compiled = compiler.compile(loaded);
    if (compiled === undefined) continue;
    if ("reason" in compiled) silent.push(compiled);
    else {
      rules.push(compiled.rule);
      roots.push(compiled.root);
    }
  }
  const judge = judgeOf(compiler.pool, rules, roots, backend);
  const eventTypes = [...new Set(rules.flatMap((rule) => rule.eventTypes))];
  return { rules, silent, diagnostics: [...ruleSet.diagnostics, ...compiler.diagnostics], eventTypes, judge };
}

const NONE: readonly FalcoRule[] = [];
/** Types beyond those that rules can be about are few; a stream of made-up ones must not fill the memory. */
const MAX_BUCKETS = 1024;

function judgeOf(pool: PlanPool, rules: readonly FalcoRule[], roots: readonly PlanNode[], backend: Backend): CompiledRules["judge"] {
  const buckets = new Map<string, { readonly bucket: Bucket; readonly rules: readonly FalcoRule[] }>();
  const bucketOf = (type: string): { readonly bucket: Bucket; readonly rules: readonly FalcoRule[] } => {
    const done = new Map<number, PlanNode>();
    const able = roots.flatMap((root, index) => {
      const node = specialize(pool, root, type, done);
      const rule = rules[index];
      return node === pool.FALSE || rule === undefined ? [] : [{ node, rule }];
    });
    const nodes = able.map(({ node }) => node);
    const made = { bucket: compileBucket(nodes, backend), rules: able.map(({ rule }) => rule) };
    if (buckets.size < MAX_BUCKETS) buckets.set(type, made);
    return made;
  };
  return (event) => {
    const { bucket, rules: able } = buckets.get(event.type) ?? bucketOf(event.type);
    const found = bucket(event);
    return found === null ? NONE : found.flatMap((index) => able[index] ?? []);
  };
}

const MAX_MACRO_DEPTH = 64;

class RuleCompiler {
  readonly pool = new PlanPool();
  readonly diagnostics: Diagnostic[] = [];
  readonly #ruleSet: RuleSet;
  readonly #macros = new Map<string, PlanNode | undefined>();
  readonly #open: string[] = [];

  constructor(ruleSet: RuleSet) {
    this.#ruleSet = ruleSet;
  }

  /** Undefined when the rule has mistakes, which have been told. */
  compile(loaded: LoadedRule): { readonly rule: FalcoRule; readonly root: PlanNode } | SilentRule | undefined {
    const { name, isEnabled, tags, priority, spot } = loaded;
    const place = spot.document.locate(spot.path);
    const facts = { name, isEnabled, tags, priority, writtenAt: `${spot.document.file}:${place.line}:${place.column}` };
    if (loaded.source !== "syscall") return { ...facts, reason: `events of the source \`${loaded.source}\` are not read` };
    const before = this.diagnostics.length;
    const condition = this.#condition(loaded.condition);
    const exceptions = loaded.exceptions.flatMap((exception) => this.#exception(exception) ?? []);
    const output = parseOutput(
      loaded.output
        .map(({ text }) => text)
        .join(" ")
        .trim(),
    );
    if (!output.ok) this.#report(loaded.output, output.error);
    if (this.diagnostics.length > before || condition === undefined || !output.ok) {
      if (!loaded.isSkippedWhenUnknown) return undefined;
      const reasons = this.diagnostics.splice(before).map(({ message }) => message);
      return { ...facts, reason: `skipped as it asks for: ${reasons.join("; ")}` };
    }
    const root = this.pool.junction("and", [condition, ...exceptions.map((exception) => this.pool.not(exception))]);
    const eventTypes = [...EVENT_TYPES.keys()].filter((type) => specialize(this.pool, root, type, new Map()) !== this.pool.FALSE);
    const { needs, missing } = this.#demands(root);
    if (eventTypes.length === 0) {
      const reason = missing.length > 0 ? missing.join("; ") : "no event that is collected can match it";
      return { ...facts, reason };
    }
    return { rule: { ...facts, description: loaded.description, output: output.value, eventTypes, needs, missing }, root };
  }

  #demands(root: PlanNode): { readonly needs: readonly Need[]; readonly missing: readonly string[] } {
    const needs = new Set<Need>();
    const missing = new Set<string>();
    const seen = new Set<number>();
    const visit = (node: PlanNode): void => {
      if (seen.has(node.id)) return;
      seen.add(node.id);
      if (node.kind === "test") {
        for (const need of node.test.access.needs) needs.add(need);
        if (node.test.access.unavailable !== undefined) missing.add(node.test.access.unavailable);
      } else if (node.kind === "not") visit(node.node);
      else if (node.kind !== "constant") for (const child of node.nodes) visit(child);
    };
    visit(root);
    return { needs: [...needs], missing: [...missing] };
  }

  #condition(text: ConditionText): PlanNode | undefined {
    const parsed = parseCondition(text.map((part) => part.text).join(" "));
    if (parsed.ok) return this.#plan(parsed.value, text);
    this.#report(text, { code: "FALCO_CONDITION", ...parsed.error });
    return undefined;
  }

  #plan(condition: Condition, text: ConditionText): PlanNode | undefined {
    switch (condition.kind) {
      case "macro":
        return this.#macro(condition.name, condition, text);
      case "not": {
        const operand = this.#plan(condition.operand, text);
        return operand && this.pool.not(operand);
      }
      case "and":
      case "or": {
        const operands = condition.operands.map((operand) => this.#plan(operand, text));
        const known = operands.filter((operand) => operand !== undefined);
        return known.length === operands.length ? this.pool.junction(condition.kind, known) : undefined;
      }
      case "check":
        return this.#check(condition, text);
      default:
        return condition satisfies never;
    }
  }

  #check(check: Check, text: ConditionText): PlanNode | undefined {
    const test = compileCheck(check, (name) => this.#ruleSet.lists.get(name));
    if (test.ok) return this.pool.test(test.value);
    this.#report(text, test.error);
    return undefined;
  }

  #macro(name: string, range: Range, text: ConditionText): PlanNode | undefined {
    const macro = this.#ruleSet.macros.get(name);
    const problem = (message: string, hint?: string): undefined => this.#report(text, { ...range, code: "FALCO_NAME", message, hint });
    if (macro === undefined) {
      const near = closestName(name, this.#ruleSet.macros.keys());
      return problem(`unknown macro \`${name}\``, near && `did you mean \`${near}\`?`);
    }
    if (this.#macros.has(name)) return this.#macros.get(name);
    if (this.#open.includes(name)) return problem(`the macro \`${name}\` contains itself`);
    if (this.#open.length >= MAX_MACRO_DEPTH) return problem(`expected at most ${MAX_MACRO_DEPTH} macros within each other`);
    this.#open.push(name);
    const before = this.diagnostics.length;
    const node = this.#condition(macro.condition);
    this.#open.pop();
    // A mistake in a macro is told once; rules that use it cannot be compiled either.
    if (node === undefined && this.diagnostics.length === before) return problem(`the macro \`${name}\` cannot be used`);
    this.#macros.set(name, node);
    return node;
  }

  /** What an exception excepts, as a condition. */
  #exception({ fields, comparisons, values, spot, name }: RuleException): PlanNode | undefined {
    if (values.length === 0) return undefined;
    const text: ConditionText = [{ ...spot, text: "" }];
    const problem = (message: string): undefined => this.#report(text, { start: 0, end: 1, code: "FALCO_FILE", message });
    if (fields.length === 0 || comparisons.length !== fields.length)
      return problem(`expected as many \`comps\` as \`fields\` in \`${name}\``);
    const alternatives: PlanNode[] = [];
    for (const tuple of values) {
      if (tuple.length !== fields.length) return problem(`expected ${fields.length} values in each of the \`values\` of \`${name}\``);
      const checks = fields.map((field, index) => this.#exceptionCheck(field, comparisons[index] ?? "", tuple[index] ?? "", text));
      const known = checks.filter((check) => check !== undefined);
      if (known.length !== checks.length) return undefined;
      alternatives.push(this.pool.junction("and", known));
    }
    return this.pool.junction("or", alternatives);
  }

  #exceptionCheck(field: string, comparison: string, value: string | readonly string[], text: ConditionText): PlanNode | undefined {
    const range: Range = { start: 0, end: 1 };
    const parsed = parseCondition(`${field} exists`);
    const operator = OPERATORS.find((candidate) => candidate === comparison);
    if (!parsed.ok || parsed.value.kind !== "check" || operator === undefined)
      return this.#report(text, {
        ...range,
        code: "FALCO_FILE",
        message: `expected a field and an operator, got \`${field}\` and \`${comparison}\``,
      });
    const literal = (written: string): Literal => ({ kind: "literal", text: written, isQuoted: false, ...range });
    const isList = operator === "in" || operator === "pmatch" || operator === "intersects";
    if (typeof value !== "string" && !isList)
      return this.#report(text, { ...range, code: "FALCO_FILE", message: `expected one value for \`${field} ${comparison}\`, got a list` });
    const texts = typeof value === "string" ? [value] : value;
    const right: Check["right"] = isList ? { kind: "list", values: texts.map(literal), ...range } : literal(texts[0] ?? "");
    return this.#check({ ...parsed.value, ...range, operator, right }, text);
  }

  /** At the part of the text that is meant. */
  #report(text: ConditionText, problem: Problem): undefined {
    let start = problem.start;
    for (const part of text) {
      if (start <= part.text.length || part === text.at(-1)) {
        const range = part.text === "" ? undefined : { start, end: start + problem.end - problem.start };
        this.diagnostics.push(diagnoseAt(part as Spot, { ...problem, ...(range === undefined ? {} : { range }) }));
        return undefined;
      }
      start -= part.text.length + 1;
    }
    return undefined;
  }
}
