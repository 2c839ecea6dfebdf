import type { Bind, Call, Comprehension, Expr, LiteralValue } from "./ast.ts";
import { SORTED_LIST, writtenName } from "./macro.ts";

/** How tightly an expression binds; an operand that binds less tightly than its place needs parentheses. */
const TERNARY = 0;
const OR = 1;
const AND = 2;
const RELATION = 3;
const SUM = 4;
const PRODUCT = 5;
const UNARY = 6;
const MEMBER = 7;

const BINARY: ReadonlyMap<string, readonly [symbol: string, precedence: number]> = new Map([
  ["_||_", ["||", OR]],
  ["_&&_", ["&&", AND]],
  ["_<_", ["<", RELATION]],
  ["_<=_", ["<=", RELATION]],
  ["_>_", [">", RELATION]],
  ["_>=_", [">=", RELATION]],
  ["_==_", ["==", RELATION]],
  ["_!=_", ["!=", RELATION]],
  ["@in", ["in", RELATION]],
  ["_+_", ["+", SUM]],
  ["_-_", ["-", SUM]],
  ["_*_", ["*", PRODUCT]],
  ["_/_", ["/", PRODUCT]],
  ["_%_", ["%", PRODUCT]],
]);

/** The expression as CEL on one line, with as few parentheses as keep its shape: parsing it again gives the same tree. */
export function unparse(expr: Expr): string {
  switch (expr.kind) {
    case "literal":
      return unparseLiteral(expr.value);
    case "ident":
      return unparseName(expr.name);
    case "select": {
      const field = `${unparseAt(expr.operand, MEMBER)}.${expr.optional ? "?" : ""}${unparseField(expr.field)}`;
      return expr.testOnly ? `has(${field})` : field;
    }
    case "call":
      return unparseCall(expr);
    case "list":
      return `[${expr.elements.map(({ value, optional }) => marked(optional, unparse(value))).join(", ")}]`;
    case "map":
      return `{${expr.entries.map(({ key, value, optional }) => `${marked(optional, unparse(key))}: ${unparse(value)}`).join(", ")}}`;
    case "struct": {
      const fields = expr.fields.map(({ name, value, optional }) => `${marked(optional, unparseField(name))}: ${unparse(value)}`);
      return `${expr.typeName}{${fields.join(", ")}}`;
    }
    case "comprehension":
      return unparseComprehension(expr);
    case "bind":
      if (expr.name === SORTED_LIST) return unparseSortBy(expr);
      return `cel.bind(${unparseName(expr.name)}, ${unparse(expr.value)}, ${unparse(expr.body)})`;
    case "optMap": {
      const macro = expr.flat ? "optFlatMap" : "optMap";
      return `${unparseAt(expr.target, MEMBER)}.${macro}(${unparseName(expr.name)}, ${unparse(expr.body)})`;
    }
    case "block":
      return `cel.block([${expr.slots.map(unparse).join(", ")}], ${unparse(expr.result)})`;
    default:
      return expr satisfies never;
  }
}

const marked = (isOptional: boolean, text: string): string => (isOptional ? `?${text}` : text);

function unparseAt(expr: Expr, minimum: number): string {
  const text = unparse(expr);
  return precedenceOf(expr) < minimum ? `(${text})` : text;
}

function precedenceOf(expr: Expr): number {
  if (expr.kind !== "call") return MEMBER;
  if (expr.fn === "_?_:_") return TERNARY;
  if (expr.fn === "!_" || expr.fn === "-_") return UNARY;
  return BINARY.get(expr.fn)?.[1] ?? MEMBER;
}

function unparseCall(expr: Call): string {
  const { fn, target, args } = expr;
  const [first, second, third] = args;
  if (target !== null || first === undefined) return unparseNamedCall(expr);
  if (fn === "!_") return `!${unparseAt(first, MEMBER)}`;
  if (fn === "-_") return `-${parenthesizeNumber(unparseAt(first, MEMBER))}`;
  if (second === undefined) return unparseNamedCall(expr);
  if (fn === "_[_]" || fn === "_[?_]") return `${unparseAt(first, MEMBER)}[${marked(fn === "_[?_]", unparse(second))}]`;
  if (fn === "_?_:_" && third !== undefined) return `${unparseAt(first, OR)} ? ${unparseAt(second, OR)} : ${unparse(third)}`;
  const operator = BINARY.get(fn);
  if (operator === undefined) return unparseNamedCall(expr);
  const [symbol, precedence] = operator;
  if (precedence > AND) return `${unparseAt(first, precedence)} ${symbol} ${unparseAt(second, precedence + 1)}`;
  return chainOf(expr)
    .map((term) => unparseAt(term, precedence + 1))
    .join(` ${symbol} `);
}

function unparseNamedCall({ fn, target, args }: Call): string {
  const list = args.map(unparse).join(", ");
  return target === null ? `${writtenName(fn)}(${list})` : `${unparseAt(target, MEMBER)}.${fn}(${list})`;
}

/** A minus right before a number would become part of the number. */
const parenthesizeNumber = (text: string): string => (/^[-\d]/.test(text) ? `(${text})` : text);

/**
 * The terms of a chain of `&&` or `||`. The parser balances such chains, so a tree of another shape is written with
 * parentheses around its operands.
 */
function chainOf(expr: Call): readonly Expr[] {
  const terms: Expr[] = [];
  const collect = (node: Expr): void => {
    if (!isSameOperator(node, expr)) terms.push(node);
    else for (const argument of node.args) collect(argument);
  };
  collect(expr);
  return isBalanced(expr, expr, terms.length) ? terms : expr.args;
}

const isSameOperator = (node: Expr, { fn }: Call): node is Call => node.kind === "call" && node.fn === fn && node.target === null;

function isBalanced(node: Expr, operator: Call, termCount: number): boolean {
  if (!isSameOperator(node, operator)) return termCount === 1;
  const [left, right] = node.args;
  const leftCount = (termCount >> 1) + (termCount & 1);
  const rightCount = termCount - leftCount;
  return (
    left !== undefined &&
    right !== undefined &&
    rightCount > 0 &&
    isBalanced(left, operator, leftCount) &&
    isBalanced(right, operator, rightCount)
  );
}

function unparseComprehension({ macro, range, var1, var2, filter, body }: Comprehension): string {
  // The older spelling is the one that every CEL knows.
  const name = macro === "existsOne" && var2 === null ? "exists_one" : macro;
  const parts = [unparseName(var1)];
  if (var2 !== null) parts.push(unparseName(var2));
  if (filter !== null) parts.push(unparse(filter));
  return `${unparseAt(range, MEMBER)}.${name}(${[...parts, unparse(body)].join(", ")})`;
}

/** The parser makes `sortBy` a binding of the list around a call with its keys. */
function unparseSortBy({ value, body }: Bind): string {
  const keys = body.kind === "call" ? body.args[0] : undefined;
  const [variable, key] = keys?.kind === "comprehension" ? [keys.var1, keys.body] : ["_", body];
  return `${unparseAt(value, MEMBER)}.sortBy(${unparseName(variable)}, ${unparse(key)})`;
}

/** Names that stand for slots of `cel.block` and for variables of an optimiser are calls in the source. */
function unparseName(name: string): string {
  if (name.startsWith("@index")) return `cel.index(${name.slice("@index".length)})`;
  if (name.startsWith("@it:")) return `cel.iterVar(${name.slice("@it:".length).replace(":", ", ")})`;
  if (name.startsWith("@ac:")) return `cel.accuVar(${name.slice("@ac:".length).replace(":", ", ")})`;
  return name;
}

const KEYWORDS: ReadonlySet<string> = new Set(["true", "false", "null", "in"]);

const unparseField = (name: string): string => (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !KEYWORDS.has(name) ? name : `\`${name}\``);

function unparseLiteral(literal: LiteralValue): string {
  switch (literal.type) {
    case "null":
      return "null";
    case "bool":
    case "int":
      return String(literal.value);
    case "uint":
      return `${literal.value}u`;
    case "double":
      return unparseDouble(literal.value);
    case "string":
      return `"${literal.value.replaceAll(/["\\\p{Cc}]/gu, escapeCharacter)}"`;
    case "bytes":
      return `b"${Array.from(literal.value, unparseByte).join("")}"`;
    default:
      return literal satisfies never;
  }
}

/** Infinities and NaN have no literal: only constant folding makes them. */
function unparseDouble(value: number): string {
  if (!Number.isFinite(value)) return `double("${value}")`;
  const text = Object.is(value, -0) ? "-0" : String(value);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

const NAMED_ESCAPES: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\" };

const escapeCharacter = (character: string): string =>
  NAMED_ESCAPES[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;

function unparseByte(byte: number): string {
  if (byte < 0x20 || byte > 0x7e) return `\\x${byte.toString(16).padStart(2, "0")}`;
  const character = String.fromCharCode(byte);
  return NAMED_ESCAPES[character] ?? character;
}
