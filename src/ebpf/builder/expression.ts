/**
 * What a program computes. An expression is a recipe: it is evaluated where it is used, each time.
 * `Code.let` evaluates it once and gives it a home.
 */
import type { ArithmeticOperation, Comparison } from "../opcode.ts";

/** Where a value lives for the rest of its block: one of r6–r9, or eight bytes of the stack. */
export type Home = {
  /** The block that it belongs to; nothing in it can be read once the block has ended. */
  readonly block: { isOpen: boolean };
  readonly name: string;
} & ({ readonly kind: "register"; readonly register: 6 | 7 | 8 | 9 } | { readonly kind: "slot"; readonly offset: number });

export type Expression =
  | { readonly kind: "constant"; readonly value: bigint }
  | { readonly kind: "home"; readonly home: Home }
  /** An address in the stack frame. `region` is what must be initialised before it is read. */
  | { readonly kind: "frame"; readonly offset: number; readonly block: { isOpen: boolean } }
  | {
      readonly kind: "load";
      readonly base: Expression;
      readonly offset: number;
      readonly width: 1 | 2 | 4 | 8;
      readonly isSigned: boolean;
      readonly isBigEndian: boolean;
      readonly comment?: string;
      /** What must hold where the load is evaluated. */
      readonly guard?: () => void;
    }
  | {
      readonly kind: "binary";
      readonly operation: ArithmeticOperation;
      readonly left: Expression;
      readonly right: Expression;
      readonly bits: 32 | 64;
    }
  | { readonly kind: "negate"; readonly operand: Expression }
  | { readonly kind: "endian"; readonly operand: Expression; readonly order: "big" | "little"; readonly bits: 16 | 32 | 64 }
  | { readonly kind: "extend"; readonly operand: Expression; readonly from: 8 | 16 | 32 };

/** What a branch asks. */
export type Test =
  | {
      readonly kind: "compare";
      readonly comparison: Comparison;
      readonly left: Expression;
      readonly right: Expression;
      readonly bits: 32 | 64;
    }
  | { readonly kind: "and" | "or"; readonly left: Test; readonly right: Test }
  | { readonly kind: "not"; readonly operand: Test };

/** A number, or what computes one. */
export type ScalarLike = Scalar | number | bigint;

const MASK_64 = (1n << 64n) - 1n;

/** The expression of a number. */
export function constant(value: number | bigint): Expression {
  if (typeof value === "number" && !Number.isSafeInteger(value)) throw new RangeError(`expected a whole number below 2^53, got ${value}`);
  const wide = BigInt(value);
  if (wide < -(1n << 63n) || wide > MASK_64) throw new RangeError(`expected a number of 64 bits, got ${wide}`);
  return { kind: "constant", value: BigInt.asIntN(64, wide) };
}

export const expressionOf = (value: ScalarLike): Expression => (value instanceof Scalar ? value.expression : constant(value));

/** A condition of a branch. */
export class Condition {
  readonly test: Test;

  constructor(test: Test) {
    this.test = test;
  }

  /** Both; the second is not evaluated when the first does not hold. */
  and(other: Condition): Condition {
    return new Condition({ kind: "and", left: this.test, right: other.test });
  }

  /** One of both; the second is not evaluated when the first holds. */
  or(other: Condition): Condition {
    return new Condition({ kind: "or", left: this.test, right: other.test });
  }

  not(): Condition {
    return new Condition({ kind: "not", operand: this.test });
  }
}

/** 64 bits that the program computes. Arithmetic wraps; division is unsigned, and by zero gives zero. */
export class Scalar {
  readonly expression: Expression;

  constructor(expression: Expression) {
    this.expression = expression;
  }

  add(other: ScalarLike): Scalar {
    return this.#binary("add", other);
  }
  sub(other: ScalarLike): Scalar {
    return this.#binary("sub", other);
  }
  mul(other: ScalarLike): Scalar {
    return this.#binary("mul", other);
  }
  div(other: ScalarLike): Scalar {
    return this.#binary("div", other);
  }
  mod(other: ScalarLike): Scalar {
    return this.#binary("mod", other);
  }
  and(other: ScalarLike): Scalar {
    return this.#binary("and", other);
  }
  or(other: ScalarLike): Scalar {
    return this.#binary("or", other);
  }
  xor(other: ScalarLike): Scalar {
    return this.#binary("xor", other);
  }
  shl(other: ScalarLike): Scalar {
    return this.#binary("lsh", other);
  }
  /** Fills with zeros. */
  shr(other: ScalarLike): Scalar {
    return this.#binary("rsh", other);
  }
  /** Fills with the sign. */
  sar(other: ScalarLike): Scalar {
    return this.#binary("arsh", other);
  }
  negated(): Scalar {
    return new Scalar({ kind: "negate", operand: this.expression });
  }
  /** The lowest 32 bits, the others cleared. */
  low32(): Scalar {
    return this.shl(32).shr(32);
  }
  /** Between the machine's order and the wire's, of the lowest `bits`; the others are cleared. */
  bigEndian(bits: 16 | 32 | 64): Scalar {
    return new Scalar({ kind: "endian", operand: this.expression, order: "big", bits });
  }
  /** The lowest bits as a signed number. */
  signed(from: 8 | 16 | 32): Scalar {
    return new Scalar({ kind: "extend", operand: this.expression, from });
  }

  eq(other: ScalarLike): Condition {
    return this.#compare("eq", other);
  }
  ne(other: ScalarLike): Condition {
    return this.#compare("ne", other);
  }
  /** Unsigned, as are `le`, `gt` and `ge`. */
  lt(other: ScalarLike): Condition {
    return this.#compare("lt", other);
  }
  le(other: ScalarLike): Condition {
    return this.#compare("le", other);
  }
  gt(other: ScalarLike): Condition {
    return this.#compare("gt", other);
  }
  ge(other: ScalarLike): Condition {
    return this.#compare("ge", other);
  }
  /** Signed, as are `sle`, `sgt` and `sge`. */
  slt(other: ScalarLike): Condition {
    return this.#compare("slt", other);
  }
  sle(other: ScalarLike): Condition {
    return this.#compare("sle", other);
  }
  sgt(other: ScalarLike): Condition {
    return this.#compare("sgt", other);
  }
  sge(other: ScalarLike): Condition {
    return this.#compare("sge", other);
  }
  /** Whether any of the bits is set. */
  hasAny(bits: ScalarLike): Condition {
    return this.#compare("set", bits);
  }
  /** Whether it is one of several numbers. */
  isOneOf(...numbers: readonly [ScalarLike, ...ScalarLike[]]): Condition {
    const [first, ...rest] = numbers;
    return rest.reduce<Condition>((sofar, number) => sofar.or(this.eq(number)), this.eq(first));
  }

  #binary(operation: ArithmeticOperation, other: ScalarLike): Scalar {
    if (!(other instanceof Scalar)) checkConstant(operation, BigInt(other));
    return new Scalar({ kind: "binary", operation, left: this.expression, right: expressionOf(other), bits: 64 });
  }

  #compare(comparison: Comparison, other: ScalarLike): Condition {
    return new Condition({ kind: "compare", comparison, left: this.expression, right: expressionOf(other), bits: 64 });
  }
}

/** What the kernel refuses of constants. */
function checkConstant(operation: ArithmeticOperation, value: bigint): void {
  const isShift = operation === "lsh" || operation === "rsh" || operation === "arsh";
  if (isShift && (value < 0n || value > 63n)) throw new RangeError(`expected to shift by 0 to 63 bits, got ${value}`);
  if ((operation === "div" || operation === "mod") && value === 0n) throw new RangeError("expected to divide by another number than 0");
}

/** An address so many bytes further. */
export const shifted = (base: Expression, offset: number): Expression =>
  offset === 0
    ? base
    : base.kind === "frame"
      ? { ...base, offset: base.offset + offset }
      : { kind: "binary", operation: "add", left: base, right: constant(offset), bits: 64 };
