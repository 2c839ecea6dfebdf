/** The errors that evaluation itself makes. Positions are added by the back end, see `CelError`. */
import { formatType } from "../type.ts";
import { CelDouble, CelError, CelUint, type CelValue } from "../value.ts";
import { typeOf } from "./type-of.ts";

/** How long quoted input may get in a message. UNTRUSTED: keys and texts come from the reviewed object. */
const MAX_QUOTED_LENGTH = 80;

/** Input in backticks, on one line, cut to a bearable length. */
export function quote(text: string): string {
  const shown = text.length > MAX_QUOTED_LENGTH ? `${text.slice(0, MAX_QUOTED_LENGTH)}…` : text;
  return isPrintable(shown) ? `\`${shown}\`` : `\`${shown.replaceAll(/[\p{Cc}`]/gu, "?")}\``;
}

/** As the regular expression above, for the many texts that are fine: errors are made often, and mostly absorbed. */
function isPrintable(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 0x20 || unit === 0x60 || (unit >= 0x7f && unit < 0xa0)) return false;
  }
  return true;
}

export const noSuchOverload = (fn: string, args: readonly CelValue[]): CelError =>
  new CelError("CEL_NO_SUCH_OVERLOAD", `no such overload: \`${fn}\` of (${args.map((arg) => formatType(typeOf(arg))).join(", ")})`);

export const noSuchKey = (key: CelValue): CelError => new CelError("CEL_NO_SUCH_KEY", `no such key: ${quote(keyText(key))}`);

export const outOfBounds = (index: CelValue, size: number): CelError =>
  new CelError("CEL_INDEX_OUT_OF_BOUNDS", `index ${quote(keyText(index))} is out of bounds of a list of ${size}`);

export const overflow = (what: string): CelError => new CelError("CEL_OVERFLOW", `${what} is out of range`);

export const divideByZero = (operator: "/" | "%"): CelError =>
  new CelError("CEL_DIVIDE_BY_ZERO", operator === "/" ? "division by zero" : "modulus by zero");

export const invalidArgument = (message: string): CelError => new CelError("CEL_INVALID_ARGUMENT", message);

export const notBool = (value: CelValue): CelError => new CelError("CEL_NOT_BOOL", `expected bool, got ${formatType(typeOf(value))}`);

export const costLimitExceeded = (limit: number): CelError =>
  new CelError("CEL_COST_LIMIT", `evaluation cost more than the limit of ${limit} units`);

function keyText(key: CelValue): string {
  if (typeof key !== "object" || key === null) return String(key);
  return key instanceof CelUint || key instanceof CelDouble ? String(key.value) : formatType(typeOf(key));
}
