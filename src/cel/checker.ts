import type { Diagnostic } from "../lib/diagnostic.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { Bind, Block, Call, Comprehension, Expr, Ident, ListExpr, MapExpr, OptMap, Select, StructExpr } from "./ast.ts";
import type { CheckedExpression, Reference } from "./checked-expression.ts";
import { CheckerReport } from "./checker-report.ts";
import type { Declarations, FunctionSignatures, Identifier } from "./declarations.ts";
import type { Span } from "./diagnostic.ts";
import { LocalVariables } from "./local-variables.ts";
import { resolveOverloads } from "./overload-resolution.ts";
import type { ParsedExpression } from "./parser.ts";
import { firstWord, qualifiedName, rootName } from "./qualified-name.ts";
import {
  BOOL,
  BYTES,
  type CelType,
  DOUBLE,
  DYN,
  ERROR,
  INT,
  isLargerThan,
  listType,
  mapType,
  NULL,
  optionalType,
  STRING,
  UINT,
} from "./type.ts";
import { MAX_TYPE_SIZE, mostGeneral, Unification } from "./unification.ts";

export type { CheckedExpression, Reference } from "./checked-expression.ts";

/**
 * Gives every node its type and every name its meaning, by cel-go's rules: overloads with type parameters, gradual typing through dyn,
 * names resolved in the container and outwards. Reports everything that is wrong, in source order.
 */
export function checkExpression(parsed: ParsedExpression, scope: Declarations): Result<CheckedExpression, readonly Diagnostic[]> {
  const checker = new Checker(parsed, scope);
  checker.check(parsed.root);
  const types = checker.finalTypes();
  if (checker.unification.isExhausted) checker.report.tooComplex(parsed.root);
  if (checker.report.diagnostics.length > 0) return err(checker.report.sorted());
  const resultType = types[parsed.root.id] ?? DYN;
  return ok({ ...parsed, types, references: checker.references, resultType });
}

const LITERAL_TYPES = { null: NULL, bool: BOOL, int: INT, uint: UINT, double: DOUBLE, string: STRING, bytes: BYTES } as const;

class Checker {
  readonly scope: Declarations;
  readonly report: CheckerReport;
  readonly types: CelType[];
  readonly references = new Map<number, Reference>();
  readonly unification = new Unification();
  readonly locals = new LocalVariables();

  constructor(parsed: ParsedExpression, scope: Declarations) {
    this.scope = scope;
    this.types = new Array<CelType>(parsed.nodeCount).fill(DYN);
    this.report = new CheckerReport(parsed.source, scope);
  }

  finalTypes(): readonly CelType[] {
    return this.unification.hasVariables ? this.types.map((type) => this.unification.resolveFully(type)) : this.types;
  }

  check(expr: Expr): CelType {
    const type = this.typeOf(expr);
    if (!isLargerThan(type, MAX_TYPE_SIZE)) {
      this.types[expr.id] = type;
      return type;
    }
    this.report.tooComplex(expr);
    return ERROR;
  }

  typeOf(expr: Expr): CelType {
    switch (expr.kind) {
      case "literal":
        return LITERAL_TYPES[expr.value.type];
      case "ident":
        return this.typeOfIdent(expr);
      case "select":
        return this.typeOfSelect(expr);
      case "call":
        return this.typeOfCall(expr);
      case "list":
        return this.typeOfList(expr);
      case "map":
        return this.typeOfMap(expr);
      case "struct":
        return this.typeOfStruct(expr);
      case "comprehension":
        return this.typeOfComprehension(expr);
      case "bind":
        return this.typeOfBind(expr);
      case "optMap":
        return this.typeOfOptMap(expr);
      case "block":
        return this.typeOfBlock(expr);
      default:
        return expr satisfies never;
    }
  }

  typeOfIdent(expr: Ident): CelType {
    const local = this.locals.find(expr.name);
    if (local !== undefined) {
      this.references.set(expr.id, { kind: "variable", name: expr.name });
      return local;
    }
    const identifier = this.scope.findIdentifier(expr.name);
    if (identifier !== undefined) return this.refer(expr.id, identifier, identifier.name);
    this.report.undeclaredVariable(expr, this.locals.names());
    return ERROR;
  }

  /** The qualified name that a chain of selections may be, otherwise a selection of a field. */
  typeOfSelect(expr: Select): CelType {
    const identifier = this.findQualified(expr);
    if (identifier !== undefined) return this.refer(expr.id, identifier, identifier.name);
    const operand = this.unification.resolve(this.check(expr.operand));
    const type = this.typeOfField(expr, operand);
    return expr.testOnly ? BOOL : type;
  }

  findQualified(expr: Select): Identifier | undefined {
    if (expr.testOnly || expr.optional) return undefined;
    const root = rootName(expr);
    if (root === undefined || this.locals.find(root) !== undefined || !this.scope.isQualifier(root)) return undefined;
    const name = qualifiedName(expr);
    return name === undefined ? undefined : this.scope.findIdentifier(name);
  }

  refer(id: number, { type, value }: Identifier, qualifiedName: string): CelType {
    const isHidden = this.locals.find(firstWord(qualifiedName)) !== undefined;
    const name = isHidden ? `.${qualifiedName}` : qualifiedName;
    this.references.set(id, value === undefined ? { kind: "variable", name } : { kind: "constant", name, value });
    return type;
  }

  typeOfField(expr: Select, operand: CelType): CelType {
    const target = elementOfOptional(operand) ?? operand;
    const type = this.typeOfFieldIn(expr, target);
    return expr.optional || target !== operand ? optionalType(type) : type;
  }

  typeOfFieldIn(expr: Select, target: CelType): CelType {
    switch (target.kind) {
      case "map":
        return this.unification.resolve(target.value);
      case "object":
        return this.fieldType(target.name, expr.field, { start: expr.at, end: expr.end }) ?? ERROR;
      case "param":
        this.unification.isAssignable(DYN, target);
        return DYN;
      case "dyn":
      case "error":
        return DYN;
      default:
        this.report.noFields(expr, target);
        return DYN;
    }
  }

  fieldType(typeName: string, field: string, span: Span): CelType | undefined {
    const fields = this.scope.types.fieldsOf(typeName);
    if (fields === undefined) {
      this.report.unknownType(typeName, span);
      return undefined;
    }
    const type = fields.get(field)?.type;
    if (type === undefined) this.report.unknownField(typeName, field, fields.keys(), span);
    return type;
  }

  typeOfCall(expr: Call): CelType {
    const argumentTypes = expr.args.map((argument) => this.check(argument));
    const { target } = expr;
    if (target === null) return this.resolveCall(expr, this.scope.findFunction(expr.fn), argumentTypes, false);
    // `a.b(x)` is either a function `a.b` or a function `b` with the receiver `a`.
    const namespace = this.scope.isNamespacedFunction(expr.fn) ? qualifiedName(target) : undefined;
    const namespaced = namespace === undefined ? undefined : this.scope.findFunction(`${namespace}.${expr.fn}`);
    if (namespaced !== undefined) return this.resolveCall(expr, namespaced, argumentTypes, false);
    const declared = this.scope.findFunction(expr.fn);
    const root = rootName(target);
    if (declared === undefined && root !== undefined && !this.isDeclared(root)) {
      this.report.unknownFunction(expr, `${qualifiedName(target)}.${expr.fn}`);
      return ERROR;
    }
    return this.resolveCall(expr, declared, [this.check(target), ...argumentTypes], true);
  }

  resolveCall(expr: Call, declared: FunctionSignatures | undefined, argumentTypes: readonly CelType[], isMember: boolean): CelType {
    if (declared === undefined) {
      this.report.unknownFunction(expr, expr.fn);
      return ERROR;
    }
    const resolution = resolveOverloads(declared, argumentTypes, isMember, this.unification);
    if (resolution === undefined) {
      // An argument that is wrong in itself has been reported; what follows from it would only hide that.
      if (argumentTypes.some((type) => type.kind === "error")) return ERROR;
      const types = argumentTypes.map((type) => this.unification.resolveFully(type));
      this.report.noMatchingOverload(expr, declared, types, isMember);
      return ERROR;
    }
    const { overloads, type } = resolution;
    const isOwnName = isMember || declared.name === expr.fn;
    this.references.set(expr.id, isOwnName ? { kind: "overloads", overloads } : { kind: "function", name: declared.name, overloads });
    return type;
  }

  typeOfList(expr: ListExpr): CelType {
    let joined: CelType | undefined;
    for (const { value, optional } of expr.elements) {
      const type = this.check(value);
      joined = this.join(joined, optional ? this.elementOf(value, type) : type);
    }
    return listType(joined ?? this.unification.freshVariable());
  }

  typeOfMap(expr: MapExpr): CelType {
    let keyType: CelType | undefined;
    let valueType: CelType | undefined;
    for (const { key, value, optional } of expr.entries) {
      keyType = this.join(keyType, this.checkKey(key));
      const type = this.check(value);
      valueType = this.join(valueType, optional ? this.elementOf(value, type) : type);
    }
    return mapType(keyType ?? this.unification.freshVariable(), valueType ?? this.unification.freshVariable());
  }

  checkKey(key: Expr): CelType {
    if (key.kind !== "ident" || this.isDeclared(key.name)) return this.check(key);
    this.report.undeclaredKey(key);
    return ERROR;
  }

  /** The type of an optional element's value: `[?x]` takes an optional and holds what is in it. */
  elementOf(value: Expr, type: CelType): CelType {
    const element = elementOfOptional(type);
    if (element === undefined && type.kind !== "dyn") this.mismatch(value, "an optional value after `?`", type);
    return element ?? type;
  }

  /** The type of elements of both types; dyn when they have nothing in common. */
  join(previous: CelType | undefined, current: CelType): CelType {
    if (previous === undefined) return current;
    return this.unification.isAssignable(previous, current) ? mostGeneral(previous, current) : DYN;
  }

  typeOfStruct(expr: StructExpr): CelType {
    const found = this.scope.findStructType(expr.typeName);
    const fields = found && this.scope.types.fieldsOf(found.type.kind === "object" ? found.type.name : found.name);
    if (found === undefined || fields === undefined) {
      this.report.notStruct(expr);
      for (const { value } of expr.fields) this.check(value);
      return ERROR;
    }
    this.references.set(expr.id, { kind: "type", name: found.name });
    for (const { name, value, optional, start, end } of expr.fields) {
      const checked = this.check(value);
      const type = optional ? this.elementOf(value, checked) : checked;
      const expected = fields.get(name)?.type;
      if (expected === undefined) this.report.unknownField(found.name, name, fields.keys(), { start, end });
      else if (!this.unification.isAssignable(expected, type)) this.report.fieldMismatch(name, expected, type, value);
    }
    return found.type;
  }

  typeOfComprehension(expr: Comprehension): CelType {
    const range = this.unification.resolve(this.check(expr.range));
    const [first, second] = this.iterationTypes(expr, range);
    return this.locals.scoped(() => {
      this.locals.declare(expr.var1, first);
      if (expr.var2 !== null) this.locals.declare(expr.var2, second);
      if (expr.filter !== null) this.checkPredicate(expr.filter, expr.macro);
      return this.typeOfComprehensionResult(expr, first);
    });
  }

  /** The types of a comprehension's variables: the element, or the key of a map; over two variables index and element, or key and value. */
  iterationTypes(expr: Comprehension, range: CelType): readonly [CelType, CelType] {
    switch (range.kind) {
      case "list":
        return expr.var2 === null ? [range.element, range.element] : [INT, range.element];
      case "map":
        return [range.key, range.value];
      case "dyn":
      case "error":
      case "param":
        this.unification.isAssignable(DYN, range);
        return [DYN, DYN];
      default:
        this.report.notIterable(expr, range);
        return [ERROR, ERROR];
    }
  }

  typeOfComprehensionResult(expr: Comprehension, first: CelType): CelType {
    switch (expr.macro) {
      case "all":
      case "exists":
      case "existsOne":
        this.checkPredicate(expr.body, expr.macro);
        return BOOL;
      case "filter":
        this.checkPredicate(expr.body, expr.macro);
        return listType(first);
      case "map":
      case "transformList":
        return listType(this.check(expr.body));
      case "transformMap":
        return mapType(first, this.check(expr.body));
      case "transformMapEntry": {
        const type = this.check(expr.body);
        const entry = mapType(this.unification.freshVariable(), this.unification.freshVariable());
        if (!this.unification.isAssignable(type, entry)) this.mismatch(expr.body, "a map as the entry", type);
        return this.unification.resolve(entry);
      }
      default:
        return expr.macro satisfies never;
    }
  }

  checkPredicate(predicate: Expr, macro: string): void {
    const type = this.check(predicate);
    if (!this.unification.isAssignable(type, BOOL)) this.mismatch(predicate, `a bool as the predicate of \`${macro}\``, type);
  }

  typeOfBind(expr: Bind): CelType {
    const value = this.check(expr.value);
    return this.within(expr.name, value, expr.body);
  }

  typeOfOptMap(expr: OptMap): CelType {
    // cel-go copies the target, so that its one use tells nothing about the other.
    const mark = this.unification.variableCount;
    const target = this.unification.renew(this.check(expr.target), mark);
    const element = this.unification.freshVariable();
    const macro = expr.flat ? "optFlatMap" : "optMap";
    if (!this.unification.isAssignable(target, optionalType(element))) {
      this.mismatch(expr.target, `an optional value before \`${macro}\``, target);
    }
    const body = this.within(expr.name, this.unification.resolve(element), expr.body);
    if (!expr.flat) return optionalType(body);
    if (!this.unification.isAssignable(optionalType(this.unification.freshVariable()), body)) {
      this.mismatch(expr.body, "an optional value as the result of `optFlatMap`", body);
    }
    return body;
  }

  /** A slot may read the slots before it. They are dyn, as in cel-go. */
  typeOfBlock(expr: Block): CelType {
    return this.locals.scoped(() => {
      for (const [index, slot] of expr.slots.entries()) {
        this.check(slot);
        this.locals.declare(`@index${index}`, DYN);
      }
      return this.check(expr.result);
    });
  }

  /** Checks a body in which one more variable is declared. */
  within(name: string, type: CelType, body: Expr): CelType {
    return this.locals.scoped(() => {
      this.locals.declare(name, type);
      return this.check(body);
    });
  }

  isDeclared(name: string): boolean {
    return this.locals.find(name) !== undefined || this.scope.findIdentifier(name) !== undefined;
  }

  mismatch(expr: Expr, expected: string, type: CelType): void {
    this.report.mismatch(expr, expected, this.unification.resolveFully(type));
  }
}

const elementOfOptional = (type: CelType): CelType | undefined =>
  type.kind === "opaque" && type.name === "optional_type" ? type.parameters[0] : undefined;
