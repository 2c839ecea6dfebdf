import { type Diagnostic, MAX_DIAGNOSTICS, sortDiagnostics } from "../lib/diagnostic.ts";
import { closestName } from "../lib/suggestion.ts";
import type { Call, Comprehension, Expr, Ident, Select, StructExpr } from "./ast.ts";
import type { Declarations, FunctionSignatures } from "./declarations.ts";
import { type CelDiagnosticCode, celDiagnostic, quoteInput, type Span } from "./diagnostic.ts";
import { macroUsage, writtenName } from "./macro.ts";
import { describeCandidates, formatOperation } from "./overload-resolution.ts";
import type { SourceText } from "./source-text.ts";
import { type CelType, formatType } from "./type.ts";

/** What the checker finds wrong, in words. */
export class CheckerReport {
  readonly diagnostics: Diagnostic[] = [];
  readonly #source: SourceText;
  readonly #scope: Declarations;

  constructor(source: SourceText, scope: Declarations) {
    this.#source = source;
    this.#scope = scope;
  }

  sorted(): readonly Diagnostic[] {
    return sortDiagnostics(this.diagnostics);
  }

  undeclaredVariable(expr: Ident, localNames: readonly string[]): void {
    const hint = (): string | undefined => {
      const declared = [...this.#scope.identifiers].map((identifier) => identifier.name);
      return this.#dashHint(expr) ?? didYouMean(closestName(expr.name, [...localNames, ...declared]));
    };
    this.#add("CEL_UNDECLARED", `undeclared variable ${quoteInput(expr.name)}${this.#container()}`, expr, hint);
  }

  /** A key of a map literal that is a bare name: most often a string without its quotes. */
  undeclaredKey(expr: Ident): void {
    const hint = (): string => `write \`"${expr.name}"\` for a key of that name`;
    this.#add("CEL_UNDECLARED", `undeclared variable ${quoteInput(expr.name)}`, expr, hint);
  }

  /** `labels.app-name` is a subtraction. */
  #dashHint({ start, name }: Ident): string | undefined {
    const isGlued = /[A-Za-z0-9_]-$/.test(this.#source.text.slice(Math.max(0, start - 2), start));
    return isGlued ? `a field with a dash is written \`["…-${name}"]\`` : undefined;
  }

  unknownFunction(expr: Call, name: string): void {
    const span = { start: expr.at, end: expr.at + expr.fn.length };
    this.#add("CEL_UNKNOWN_FUNCTION", `unknown function ${quoteInput(name)}${this.#container()}`, span, () =>
      this.#functionHint(expr, name),
    );
  }

  noMatchingOverload(expr: Call, declared: FunctionSignatures, argumentTypes: readonly CelType[], isMember: boolean): void {
    const types = argumentTypes.map(shownType);
    const span = { start: expr.at, end: expr.at + nameLength(expr) };
    const operation = formatOperation(declared.name, types);
    const call = isMember
      ? `${types[0]}.${declared.name}(${types.slice(1).join(", ")})`
      : `${writtenName(declared.name)}(${types.join(", ")})`;
    const hint = (): string => SAME_TYPE_HINTS.get(declared.name) ?? `expected ${describeCandidates(declared, argumentTypes, isMember)}`;
    this.#add("CEL_NO_MATCHING_OVERLOAD", `no matching overload for \`${operation ?? call}\``, span, hint);
  }

  unknownField(typeName: string, field: string, known: Iterable<string>, span: Span): void {
    const hint = (): string | undefined => {
      const names = [...known];
      return didYouMean(closestName(field, names)) ?? listOf(names);
    };
    this.#add("CEL_UNKNOWN_FIELD", `unknown field ${quoteInput(field)} of \`${typeName}\``, span, hint);
  }

  unknownType(typeName: string, span: Span): void {
    this.#add("CEL_UNKNOWN_TYPE", `unknown type ${quoteInput(typeName)}`, span);
  }

  /** A struct literal of a type that is unknown, or that has no fields. */
  notStruct(expr: StructExpr): void {
    const name = quoteInput(expr.typeName);
    const span = { start: expr.start, end: expr.start + expr.typeName.length };
    const isDeclared = this.#scope.findIdentifier(expr.typeName) !== undefined;
    if (isDeclared) this.#add("CEL_NO_FIELDS", `${name} is not a type with fields`, span);
    else this.#add("CEL_UNKNOWN_TYPE", `unknown type ${name}${this.#container()}`, span);
  }

  fieldMismatch(field: string, expected: CelType, actual: CelType, value: Expr): void {
    const message = `field ${quoteInput(field)} expects \`${shownType(expected)}\`, got \`${shownType(actual)}\``;
    this.#add("CEL_TYPE_MISMATCH", message, value);
  }

  noFields(expr: Select, type: CelType): void {
    const message = `a value of type \`${shownType(type)}\` has no field ${quoteInput(expr.field)}`;
    const isFunction = this.#scope.findFunction(expr.field) !== undefined;
    const hint = (): string | undefined => (isFunction ? didYouMean(`${expr.field}()`) : undefined);
    this.#add("CEL_NO_FIELDS", message, { start: expr.at, end: expr.end }, hint);
  }

  notIterable(expr: Comprehension, type: CelType): void {
    const message = `\`${expr.macro}\` cannot iterate over \`${shownType(type)}\`, expected a list or a map`;
    this.#add("CEL_NOT_ITERABLE", message, expr.range);
  }

  mismatch(expr: Expr, expected: string, actual: CelType): void {
    this.#add("CEL_TYPE_MISMATCH", `expected ${expected}, got \`${shownType(actual)}\``, expr);
  }

  tooComplex(expr: Expr): void {
    this.#add("CEL_TOO_LARGE", "the type of the expression is too complex", expr);
  }

  #functionHint(expr: Call, name: string): string | undefined {
    const usage = macroUsage(expr.fn);
    if (usage !== undefined) return `write \`${usage}\``;
    const known = [...this.#scope.functions].map((declared) => declared.name);
    const closest = closestName(name, known);
    if (closest !== undefined) return didYouMean(closest);
    const namespaced = known.find((candidate) => candidate.endsWith(`.${name}`));
    return didYouMean(namespaced);
  }

  #container(): string {
    return this.#scope.container === "" ? "" : ` in container \`${this.#scope.container}\``;
  }

  /** Adds a diagnostic while there is room; hints can be dear, so that only those are made which are shown. */
  #add(code: CelDiagnosticCode, message: string, span: Span, hint: () => string | undefined = () => undefined): void {
    if (this.diagnostics.length < MAX_DIAGNOSTICS) this.diagnostics.push(celDiagnostic(this.#source, code, message, span, hint()));
  }
}

/** Operators whose operands must agree, which says more than their signature. */
const SAME_TYPE_HINTS: ReadonlyMap<string, string> = new Map([
  ["_==_", "both sides must have one type: convert one, or wrap it in `dyn()`"],
  ["_!=_", "both sides must have one type: convert one, or wrap it in `dyn()`"],
  ["_?_:_", "expected a bool as the condition, and results of one type: convert one, or wrap it in `dyn()`"],
]);

const didYouMean = (name: string | undefined): string | undefined => (name === undefined ? undefined : `did you mean \`${name}\`?`);

const MAX_LISTED_FIELDS = 8;

function listOf(names: readonly string[]): string | undefined {
  if (names.length === 0 || names.length > MAX_LISTED_FIELDS) return undefined;
  return `its fields are ${names.map((name) => `\`${name}\``).join(", ")}`;
}

/** How many characters name the operator or function at `expr.at`. */
function nameLength(call: Call): number {
  const fn = call.target === null ? lastWord(writtenName(call.fn)) : call.fn;
  if (fn === "@in") return 2;
  if (fn.startsWith("_[") || fn === "_?_:_" || fn === "!_" || fn === "-_") return 1;
  return fn.startsWith("_") && fn.endsWith("_") ? fn.length - 2 : fn.length;
}

const lastWord = (name: string): string => name.slice(name.lastIndexOf(".") + 1);

const MAX_SHOWN_TYPE = 80;

/** The type in a message; types of nested literals can be long. */
function shownType(type: CelType): string {
  const text = formatType(type);
  return text.length > MAX_SHOWN_TYPE ? `${text.slice(0, MAX_SHOWN_TYPE - 1)}…` : text;
}
