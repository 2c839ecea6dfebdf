import type { Bind, Block, Comprehension, Expr, Ident, ListExpr, Literal, MapExpr, OptMap, Select, StructExpr } from "../ast.ts";
import type { CheckedExpression } from "../checked-expression.ts";
import type { LazyScope } from "../program.ts";
import { LIST_COST, MAP_COST, STRUCT_COST } from "../runtime/cost.ts";
import { doubleOf } from "../runtime/double.ts";
import { intOf } from "../runtime/int64.ts";
import { type CelType, DYN, type TypeProvider } from "../type.ts";
import { CelUint, type CelValue } from "../value.ts";
import { attributeDiscount, isAttribute } from "./attribute.ts";
import { foldConstant } from "./constant-folding.ts";
import type { Branch, ComprehensionOp, Op, Plan, Step } from "./op.ts";
import { lowerCall } from "./operator-lowering.ts";
import { MACRO_COSTS } from "./static-cost.ts";

export interface LoweringOptions {
  readonly types: TypeProvider;
  readonly lazy?: LazyScope | undefined;
  readonly isPresenceStrict: boolean;
}

/** Plans an expression whose names are resolved. */
export function lower(checked: CheckedExpression, options: LoweringOptions): Plan {
  const lowering = new Lowering(checked, options);
  const root = lowering.branch(() => lowering.lower(checked.root));
  return { root, slotCount: lowering.slotCount, isPresenceStrict: options.isPresenceStrict };
}

interface LocalScope {
  readonly name: string;
  readonly slot: number;
  readonly outer: LocalScope | null;
}

export class Lowering {
  readonly checked: CheckedExpression;
  readonly options: LoweringOptions;
  /** Static cost of the block that is being lowered. */
  cost = 0;
  slotCount = 0;
  locals: LocalScope | null = null;

  constructor(checked: CheckedExpression, options: LoweringOptions) {
    this.checked = checked;
    this.options = options;
  }

  /** Lowers code that may not run, or run more than once: its cost is its own. */
  branch(lowerInside: () => Op): Branch {
    const outer = this.cost;
    this.cost = 0;
    const op = lowerInside();
    const branch = { cost: this.cost, op };
    this.cost = outer;
    return branch;
  }

  typeOf(expr: Expr): CelType {
    return this.checked.types[expr.id] ?? DYN;
  }

  lower(expr: Expr): Op {
    switch (expr.kind) {
      case "literal":
        return { kind: "constant", start: expr.start, end: expr.end, value: literalValue(expr) };
      case "ident":
        return this.asDeclared(expr, this.lowerIdent(expr));
      case "select":
        return expr.testOnly ? this.lowerHas(expr) : this.asDeclared(expr, this.lowerSelect(expr));
      case "call":
        return foldConstant(this, lowerCall(this, expr));
      case "list":
        return foldConstant(this, this.lowerList(expr));
      case "map":
        return foldConstant(this, this.lowerMap(expr));
      case "struct":
        return this.lowerStruct(expr);
      case "comprehension":
        return this.lowerComprehension(expr);
      case "bind":
        return this.lowerBind(expr);
      case "optMap":
        return this.lowerOptMap(expr);
      case "block":
        return this.lowerBlock(expr);
      default:
        return expr satisfies never;
    }
  }

  /** A value from outside keeps the static type that JSON cannot express: double. */
  asDeclared(expr: Expr, op: Op): Op {
    const isDouble = this.typeOf(expr).kind === "double" && op.kind !== "constant";
    return isDouble ? { kind: "toDouble", start: expr.start, end: expr.end, operand: op } : op;
  }

  lowerIdent(expr: Ident | Select): Op {
    const { start, end } = expr;
    const reference = this.checked.references.get(expr.id);
    if (reference?.kind === "constant") return { kind: "constant", start, end, value: reference.value };
    this.cost += 1;
    const name = reference?.kind === "variable" ? reference.name : expr.kind === "ident" ? expr.name : expr.field;
    const slot = this.findLocal(name);
    if (slot !== undefined) return { kind: "local", start, end, slot };
    const { lazy } = this.options;
    if (lazy !== undefined && name === lazy.variable) return { kind: "lazyScope", start, end, scope: lazy };
    const program =
      lazy !== undefined && name.startsWith(`${lazy.variable}.`) ? lazy.programs.get(name.slice(lazy.variable.length + 1)) : undefined;
    return program === undefined ? { kind: "variable", start, end, name: name.replace(/^\./, "") } : { kind: "lazy", start, end, program };
  }

  findLocal(name: string): number | undefined {
    for (let local = this.locals; local !== null; local = local.outer) if (local.name === name) return local.slot;
    return undefined;
  }

  lowerSelect(expr: Select): Op {
    if (this.checked.references.has(expr.id)) return this.lowerIdent(expr);
    const operand = this.lowerContainer(expr.operand);
    return this.select(operand, { key: this.keyOf(expr), end: expr.end }, expr.start, expr.optional);
  }

  /** The operand of a selection or an index; the step itself costs 1, and 1 more behind anything but an attribute. */
  lowerContainer(expr: Expr): Op {
    const operand = this.lower(expr);
    this.cost += isAttribute(expr, this.checked) ? 1 : 2;
    return operand;
  }

  /** One more constant step behind an operand. */
  select(operand: Op, step: Step, start: number, isOptional: boolean): Op {
    if (operand.kind === "lazyScope" && typeof step.key === "string" && !isOptional) {
      const program = operand.scope.programs.get(step.key);
      if (program !== undefined) return { kind: "lazy", start, end: step.end, program };
    }
    const { root, steps, optionalFrom } = operand.kind === "path" ? operand : { root: operand, steps: [], optionalFrom: 0 };
    const isAlreadyOptional = operand.kind === "path" && optionalFrom < steps.length;
    const path: Op = {
      kind: "path",
      start,
      end: step.end,
      root,
      steps: [...steps, step],
      optionalFrom: isAlreadyOptional ? optionalFrom : isOptional ? steps.length : steps.length + 1,
    };
    return path;
  }

  /** The key under which a field is found: object types may name fields differently in JSON. */
  keyOf(expr: Select): string {
    const type = this.typeOf(expr.operand);
    const fields = type.kind === "object" ? this.options.types.fieldsOf(type.name) : undefined;
    return fields?.get(expr.field)?.jsonName ?? expr.field;
  }

  lowerHas(expr: Select): Op {
    const { start, end } = expr;
    const operand = this.lower(expr.operand);
    // As in Kubernetes, presence tests cost nothing; the step behind anything but an attribute does.
    if (!isAttribute(expr.operand, this.checked)) this.cost += 1;
    if (operand.kind === "lazyScope") return { kind: "constant", start, end, value: operand.scope.programs.has(expr.field) };
    return { kind: "has", start, end, operand, key: this.keyOf(expr) };
  }

  lowerList(expr: ListExpr): Op {
    const elements = expr.elements.map(({ value, optional }) => ({ value: this.lower(value), isOptional: optional }));
    this.cost += LIST_COST;
    return { kind: "list", start: expr.start, end: expr.end, elements };
  }

  lowerMap(expr: MapExpr): Op {
    const entries = expr.entries.map(({ key, value, optional }) => ({
      key: this.lower(key),
      value: this.lower(value),
      isOptional: optional,
    }));
    this.cost += MAP_COST;
    return { kind: "map", start: expr.start, end: expr.end, entries };
  }

  lowerStruct(expr: StructExpr): Op {
    const { types } = this.options;
    const reference = this.checked.references.get(expr.id);
    const typeName = reference?.kind === "type" ? reference.name : expr.typeName;
    const declared = types.fieldsOf(typeName);
    const fields = expr.fields.map(({ name, value, optional }) => ({
      key: declared?.get(name)?.jsonName ?? name,
      value: this.lower(value),
      isOptional: optional,
    }));
    this.cost += STRUCT_COST;
    const construct = types.construct === undefined ? null : (made: CelValue): CelValue => types.construct?.(typeName, made) ?? null;
    return { kind: "struct", start: expr.start, end: expr.end, construct, fields };
  }

  /** The slot of a new variable, visible in what `lowerInside` lowers. */
  within<T>(names: readonly string[], lowerInside: (slots: readonly number[]) => T): T {
    const outer = this.locals;
    const slots = names.map((name) => this.declare(name));
    const result = lowerInside(slots);
    this.locals = outer;
    return result;
  }

  declare(name: string): number {
    const slot = this.slotCount++;
    this.locals = { name, slot, outer: this.locals };
    return slot;
  }

  lowerComprehension(expr: Comprehension): ComprehensionOp {
    const { macro, start, end, var1, var2, filter: filterExpr } = expr;
    const { once, perBody, onExit, onAccept } = MACRO_COSTS[macro];
    const range = this.lower(expr.range);
    this.cost += once;
    return this.within(var2 === null ? [var1] : [var1, var2], ([slot1 = 0, slot2 = null]) => {
      const filter = filterExpr === null ? null : this.branch(() => this.lower(filterExpr));
      const body = this.branch(() => {
        this.cost += perBody;
        return this.lower(expr.body);
      });
      return { kind: "comprehension", start, end, macro, range, slot1, slot2, filter, body, exitCost: onExit, acceptCost: onAccept };
    });
  }

  lowerBind(expr: Bind): Op {
    const value = this.lower(expr.value);
    // cel-go binds by a fold over an empty list.
    this.cost += LIST_COST;
    return this.within([expr.name], ([slot = 0]) => ({
      kind: "let",
      start: expr.start,
      end: expr.end,
      bindings: [{ slot, value }],
      body: this.lower(expr.body),
    }));
  }

  lowerBlock(expr: Block): Op {
    const outer = this.locals;
    const bindings = expr.slots.map((slot, index) => {
      const value = this.lower(slot);
      return { value, slot: this.declare(`@index${index}`) };
    });
    const body = this.lower(expr.result);
    this.locals = outer;
    return { kind: "let", start: expr.start, end: expr.end, bindings, body };
  }

  /** As `target.hasValue() ? optional.of(cel.bind(name, target.value(), body)) : optional.none()`, which evaluates the target twice. */
  lowerOptMap(expr: OptMap): Op {
    const before = this.cost;
    const target = this.lower(expr.target);
    const targetCost = this.cost - before;
    this.cost += 1;
    return this.within([expr.name], ([slot = 0]) => {
      const body = this.branch(() => {
        this.cost += targetCost + 1 + LIST_COST + (expr.flat ? 0 : 1);
        return this.lower(expr.body);
      });
      return { kind: "optMap", start: expr.start, end: expr.end, target, slot, body, isFlat: expr.flat };
    });
  }

  /** The branch of a conditional, or the key of an index. */
  lowerWithDiscount(expr: Expr): Op {
    const op = this.lower(expr);
    this.cost -= attributeDiscount(expr, this.checked);
    return op;
  }
}

function literalValue({ value }: Literal): CelValue {
  switch (value.type) {
    case "null":
      return null;
    case "int":
      return intOf(value.value);
    case "uint":
      return new CelUint(value.value);
    case "double":
      return doubleOf(value.value);
    default:
      return value.value;
  }
}
