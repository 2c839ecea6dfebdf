/** Operators and standard functions as source: the usual types inline, everything else by the run-time functions. */
import type { ArithmeticOp, CompareOp, Comparison, EqualOp, InOp, MatchOp, Op, TextOp } from "../plan/op.ts";
import { cachedRegex, type Regex } from "../regex/regex.ts";
import type { CelValue } from "../value.ts";
import { emitKeyIn } from "./access-source.ts";
import type { Emitter } from "./emitter.ts";

/** The type of a constant as `typeof` tells it, when it is one that operators compare inline. */
function constantType(op: Op): "string" | "number" | "boolean" | undefined {
  if (op.kind !== "constant") return undefined;
  const type = typeof op.value;
  return type === "string" || type === "number" || type === "boolean" ? type : undefined;
}

/** An operand: the operation, and the code of its value. */
type Operand = readonly [op: Op, code: string];

/** A condition that both operands are of one type; constants need no test. */
const bothAre = (type: string, operands: readonly Operand[]): string =>
  operands
    .filter(([op]) => constantType(op) !== type)
    .map(([, code]) => `typeof ${code}==="${type}"`)
    .join("&&") || "true";

/** Charges the comparison of two operands whose sizes only show now. */
function chargeComparison(emitter: Emitter, left: Operand, right: Operand): void {
  const inline = `Math.ceil(Math.min(${left[1]}.length,${right[1]}.length)*0.1)`;
  emitter.line(`f.cost+=${bothAre("string", [left, right])}?${inline}:K.comparisonCost(${left[1]},${right[1]});`);
}

export function emitEqual(emitter: Emitter, op: EqualOp): string {
  const left: Operand = [op.left, emitter.emit(op.left)];
  const right: Operand = [op.right, emitter.emit(op.right)];
  if (op.isCostly) chargeComparison(emitter, left, right);
  const [, a] = left;
  const [, b] = right;
  const same = op.isNegated ? "!==" : "===";
  const slow = `K.${op.isNegated ? "notEqual" : "equal"}(${a},${b})`;
  const types = new Set([constantType(op.left), constantType(op.right)].filter((type) => type !== undefined));
  const [type] = types;
  // Constants of two types are folded; here is at most one type.
  if (type !== undefined) return emitter.assign(`${bothAre(type, [left, right])}?${a}${same}${b}:${slow}`);
  const isString = bothAre("string", [left, right]);
  const isNumber = bothAre("number", [left, right]);
  return emitter.assign(`${isString}||${isNumber}?${a}${same}${b}:${slow}`);
}

const COMPARISONS: Readonly<Record<Comparison, string>> = { "<": "less", "<=": "lessOrEqual", ">": "greater", ">=": "greaterOrEqual" };

export function emitCompare(emitter: Emitter, op: CompareOp): string {
  const left: Operand = [op.left, emitter.emit(op.left)];
  const right: Operand = [op.right, emitter.emit(op.right)];
  if (op.isCostly) chargeComparison(emitter, left, right);
  const [, a] = left;
  const [, b] = right;
  const slow = `K.${COMPARISONS[op.comparison]}(${a},${b},${emitter.span(op.start, op.end)})`;
  if (constantType(op.left) === "string" || constantType(op.right) === "string") return emitter.assign(slow);
  // NaN, which is not equal to itself, has no order.
  const isOrdered = [left, right].filter(([operand]) => !isOrderedConstant(operand)).map(([, code]) => `&&${code}===${code}`);
  return emitter.assign(`${bothAre("number", [left, right])}${isOrdered.join("")}?${a}${op.comparison}${b}:${slow}`);
}

const isOrderedConstant = (op: Op): boolean => op.kind === "constant" && !Number.isNaN(op.value);

export function emitArithmetic(emitter: Emitter, op: ArithmeticOp): string {
  const { operator, start, end, isCostly } = op;
  const left: Operand = [op.left, emitter.emit(op.left)];
  const right: Operand = [op.right, emitter.emit(op.right)];
  const [, a] = left;
  const [, b] = right;
  if (isCostly) emitter.line(`f.cost+=typeof ${a}==="number"?1:K.additionCost(${a},${b});`);
  const slow = `K.arithmetic(f,"_${operator}_",${emitter.constant(op.overloads)},${a},${b},${emitter.span(start, end)})`;
  if (constantType(op.left) === "string" || constantType(op.right) === "string") return emitter.assign(slow);
  const result = emitter.temporary();
  const areInts = [left, right].filter(([operand]) => !isIntConstant(operand)).map(([, code]) => `Number.isSafeInteger(${code})`);
  emitter.line(`${result}=${[...areInts, inlineArithmetic(result, operator, a, b)].join("&&")}?${result}:${slow};`);
  return result;
}

const isIntConstant = (op: Op): boolean => op.kind === "constant" && typeof op.value === "number" && Number.isSafeInteger(op.value);

/** The operation on two safe ints, and a condition that its result is one. Adding zero turns -0, which is no int, into 0. */
function inlineArithmetic(result: string, operator: ArithmeticOp["operator"], a: string, b: string): string {
  switch (operator) {
    case "+":
    case "-":
      return `Number.isSafeInteger(${result}=${a}${operator}${b})`;
    case "*":
      return `Number.isSafeInteger(${result}=${a}*${b}+0)`;
    case "%":
      return `${b}!==0&&(${result}=${a}%${b}+0,true)`;
    case "/":
      return `${b}!==0&&(${result}=(${a}-${a}%${b})/${b}+0,true)`;
    default:
      return operator satisfies never;
  }
}

/** Up to here, comparing with one constant after the other is faster than a set. */
const MAX_COMPARED = 8;

export function emitIn(emitter: Emitter, op: InOp): string {
  const { element, container, start, end, isCostly } = op;
  if (container.kind === "constant" && Array.isArray(container.value)) return emitInConstant(emitter, op, container.value);
  if (element.kind === "constant" && typeof element.value === "string") return emitKeyIn(emitter, element.value, op);
  const a = emitter.emit(element);
  const b = emitter.emit(container);
  if (isCostly) emitter.line(`f.cost+=K.membershipCost(${b});`);
  return emitter.assign(`K.isIn(${a},${b},${emitter.span(start, end)})`);
}

function emitInConstant(emitter: Emitter, { element, start, end }: InOp, values: readonly CelValue[]): string {
  const a = emitter.emit(element);
  const slow = `K.isIn(${a},${emitter.constant(values)},${emitter.span(start, end)})`;
  const isString = values.every((value) => typeof value === "string");
  const isNumber = values.every((value) => typeof value === "number" && !Number.isNaN(value));
  if (values.length === 0 || (!isString && !isNumber)) return emitter.assign(slow);
  const comparisons = values.map((value) => `${a}===${emitter.literal(value)}`).join("||");
  const found = values.length <= MAX_COMPARED ? comparisons : `${emitter.constant(new Set<CelValue>(values))}.has(${a})`;
  return emitter.assign(`typeof ${a}==="${isString ? "string" : "number"}"?${found}:${slow}`);
}

export function emitText(emitter: Emitter, op: TextOp): string {
  const { test, start, end } = op;
  const text = emitter.emit(op.text);
  const part = emitter.emit(op.part);
  const areStrings = bothAre("string", [
    [op.text, text],
    [op.part, part],
  ]);
  const cost = test === "contains" ? `K.searchCost(${text},${part})` : `Math.ceil(${text}.length*0.1)`;
  const holds = `${firstUnitTest(emitter, op, text)}${text}.${test === "contains" ? "includes" : test}(${part})`;
  return emitter.assign(`${areStrings}?(f.cost+=${cost},${holds}):K.textError("${test}",${text},${part},${emitter.span(start, end)})`);
}

/** Most texts already differ in the first unit, or the last: comparing it saves the call. */
function firstUnitTest(emitter: Emitter, { test, part }: TextOp, text: string): string {
  if (part.kind !== "constant" || typeof part.value !== "string" || part.value === "" || test === "contains") return "";
  return test === "startsWith"
    ? `${text}.charCodeAt(0)===${emitter.constant(part.value.charCodeAt(0))}&&`
    : `${text}.charCodeAt(${text}.length-1)===${emitter.constant(part.value.charCodeAt(part.value.length - 1))}&&`;
}

export function emitMatch(emitter: Emitter, op: MatchOp): string {
  const { start, end } = op;
  const text = emitter.emit(op.text);
  const pattern = emitter.emit(op.pattern);
  const slow = `K.matches(${text},${pattern},${emitter.span(start, end)})`;
  const source = op.pattern.kind === "constant" && typeof op.pattern.value === "string" ? op.pattern.value : undefined;
  const regex = source === undefined ? undefined : cachedRegex(source);
  if (source === undefined || regex === undefined || !regex.ok) {
    emitter.line(`if(typeof ${text}==="string"&&typeof ${pattern}==="string")f.cost+=K.matchCost(${text},${pattern});`);
    return emitter.assign(slow);
  }
  const cost = `Math.ceil((1+${text}.length)*0.1)*${emitter.constant(Math.ceil(source.length * 0.25))}`;
  return emitter.assign(`typeof ${text}==="string"?(f.cost+=${cost},${regexTest(emitter, regex.value, text)}):${slow}`);
}

function regexTest(emitter: Emitter, regex: Regex, text: string): string {
  const { literal } = regex;
  if (literal === null) return `${emitter.constant(regex)}.test(${text})`;
  const part = emitter.constant(literal.text);
  return literal.kind === "equals" ? `${text}===${part}` : `${text}.${literal.kind}(${part})`;
}
