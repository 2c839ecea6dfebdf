/** Calls: operators and standard functions that back ends know, and calls of library functions. */
import type { Call, Expr } from "../ast.ts";
import type { Overload } from "../declaration.ts";
import { optionalsLibrary } from "../library/optionals.ts";
import { standardLibrary } from "../standard/library.ts";
import type { Lowering } from "./lowering.ts";
import type { ArithmeticOperator, Comparison, Op, TextTest } from "./op.ts";
import { constantComparisonCost, hasFixedSize } from "./static-cost.ts";

/** A call with its receiver among the arguments. */
interface Application {
  readonly call: Call;
  readonly args: readonly Expr[];
  readonly overloads: readonly Overload[];
}
type LowerOperator = (lowering: Lowering, application: Application) => Op | undefined;

export function lowerCall(lowering: Lowering, call: Call): Op {
  const reference = lowering.checked.references.get(call.id);
  const overloads = reference?.kind === "overloads" || reference?.kind === "function" ? reference.overloads : [];
  const isNamespaced = reference?.kind === "function";
  const fn = isNamespaced ? reference.name : call.fn;
  // A receiver is one where the overloads are members; otherwise it is the namespace of the function.
  const args = call.target === null || isNamespaced ? call.args : [call.target, ...call.args];
  const operator = overloads.every((overload) => BUILT_IN.has(overload)) ? OPERATORS.get(fn) : undefined;
  return operator?.(lowering, { call, args, overloads }) ?? lowerLibraryCall(lowering, fn, { call, args, overloads });
}

/** Overloads that mean what the operators mean: a library may add others to an operator, then it is called like a function. */
const BUILT_IN: ReadonlySet<Overload> = new Set(
  [standardLibrary, optionalsLibrary].flatMap((library) => library.functions.flatMap((declaration) => declaration.overloads)),
);

function lowerLibraryCall(lowering: Lowering, fn: string, { call, args, overloads }: Application): Op {
  const operands = args.map((arg) => lowering.lower(arg));
  const isCostly = overloads.some((overload) => overload.cost !== undefined);
  if (!isCostly) lowering.cost += 1;
  return { kind: "call", start: call.start, end: call.end, fn, args: operands, overloads, isCostly };
}

const binary =
  (build: (lowering: Lowering, application: Application, left: Op, right: Op) => Op): LowerOperator =>
  (lowering, application) => {
    const [first, second] = application.args;
    if (first === undefined || second === undefined) return undefined;
    const left = lowering.lower(first);
    return build(lowering, application, left, lowering.lower(second));
  };

const unary =
  (build: (lowering: Lowering, application: Application, operand: Op) => Op): LowerOperator =>
  (lowering, application) => {
    const [operand] = application.args;
    return operand === undefined ? undefined : build(lowering, application, lowering.lower(operand));
  };

/** Charges a comparison when its cost is known, and says whether it is not. */
function isComparisonCostly(lowering: Lowering, { args }: Application, left: Op, right: Op): boolean {
  const known = constantComparisonCost(left) ?? constantComparisonCost(right);
  const cost = known ?? (args.some((arg) => hasFixedSize(lowering.typeOf(arg))) ? 1 : undefined);
  lowering.cost += cost ?? 0;
  return cost === undefined;
}

const equality = (isNegated: boolean): LowerOperator =>
  binary((lowering, application, left, right) => {
    const { start, end } = application.call;
    return { kind: "equal", start, end, isNegated, left, right, isCostly: isComparisonCostly(lowering, application, left, right) };
  });

const comparison = (operator: Comparison): LowerOperator =>
  binary((lowering, application, left, right) => {
    const { start, end } = application.call;
    const isCostly = isComparisonCostly(lowering, application, left, right);
    return { kind: "compare", start, end, comparison: operator, left, right, isCostly };
  });

const arithmetic = (operator: ArithmeticOperator): LowerOperator =>
  binary((lowering, { call: { start, end }, overloads }, left, right) => {
    const isCostly = overloads.some((overload) => overload.cost !== undefined);
    if (!isCostly) lowering.cost += 1;
    return { kind: "arithmetic", start, end, operator, left, right, overloads, isCostly };
  });

const text = (test: TextTest): LowerOperator =>
  binary((_lowering, { call: { start, end } }, subject, part) => ({ kind: "text", start, end, test, text: subject, part }));

const logical = (fn: "_&&_" | "_||_"): LowerOperator => {
  const termsOf = (lowering: Lowering, expr: Expr): readonly Expr[] =>
    expr.kind === "call" && expr.fn === fn ? expr.args.flatMap((arg) => termsOf(lowering, arg)) : [expr];
  return (lowering, { call }) => {
    // The first term always runs: its cost belongs to the block around.
    const terms = termsOf(lowering, call).map((term, index) =>
      index === 0 ? { cost: 0, op: lowering.lower(term) } : lowering.branch(() => lowering.lower(term)),
    );
    return { kind: "logical", start: call.start, end: call.end, isAnd: fn === "_&&_", terms };
  };
};

const conditional: LowerOperator = (lowering, { call: { start, end }, args: [condition, yes, no] }) => {
  if (condition === undefined || yes === undefined || no === undefined) return undefined;
  return {
    kind: "conditional",
    start,
    end,
    condition: lowering.lower(condition),
    whenTrue: lowering.branch(() => lowering.lowerWithDiscount(yes)),
    whenFalse: lowering.branch(() => lowering.lowerWithDiscount(no)),
  };
};

/** The key of a constant step: a string, or an index of a list. */
function stepKey(key: Op): string | number | undefined {
  if (key.kind !== "constant") return undefined;
  const { value } = key;
  return typeof value === "string" || (typeof value === "number" && value >= 0 && Number.isSafeInteger(value)) ? value : undefined;
}

const index =
  (isOptional: boolean): LowerOperator =>
  (lowering, { call, args: [containerExpr, keyExpr] }) => {
    if (containerExpr === undefined || keyExpr === undefined) return undefined;
    const { start, end } = call;
    const container = lowering.lowerContainer(containerExpr);
    const operand = lowering.lowerWithDiscount(keyExpr);
    const key = stepKey(operand);
    const op: Op =
      key === undefined
        ? { kind: "index", start, end, container, key: operand, isOptional }
        : lowering.select(container, { key, end }, start, isOptional);
    return lowering.asDeclared(call, op);
  };

const membership: LowerOperator = binary((lowering, { call: { start, end }, args }, element, container) => {
  const isMap = args[1] !== undefined && lowering.typeOf(args[1]).kind === "map";
  const cost = literalLength(container) ?? (isMap ? 1 : undefined);
  lowering.cost += cost ?? 0;
  return { kind: "in", start, end, element, container, isCostly: cost === undefined };
});

function literalLength(op: Op): number | undefined {
  if (op.kind === "list") return op.elements.length;
  return op.kind === "constant" && Array.isArray(op.value) ? op.value.length : undefined;
}

/** `or` and `orValue`, which cost nothing themselves. */
const alternative =
  (kind: "or" | "orValue"): LowerOperator =>
  (lowering, { call: { start, end }, args: [target, other] }) =>
    target === undefined || other === undefined
      ? undefined
      : { kind, start, end, target: lowering.lower(target), other: lowering.branch(() => lowering.lower(other)) };

const OPERATORS: ReadonlyMap<string, LowerOperator> = new Map<string, LowerOperator>([
  ["_&&_", logical("_&&_")],
  ["_||_", logical("_||_")],
  ["_?_:_", conditional],
  [
    "!_",
    unary((lowering, { call: { start, end } }, operand) => {
      lowering.cost += 1;
      return { kind: "not", start, end, operand };
    }),
  ],
  ["_==_", equality(false)],
  ["_!=_", equality(true)],
  ["_<_", comparison("<")],
  ["_<=_", comparison("<=")],
  ["_>_", comparison(">")],
  ["_>=_", comparison(">=")],
  ["_+_", arithmetic("+")],
  ["_-_", arithmetic("-")],
  ["_*_", arithmetic("*")],
  ["_/_", arithmetic("/")],
  ["_%_", arithmetic("%")],
  ["_[_]", index(false)],
  ["_[?_]", index(true)],
  ["@in", membership],
  [
    "size",
    unary((lowering, { call: { start, end } }, operand) => {
      lowering.cost += 1;
      return { kind: "size", start, end, operand };
    }),
  ],
  ["startsWith", text("startsWith")],
  ["endsWith", text("endsWith")],
  ["contains", text("contains")],
  ["matches", binary((_lowering, { call: { start, end } }, subject, pattern) => ({ kind: "match", start, end, text: subject, pattern }))],
  [
    "dyn",
    unary((lowering, _application, operand) => {
      lowering.cost += 1;
      return operand;
    }),
  ],
  [
    "hasValue",
    unary((lowering, { call: { start, end } }, target) => {
      lowering.cost += 1;
      return { kind: "hasValue", start, end, target };
    }),
  ],
  ["or", alternative("or")],
  ["orValue", alternative("orValue")],
]);
