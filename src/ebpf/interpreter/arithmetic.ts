/** Arithmetic and comparisons as the kernel has them (RFC 9669 §4). Registers are 64 bits without sign. */
import { ARITHMETIC, JUMP } from "../opcode.ts";

const wrap = (value: bigint, bits: 32 | 64): bigint => BigInt.asUintN(bits, value);

/** The result of an operation on the lowest bits of both; what is above them is zero. Nothing is thrown: division by zero gives zero. */
export function computed(operation: number, left: bigint, right: bigint, bits: 32 | 64, isSigned: boolean): bigint | undefined {
  const a = wrap(left, bits);
  const b = wrap(right, bits);
  const shift = b & BigInt(bits - 1);
  switch (operation) {
    case ARITHMETIC.add:
      return wrap(a + b, bits);
    case ARITHMETIC.sub:
      return wrap(a - b, bits);
    case ARITHMETIC.mul:
      return wrap(a * b, bits);
    case ARITHMETIC.div:
      return divided(a, b, bits, isSigned);
    case ARITHMETIC.mod:
      return remaining(a, b, bits, isSigned);
    case ARITHMETIC.or:
      return a | b;
    case ARITHMETIC.and:
      return a & b;
    case ARITHMETIC.xor:
      return a ^ b;
    case ARITHMETIC.lsh:
      return wrap(a << shift, bits);
    case ARITHMETIC.rsh:
      return a >> shift;
    case ARITHMETIC.arsh:
      return wrap(BigInt.asIntN(bits, a) >> shift, bits);
    case ARITHMETIC.mov:
      return b;
    case ARITHMETIC.neg:
      return wrap(-a, bits);
    default:
      return undefined;
  }
}

function divided(a: bigint, b: bigint, bits: 32 | 64, isSigned: boolean): bigint {
  if (b === 0n) return 0n;
  return isSigned ? wrap(BigInt.asIntN(bits, a) / BigInt.asIntN(bits, b), bits) : a / b;
}

function remaining(a: bigint, b: bigint, bits: 32 | 64, isSigned: boolean): bigint {
  if (b === 0n) return a;
  return isSigned ? wrap(BigInt.asIntN(bits, a) % BigInt.asIntN(bits, b), bits) : a % b;
}

/** The lowest bits in the other order of bytes. */
export function swapped(value: bigint, bits: number): bigint {
  let result = 0n;
  for (let bit = 0; bit < bits; bit += 8) result = (result << 8n) | ((value >> BigInt(bit)) & 0xffn);
  return result;
}

/** Whether a jump is taken; `undefined` for what is no comparison. */
export function holds(operation: number, left: bigint, right: bigint, bits: 32 | 64): boolean | undefined {
  const a = wrap(left, bits);
  const b = wrap(right, bits);
  const signedA = BigInt.asIntN(bits, a);
  const signedB = BigInt.asIntN(bits, b);
  switch (operation) {
    case JUMP.eq:
      return a === b;
    case JUMP.ne:
      return a !== b;
    case JUMP.gt:
      return a > b;
    case JUMP.ge:
      return a >= b;
    case JUMP.lt:
      return a < b;
    case JUMP.le:
      return a <= b;
    case JUMP.set:
      return (a & b) !== 0n;
    case JUMP.sgt:
      return signedA > signedB;
    case JUMP.sge:
      return signedA >= signedB;
    case JUMP.slt:
      return signedA < signedB;
    case JUMP.sle:
      return signedA <= signedB;
    default:
      return undefined;
  }
}
