/**
 * Prints trees as cel-go's debug strings do, so that they can be compared with the public conformance data: macros are expanded
 * to the folds that cel-go makes of them, every node is followed by its kind (`^#*expr.Expr_CallExpr#`) or by its type and
 * reference (`~bool^logical_and`).
 */
import type { Comprehension, Expr, LiteralValue } from "../../src/cel/ast.ts";
import type { CheckedExpression } from "../../src/cel/checker.ts";
import { childrenOf } from "../../src/cel/traversal.ts";
import { BOOL, type CelType, DYN, formatType, INT, listType, mapType, optionalType } from "../../src/cel/type.ts";
import { mostGeneral, Unification } from "../../src/cel/unification.ts";

/** A node of the expanded tree. `type` and `reference` are what the checker said, or what it would say of a node that only cel-go has. */
type Node = { readonly type?: CelType; readonly reference?: string } & (
  | { readonly form: "constant"; readonly value: LiteralValue }
  | { readonly form: "ident"; readonly name: string }
  | { readonly form: "select"; readonly operand: Node; readonly field: string; readonly testOnly: boolean }
  | { readonly form: "call"; readonly fn: string; readonly target: Node | null; readonly args: readonly Node[] }
  | { readonly form: "list"; readonly elements: readonly Node[] }
  | { readonly form: "struct"; readonly name: string; readonly entries: readonly Entry[] }
  | { readonly form: "fold"; readonly variable: string; readonly accumulator: string; readonly parts: FoldParts }
);
interface Entry {
  readonly key: Node | string;
  readonly value: Node;
  readonly optional: boolean;
}
interface FoldParts {
  readonly range: Node;
  readonly init: Node;
  readonly condition: Node;
  readonly step: Node;
  readonly result: Node;
}

/** The tree of a parsed expression with the kinds of its nodes. */
export function formatKinds(root: Expr): string {
  return new Printer("kinds").print(new Expander(undefined).expand(root));
}

/** The tree of a checked expression with types and references. */
export function formatTypes(checked: CheckedExpression): string {
  return new Printer("types").print(new Expander(checked).expand(checked.root));
}

const ACCUMULATOR = "@result";
const TRUE: Node = { form: "constant", value: { type: "bool", value: true }, type: BOOL };
const FALSE: Node = { form: "constant", value: { type: "bool", value: false }, type: BOOL };
const integer = (value: bigint): Node => ({ form: "constant", value: { type: "int", value }, type: INT });
const ident = (name: string, type: CelType): Node => ({ form: "ident", name, type, reference: name });
const call = (fn: string, args: readonly Node[], type: CelType, reference: string): Node => ({
  form: "call",
  fn,
  target: null,
  args,
  type,
  reference,
});
const conditional = (args: readonly Node[], type: CelType): Node => call("_?_:_", args, type, "conditional");

class Expander {
  readonly checked: CheckedExpression | undefined;

  constructor(checked: CheckedExpression | undefined) {
    this.checked = checked;
  }

  type(expr: Expr): CelType {
    return this.checked?.types[expr.id] ?? DYN;
  }

  expand(expr: Expr): Node {
    const type = this.type(expr);
    const reference = this.checked?.references.get(expr.id);
    const name = reference !== undefined && "name" in reference ? reference.name : undefined;
    const overloads = reference !== undefined && "overloads" in reference ? reference.overloads : [];
    const shown =
      overloads.length === 0
        ? name
        : overloads
            .map((overload) => overload.id)
            .toSorted()
            .join("|");
    const meta = shown === undefined ? { type } : { type, reference: shown };
    switch (expr.kind) {
      case "literal":
        return { form: "constant", value: expr.value, type };
      case "ident":
        return { form: "ident", name: name ?? expr.name, ...meta };
      case "select":
        if (name !== undefined) return { form: "ident", name, ...meta };
        if (expr.optional) return this.optionalSelect(this.expand(expr.operand), expr.field, type);
        return { form: "select", operand: this.expand(expr.operand), field: expr.field, testOnly: expr.testOnly, ...meta };
      case "call": {
        const target = name !== undefined || expr.target === null ? null : this.expand(expr.target);
        return { form: "call", fn: name ?? expr.fn, target, args: this.expandAll(expr.args), ...meta };
      }
      case "list":
        return { form: "list", elements: this.expandAll(expr.elements.map((element) => element.value)), ...meta };
      case "map": {
        const entries = expr.entries.map(({ key, value, optional }) => ({ key: this.expand(key), value: this.expand(value), optional }));
        return { form: "struct", name: "", entries, ...meta };
      }
      case "struct": {
        const entries = expr.fields.map((field) => ({ key: field.name, value: this.expand(field.value), optional: field.optional }));
        return { form: "struct", name: name ?? expr.typeName, entries, ...meta };
      }
      case "comprehension":
        return this.expandComprehension(expr, type);
      case "bind":
        return this.bind(expr.name, this.expand(expr.value), this.expand(expr.body));
      case "optMap": {
        const target = this.expand(expr.target);
        const element = this.typeOfVariable(expr.name, expr.body) ?? this.elementOf(expr.target);
        const copy: Node = { ...target, type: optionalType(element) };
        const value: Node = { form: "call", fn: "value", target: copy, args: [], type: element, reference: "optional_value" };
        const body = this.bind(expr.name, value, this.expand(expr.body));
        const present: Node = { form: "call", fn: "hasValue", target, args: [], type: BOOL, reference: "optional_hasValue" };
        const result = expr.flat ? body : call("optional.of", [body], type, "optional_of");
        return conditional([present, result, call("optional.none", [], type, "optional_none")], type);
      }
      case "block": {
        const slots = this.expandAll(expr.slots);
        const list: Node = { form: "list", elements: slots, type: listType(joined(expr.slots.map((slot) => this.type(slot)))) };
        return call("cel.@block", [list, this.expand(expr.result)], type, "cel_block_list");
      }
      default:
        return expr satisfies never;
    }
  }

  expandAll(expressions: readonly Expr[]): readonly Node[] {
    return expressions.map((expr) => this.expand(expr));
  }

  optionalSelect(operand: Node, field: string, type: CelType): Node {
    const name: Node = { form: "constant", value: { type: "string", value: field } };
    return call("_?._", [operand, name], type, "select_optional_field");
  }

  /** The type of a variable where it is used. */
  typeOfVariable(name: string, within: Expr): CelType | undefined {
    if (within.kind === "ident") return within.name === name ? this.type(within) : undefined;
    for (const child of childrenOf(within)) {
      const type = this.typeOfVariable(name, child);
      if (type !== undefined) return type;
    }
    return undefined;
  }

  elementOf(target: Expr): CelType {
    const type = this.type(target);
    return (type.kind === "opaque" ? type.parameters[0] : undefined) ?? DYN;
  }

  bind(name: string, value: Node, body: Node): Node {
    const range: Node = { form: "list", elements: [], type: listType(DYN) };
    const variable = ident(name, value.type ?? DYN);
    const parts = { range, init: value, condition: FALSE, step: variable, result: body };
    return { form: "fold", variable: "#unused", accumulator: name, parts, type: body.type ?? DYN };
  }

  expandComprehension(expr: Comprehension, type: CelType): Node {
    const range = this.expand(expr.range);
    const body = this.expand(expr.body);
    const fold = (parts: Omit<FoldParts, "range">): Node => ({
      form: "fold",
      variable: expr.var1,
      accumulator: ACCUMULATOR,
      parts: { range, ...parts },
      type,
    });
    const result = ident(ACCUMULATOR, expr.macro === "existsOne" ? INT : type);
    switch (expr.macro) {
      case "all": {
        const condition = call("@not_strictly_false", [result], BOOL, "not_strictly_false");
        return fold({ init: TRUE, condition, step: call("_&&_", [result, body], BOOL, "logical_and"), result });
      }
      case "exists": {
        const negated = call("!_", [result], BOOL, "logical_not");
        const condition = call("@not_strictly_false", [negated], BOOL, "not_strictly_false");
        return fold({ init: FALSE, condition, step: call("_||_", [result, body], BOOL, "logical_or"), result });
      }
      case "existsOne": {
        const step = conditional([body, call("_+_", [result, integer(1n)], INT, "add_int64"), result], INT);
        return fold({ init: integer(0n), condition: TRUE, step, result: call("_==_", [result, integer(1n)], BOOL, "equals") });
      }
      default: {
        const isMap = expr.macro === "transformMap" || expr.macro === "transformMapEntry";
        const init: Node = isMap ? { form: "struct", name: "", entries: [], type } : { form: "list", elements: [], type };
        const step = this.accumulate(expr, result, body, type);
        const filter = expr.macro === "filter" ? body : expr.filter === null ? null : this.expand(expr.filter);
        const filtered = filter === null ? step : conditional([filter, step, result], type);
        return fold({ init, condition: TRUE, step: filtered, result });
      }
    }
  }

  /** The step that adds one element to the result. */
  accumulate(expr: Comprehension, result: Node, body: Node, type: CelType): Node {
    const range = this.type(expr.range);
    const first = range.kind === "list" ? (expr.var2 === null ? range.element : INT) : range.kind === "map" ? range.key : DYN;
    if (expr.macro === "transformMap")
      return call("cel.@mapInsert", [result, ident(expr.var1, first), body], type, "@mapInsert_map_key_value");
    if (expr.macro === "transformMapEntry") return call("cel.@mapInsert", [result, body], mapType(DYN, DYN), "@mapInsert_map_map");
    const element = expr.macro === "filter" ? ident(expr.var1, first) : body;
    const list: Node = { form: "list", elements: [element], type: listType(element.type ?? DYN) };
    return call("_+_", [result, list], type, "add_list");
  }
}

/** The element type of a list of values of these types. */
function joined(types: readonly CelType[]): CelType {
  const unification = new Unification();
  return types.reduce((left, right) => (unification.isAssignable(left, right) ? mostGeneral(left, right) : DYN), types[0] ?? DYN);
}

const KINDS: Readonly<Record<Exclude<Node["form"], "constant">, string>> = {
  ident: "*expr.Expr_IdentExpr",
  select: "*expr.Expr_SelectExpr",
  call: "*expr.Expr_CallExpr",
  list: "*expr.Expr_ListExpr",
  struct: "*expr.Expr_StructExpr",
  fold: "*expr.Expr_ComprehensionExpr",
};
const CONSTANT_KINDS: Readonly<Record<LiteralValue["type"], string>> = {
  null: "*expr.Constant_NullValue",
  bool: "*expr.Constant_BoolValue",
  int: "*expr.Constant_Int64Value",
  uint: "*expr.Constant_Uint64Value",
  double: "*expr.Constant_DoubleValue",
  string: "*expr.Constant_StringValue",
  bytes: "*expr.Constant_BytesValue",
};

class Printer {
  readonly adornment: "kinds" | "types";
  text = "";
  indent = 0;

  constructor(adornment: "kinds" | "types") {
    this.adornment = adornment;
  }

  print(node: Node): string {
    this.write(node);
    return this.text;
  }

  write(node: Node): void {
    switch (node.form) {
      case "constant":
        this.append(formatConstant(node.value));
        break;
      case "ident":
        this.append(node.name);
        break;
      case "select":
        this.write(node.operand);
        this.append(`.${node.field}${node.testOnly ? "~test-only~" : ""}`);
        break;
      case "call":
        if (node.target !== null) {
          this.write(node.target);
          this.append(".");
        }
        this.append(`${node.fn}(`);
        this.writeAll(node.args, (argument) => this.write(argument));
        this.append(")");
        break;
      case "list":
        this.append("[");
        this.writeAll(node.elements, (element) => this.write(element));
        this.append("]");
        break;
      case "struct":
        this.append(`${node.name}{`);
        this.writeAll(node.entries, (entry) => this.writeEntry(entry));
        this.append("}");
        break;
      case "fold":
        this.writeFold(node.variable, node.accumulator, node.parts);
        break;
      default:
        node satisfies never;
    }
    this.append(this.adorn(node));
  }

  adorn(node: Node): string {
    if (this.adornment === "kinds") return `^#${node.form === "constant" ? CONSTANT_KINDS[node.value.type] : KINDS[node.form]}#`;
    const type = node.type === undefined ? "" : `~${formatType(node.type)}`;
    return node.reference === undefined ? type : `${type}^${node.reference}`;
  }

  writeEntry({ key, value, optional }: Entry): void {
    if (optional) this.append("?");
    if (typeof key === "string") this.append(key);
    else this.write(key);
    this.append(":");
    this.write(value);
    if (this.adornment === "kinds") this.append("^#*expr.Expr_CreateStruct_Entry#");
  }

  writeFold(variable: string, accumulator: string, { range, init, condition, step, result }: FoldParts): void {
    this.append("__comprehension__(");
    this.indent++;
    const sections: readonly (readonly [string, Node | string])[] = [
      ["Variable", variable],
      ["Target", range],
      ["Accumulator", accumulator],
      ["Init", init],
      ["LoopCondition", condition],
      ["LoopStep", step],
      ["Result", result],
    ];
    for (const [index, [title, content]] of sections.entries()) {
      if (index > 0) this.append(",");
      this.newLine();
      this.append(`// ${title}`);
      this.newLine();
      if (typeof content === "string") this.append(content);
      else this.write(content);
    }
    this.append(")");
    this.indent--;
  }

  writeAll<T>(items: readonly T[], write: (item: T) => void): void {
    if (items.length === 0) return;
    this.indent++;
    for (const [index, item] of items.entries()) {
      if (index > 0) this.append(",");
      this.newLine();
      write(item);
    }
    this.indent--;
    this.newLine();
  }

  newLine(): void {
    this.text += "\n";
  }

  append(text: string): void {
    if (text === "") return;
    if (this.text.endsWith("\n")) this.text += "  ".repeat(this.indent);
    this.text += text;
  }
}

function formatConstant(literal: LiteralValue): string {
  switch (literal.type) {
    case "null":
      return "null";
    case "uint":
      return `${literal.value}u`;
    case "double":
      return formatDouble(literal.value);
    case "string":
      return quote(new TextEncoder().encode(literal.value));
    case "bytes":
      return `b${quote(literal.value)}`;
    default:
      return String(literal.value);
  }
}

/** As Go's `%g` with the shortest digits: exponents from 10^21 and below 10^-4, of at least two digits. */
function formatDouble(value: number): string {
  if (Object.is(value, -0)) return "-0";
  const [mantissa = "", exponent = "0"] = value.toExponential().split("e");
  const power = Number(exponent);
  if (value === 0 || (power >= -4 && power < 6)) return String(value);
  return `${mantissa}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
}

const ESCAPES = new Map(
  Object.entries({ "\x07": "\\a", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\v": "\\v", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\" }),
);
const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;

/** As Go's `strconv.Quote`: characters that print stay, bytes that are no UTF-8 become `\x` escapes. */
function quote(bytes: Uint8Array): string {
  let quoted = "";
  for (let start = 0; start < bytes.length; ) {
    const [character, length] = decodeAt(bytes, start);
    if (character === undefined) quoted += hexEscape(bytes[start] ?? 0);
    else quoted += ESCAPES.get(character) ?? (PRINTABLE.test(character) ? character : unicodeEscape(character.codePointAt(0) ?? 0));
    start += length;
  }
  return `"${quoted}"`;
}

function decodeAt(bytes: Uint8Array, start: number): readonly [string | undefined, number] {
  for (let length = 1; length <= 4 && start + length <= bytes.length; length++) {
    try {
      return [new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes.subarray(start, start + length)), length];
    } catch {
      // Not a whole character yet.
    }
  }
  return [undefined, 1];
}

const hexEscape = (byte: number): string => `\\x${byte.toString(16).padStart(2, "0")}`;

function unicodeEscape(code: number): string {
  if (code < 0x80) return hexEscape(code);
  return code < 0x10000 ? `\\u${code.toString(16).padStart(4, "0")}` : `\\U${code.toString(16).padStart(8, "0")}`;
}
