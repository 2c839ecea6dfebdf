/** Doubles: raw numbers inside arithmetic, boxed as `CelDouble` in a CEL value when they would read as an int. */
import { CelDouble, type CelValue } from "../value.ts";

export type Double = number | CelDouble;

export const asDouble = (value: Double): number => (typeof value === "number" ? value : value.value);

/** A double as a CEL value. */
export const doubleOf = (value: number): Double => (Number.isSafeInteger(value) ? new CelDouble(value) : value);

export const isDouble = (value: CelValue): value is Double =>
  value instanceof CelDouble || (typeof value === "number" && !Number.isSafeInteger(value));

/** As `string(double)` of cel-go: Go's `%g`, which is the shortest text that reads back as the same number. */
export function formatDouble(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  if (Object.is(value, -0)) return "-0";
  const [mantissa = "", exponentText = "0"] = value.toExponential().split("e");
  const exponent = Number(exponentText);
  if (exponent < -4 || exponent >= 6) {
    return `${mantissa}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }
  return value.toString();
}
