/**
 * Macros: calls that the parser turns into typed nodes. A macro is recognised by name, style and number of arguments; a
 * call that matches none stays a call.
 */
import type { Block, Call, ComprehensionMacro, Expr, Ident } from "./ast.ts";
import type { Span } from "./diagnostic.ts";

/** `has`, `all`, `exists`, `exists_one`, `existsOne`, `map` and `filter`. */
export const STANDARD_MACROS: readonly string[] = ["has", "all", "exists", "exists_one", "existsOne", "map", "filter"];
/** `all`, `exists` and `existsOne` over two variables, `transformList`, `transformMap` and `transformMapEntry`. */
export const TWO_VARIABLE_MACROS: readonly string[] = [
  "all2",
  "exists2",
  "existsOne2",
  "transformList",
  "transformMap",
  "transformMapEntry",
];
/** `optMap` and `optFlatMap`. */
export const OPTIONAL_MACROS: readonly string[] = ["optMap", "optFlatMap"];
/** `cel.bind`. */
export const BINDING_MACROS: readonly string[] = ["bind"];
/** `math.greatest` and `math.least` of any number of arguments. */
export const MATH_MACROS: readonly string[] = ["greatest", "least"];
/** `list.sortBy(x, key)`. */
export const LIST_MACROS: readonly string[] = ["sortBy"];
/** `cel.block`, `cel.index`, `cel.iterVar` and `cel.accuVar`, which the optimiser of another CEL may have written. */
export const BLOCK_MACROS: readonly string[] = ["block", "index", "iterVar", "accuVar"];

/** What a macro needs of the parser. */
export interface MacroContext {
  readonly nextId: () => number;
  readonly report: (message: string, span: Span, hint?: string) => void;
}

type Expand = (call: Call, context: MacroContext) => Expr | undefined;

interface Macro {
  /** The name in the set of enabled macros. */
  readonly name: string;
  readonly argumentCount: number | "any";
  /** A macro of a namespace is written after the bare name of the namespace. */
  readonly style: "global" | "receiver" | "cel" | "math";
  readonly expand: Expand;
}

/** The typed node of a call that is an enabled macro; undefined when the call is an ordinary one. Wrong arguments are reported. */
export function expandMacro(call: Call, enabled: ReadonlySet<string>, context: MacroContext): Expr | undefined {
  const candidates = MACROS.get(call.fn);
  if (candidates === undefined) return undefined;
  for (const macro of candidates) {
    const fits = macro.argumentCount === "any" || macro.argumentCount === call.args.length;
    if (fits && enabled.has(macro.name) && hasStyle(call, macro.style)) {
      return macro.expand(call, context);
    }
  }
  return undefined;
}

/** How the macros of this name are written, for a hint about a call that matches none of them. */
export const macroUsage = (name: string): string | undefined => MACRO_USAGE.get(name);

function hasStyle(call: Call, style: Macro["style"]): boolean {
  if (style === "global") return call.target === null;
  if (style === "receiver") return call.target !== null;
  return call.target?.kind === "ident" && call.target.name === style;
}

const MACRO_USAGE: ReadonlyMap<string, string> = new Map([
  ["has", "has(value.field)"],
  ["all", "range.all(x, predicate)"],
  ["exists", "range.exists(x, predicate)"],
  ["exists_one", "range.exists_one(x, predicate)"],
  ["existsOne", "range.existsOne(x, predicate)"],
  ["map", "range.map(x, result)"],
  ["filter", "range.filter(x, predicate)"],
  ["transformList", "range.transformList(index, x, result)"],
  ["transformMap", "range.transformMap(key, x, result)"],
  ["transformMapEntry", "range.transformMapEntry(key, x, {newKey: newValue})"],
  ["optMap", "optional.optMap(x, result)"],
  ["optFlatMap", "optional.optFlatMap(x, optionalResult)"],
  ["bind", "cel.bind(name, value, result)"],
  ["greatest", "math.greatest(a, b)"],
  ["least", "math.least(a, b)"],
  ["sortBy", "list.sortBy(x, key)"],
]);

const MACROS: ReadonlyMap<string, readonly Macro[]> = new Map<string, readonly Macro[]>([
  ["has", [{ name: "has", argumentCount: 1, style: "global", expand: expandHas }]],
  ["all", quantifier("all")],
  ["exists", quantifier("exists")],
  ["existsOne", quantifier("existsOne")],
  ["exists_one", quantifier("existsOne", "exists_one")],
  ["filter", [oneVariable("filter", 2)]],
  ["map", [oneVariable("map", 2), oneVariable("map", 3)]],
  ["transformList", transform("transformList")],
  ["transformMap", transform("transformMap")],
  ["transformMapEntry", transform("transformMapEntry")],
  ["optMap", [{ name: "optMap", argumentCount: 2, style: "receiver", expand: expandOptMap }]],
  ["optFlatMap", [{ name: "optFlatMap", argumentCount: 2, style: "receiver", expand: expandOptMap }]],
  ["bind", [{ name: "bind", argumentCount: 3, style: "cel", expand: expandBind }]],
  ["sortBy", [{ name: "sortBy", argumentCount: 2, style: "receiver", expand: expandSortBy }]],
  ["greatest", [{ name: "greatest", argumentCount: "any", style: "math", expand: expandExtreme }]],
  ["least", [{ name: "least", argumentCount: "any", style: "math", expand: expandExtreme }]],
  ["block", [{ name: "block", argumentCount: 2, style: "cel", expand: expandBlock }]],
  ["index", [{ name: "index", argumentCount: 1, style: "cel", expand: numberedName("@index") }]],
  ["iterVar", [{ name: "iterVar", argumentCount: 2, style: "cel", expand: numberedName("@it:") }]],
  ["accuVar", [{ name: "accuVar", argumentCount: 2, style: "cel", expand: numberedName("@ac:") }]],
]);

function quantifier(macro: ComprehensionMacro, name: string = macro): readonly Macro[] {
  return [oneVariable(macro, 2, name), twoVariables(macro, 3, `${macro}2`)];
}

function transform(macro: ComprehensionMacro): readonly Macro[] {
  return [twoVariables(macro, 3, macro), twoVariables(macro, 4, macro)];
}

function oneVariable(macro: ComprehensionMacro, argumentCount: number, name: string = macro): Macro {
  const expand: Expand = (call, context) => {
    const variable = variableName(call, 0, context);
    return variable === undefined ? undefined : comprehension(macro, call, [variable, null], context);
  };
  return { name, argumentCount, style: "receiver", expand };
}

function twoVariables(macro: ComprehensionMacro, argumentCount: number, name: string): Macro {
  const expand: Expand = (call, context) => {
    const first = variableName(call, 0, context);
    const second = variableName(call, 1, context);
    if (first === undefined || second === undefined) return undefined;
    if (first === second) {
      report(call, 1, context, `duplicate variable name \`${first}\``, "give the second variable another name");
      return undefined;
    }
    return comprehension(macro, call, [first, second], context);
  };
  return { name, argumentCount, style: "receiver", expand };
}

function comprehension(
  macro: ComprehensionMacro,
  call: Call,
  [var1, var2]: readonly [string, string | null],
  context: MacroContext,
): Expr | undefined {
  const { start, end, target, args } = call;
  const body = args.at(-1);
  if (target === null || body === undefined) return undefined;
  const afterVariables = var2 === null ? 1 : 2;
  const filter = args.length - afterVariables === 2 ? (args[afterVariables] ?? null) : null;
  return { kind: "comprehension", id: context.nextId(), start, end, macro, range: target, var1, var2, filter, body };
}

function expandHas(call: Call, context: MacroContext): Expr | undefined {
  const argument = call.args[0];
  if (argument?.kind !== "select" || argument.optional || argument.testOnly) {
    const isIndex = argument?.kind === "call" && (argument.fn === "_[_]" || argument.fn === "_[?_]");
    const hint = isIndex ? "test for a key with `key in map`" : "write `has(value.field)`";
    report(call, 0, context, "invalid argument of `has`, expected a field selection", hint);
    return undefined;
  }
  return { ...argument, id: context.nextId(), testOnly: true };
}

function expandOptMap(call: Call, context: MacroContext): Expr | undefined {
  const { start, end, target, args, fn } = call;
  const name = variableName(call, 0, context);
  const body = args[1];
  if (name === undefined || target === null || body === undefined) return undefined;
  return { kind: "optMap", id: context.nextId(), start, end, target, name, body, flat: fn === "optFlatMap" };
}

function expandBind(call: Call, context: MacroContext): Expr | undefined {
  const { start, end, args } = call;
  const name = variableName(call, 0, context);
  const [, value, body] = args;
  if (name === undefined || value === undefined || body === undefined) return undefined;
  return { kind: "bind", id: context.nextId(), start, end, name, value, body };
}

/** The functions that macros call, by the names of the macros. Nobody can write them: `@` is no character of CEL. */
const EXTREMES: ReadonlyMap<string, string> = new Map([
  ["greatest", "math.@max"],
  ["least", "math.@min"],
]);

/** A function's name as it is written: `math.greatest` for `math.@max`. */
export function writtenName(fn: string): string {
  if (!fn.startsWith("math.@")) return fn;
  for (const [written, name] of EXTREMES) if (name === fn) return `math.${written}`;
  return fn;
}

const isNoNumber = (expr: Expr): boolean =>
  expr.kind === "literal"
    ? expr.value.type !== "int" && expr.value.type !== "uint" && expr.value.type !== "double"
    : expr.kind === "list" || expr.kind === "map" || expr.kind === "struct";

/** `math.greatest(a)`, of two arguments, or of a list when there are more. */
function expandExtreme(call: Call, context: MacroContext): Expr | undefined {
  const { args, start, end } = call;
  const fn = EXTREMES.get(call.fn);
  if (fn === undefined || args.length === 0) {
    context.report(`\`math.${call.fn}\` needs at least one argument`, call);
    return undefined;
  }
  const [first] = args;
  const numbers = args.length === 1 && first?.kind === "list" ? first.elements.map((element) => element.value) : args;
  const wrong = numbers.length === 0 ? first : numbers.find(isNoNumber);
  if (wrong !== undefined) {
    context.report(`invalid argument of \`math.${call.fn}\`, expected numbers`, wrong);
    return undefined;
  }
  if (args.length <= 2) return { ...call, id: context.nextId(), fn, target: null };
  const elements = args.map((value) => ({ value, optional: false }));
  const list: Expr = { kind: "list", id: context.nextId(), start, end, elements };
  return { ...call, id: context.nextId(), fn, target: null, args: [list] };
}

/** The variable that holds the list of `sortBy`: the list is evaluated once. */
export const SORTED_LIST = "@sorted";

/** `list.sortBy(x, key)` binds the list and sorts it by the list of its keys, `list.map(x, key)`. */
function expandSortBy(call: Call, context: MacroContext): Expr | undefined {
  const { start, end, at, target, args } = call;
  const name = variableName(call, 0, context);
  const key = args[1];
  if (name === undefined || target === null || key === undefined) return undefined;
  const list = (): Ident => ({ kind: "ident", id: context.nextId(), start: target.start, end: target.end, name: SORTED_LIST });
  const keys = comprehension("map", { ...call, target: list() }, [name, null], context);
  if (keys === undefined) return undefined;
  const sorted: Call = { kind: "call", id: context.nextId(), start, end, at, fn: "@sortByAssociatedKeys", target: list(), args: [keys] };
  return { kind: "bind", id: context.nextId(), start, end, name: SORTED_LIST, value: target, body: sorted };
}

function expandBlock(call: Call, context: MacroContext): Block | undefined {
  const { start, end, args } = call;
  const [slots, result] = args;
  if (slots?.kind !== "list" || result === undefined || slots.elements.some((element) => element.optional)) {
    report(call, 0, context, "invalid first argument of `cel.block`, expected a list literal");
    return undefined;
  }
  return { kind: "block", id: context.nextId(), start, end, slots: slots.elements.map((element) => element.value), result };
}

/** `cel.index(0)` is the identifier `@index0`, `cel.iterVar(0, 1)` is `@it:0:1`. */
function numberedName(prefix: string): Expand {
  return (call, context): Ident | undefined => {
    const numbers: bigint[] = [];
    for (const [index, argument] of call.args.entries()) {
      if (argument.kind !== "literal" || argument.value.type !== "int" || argument.value.value < 0n) {
        report(call, index, context, `invalid argument of \`cel.${call.fn}\`, expected a non-negative int literal`);
        return undefined;
      }
      numbers.push(argument.value.value);
    }
    return { kind: "ident", id: context.nextId(), start: call.start, end: call.end, name: `${prefix}${numbers.join(":")}` };
  };
}

function variableName(call: Call, index: number, context: MacroContext): string | undefined {
  const argument = call.args[index];
  if (argument?.kind !== "ident" || argument.name.startsWith(".")) {
    const usage = macroUsage(call.fn);
    report(call, index, context, `invalid argument of \`${call.fn}\`, expected a variable name`, usage && `write \`${usage}\``);
    return undefined;
  }
  if (argument.name === "__result__") {
    report(call, index, context, "the variable name `__result__` is taken by the accumulator", "give the variable another name");
    return undefined;
  }
  return argument.name;
}

function report(call: Call, index: number, context: MacroContext, message: string, hint?: string): void {
  context.report(message, call.args[index] ?? call, hint);
}
