/** Builds the tree of a residual expression, with the types and references of its nodes. */
import type { Expr, LiteralValue } from "../ast.ts";
import type { CheckedExpression, Reference } from "../checked-expression.ts";
import { asDouble } from "../runtime/double.ts";
import { isPlainMap } from "../runtime/map.ts";
import type { SourceText } from "../source-text.ts";
import { BOOL, type CelType, DYN } from "../type.ts";
import { CelDouble, CelError, CelMap, CelUint, type CelValue } from "../value.ts";

type WithoutPlace<E> = E extends Expr ? Omit<E, "id" | "start" | "end"> : never;
/** A node without its number and position. */
export type Shape = WithoutPlace<Expr>;

/** Where a new node comes from. */
export interface Origin {
  readonly start: number;
  readonly end: number;
  readonly type: CelType;
}

/** Values of more nodes than this are referred to instead of being written out. */
const MAX_LITERAL_NODES = 100;

export class ResidualBuilder {
  readonly #types: CelType[] = [];
  readonly #references = new Map<number, Reference>();
  #constantCount = 0;

  get nodeCount(): number {
    return this.#types.length;
  }

  typeOf(expr: Expr): CelType {
    return this.#types[expr.id] ?? DYN;
  }

  add(shape: Shape, { start, end, type }: Origin, reference?: Reference): Expr {
    const id = this.#types.push(type) - 1;
    if (reference !== undefined) this.#references.set(id, reference);
    return { ...shape, id, start, end };
  }

  /** A known value: a literal where it has one, a call that fails where it is an error, otherwise a reference to the value. */
  constant(value: CelValue, origin: Origin): Expr {
    if (value instanceof CelError) return this.#failure(value, origin);
    const shape = literalNodeCount(value, MAX_LITERAL_NODES) <= MAX_LITERAL_NODES ? this.#literal(value, origin) : null;
    if (shape !== null) return this.add(shape, origin);
    const name = `@constant${this.#constantCount++}`;
    return this.add({ kind: "ident", name }, origin, { kind: "constant", name, value });
  }

  #failure(error: CelError, origin: Origin): Expr {
    const fail = { id: "@error", args: [], result: DYN, isMember: false, isVolatile: true, call: () => error };
    return this.add({ kind: "call", at: origin.start, fn: "@error", target: null, args: [] }, origin, {
      kind: "overloads",
      overloads: [fail],
    });
  }

  #literal(value: CelValue, { start, end }: Origin): Shape | null {
    const literal = literalValueOf(value);
    if (literal !== null) return { kind: "literal", value: literal };
    const dyn = { start, end, type: DYN };
    if (Array.isArray(value)) {
      return { kind: "list", elements: value.map((element: CelValue) => ({ value: this.constant(element, dyn), optional: false })) };
    }
    const entries = entriesOf(value);
    if (entries === null) return null;
    return {
      kind: "map",
      entries: entries.map(([key, entry]) => ({ key: this.constant(key, dyn), value: this.constant(entry, dyn), optional: false })),
    };
  }

  /** The residual expression as a whole. */
  finish(root: Expr, source: SourceText, resultType: CelType): CheckedExpression {
    return { root, nodeCount: this.nodeCount, source, types: this.#types, references: this.#references, resultType };
  }
}

/** How many nodes a value takes as a literal; stops counting beyond `limit`. */
function literalNodeCount(value: CelValue, limit: number): number {
  const parts = Array.isArray(value) ? value : (entriesOf(value)?.flat() ?? []);
  let count = 1;
  for (const part of parts) {
    if (count > limit) break;
    count += literalNodeCount(part, limit - count);
  }
  return count;
}

function entriesOf(value: CelValue): readonly (readonly [key: CelValue, value: CelValue])[] | null {
  if (value instanceof CelMap) return [...value.entries.values()];
  return isPlainMap(value) ? Object.entries(value) : null;
}

function literalValueOf(value: CelValue): LiteralValue | null {
  switch (typeof value) {
    case "boolean":
      return { type: "bool", value };
    case "string":
      return { type: "string", value };
    case "bigint":
      return { type: "int", value };
    case "number":
      return Number.isSafeInteger(value) ? { type: "int", value: BigInt(value) } : doubleLiteral(value);
    default:
      if (value === null) return { type: "null" };
      if (value instanceof Uint8Array) return { type: "bytes", value };
      if (value instanceof CelUint) return { type: "uint", value: value.value };
      return value instanceof CelDouble ? doubleLiteral(asDouble(value)) : null;
  }
}

/** NaN and the infinities have no literal. */
const doubleLiteral = (value: number): LiteralValue | null => (Number.isFinite(value) ? { type: "double", value } : null);

export const boolAt = ({ start, end }: { readonly start: number; readonly end: number }): Origin => ({ start, end, type: BOOL });
