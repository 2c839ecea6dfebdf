/** `+`, `-`, `*`, `/`, `%` and negation. */
import type { CallCost, FunctionDeclaration } from "../declaration.ts";
import { range, UNBOUNDED } from "../library/cost.ts";
import { anything, bytes, declare, double, duration, func, int, list, string, timestamp, uint } from "../library/define.ts";
import { concatenate } from "../runtime/bytes.ts";
import { concatenationCost, listConcatenationCost } from "../runtime/cost.ts";
import { asDouble, type Double, doubleOf } from "../runtime/double.ts";
import { addDurations, subtractDurations } from "../runtime/duration.ts";
import { addInt, divideInt, moduloInt, multiplyInt, negateInt, subtractInt } from "../runtime/int64.ts";
import { addDuration, durationBetween, subtractDuration } from "../runtime/timestamp.ts";
import { addUint, divideUint, moduloUint, multiplyUint, subtractUint } from "../runtime/uint64.ts";
import { BYTES, type CelType, DOUBLE, DURATION, INT, listType, STRING, TIMESTAMP, typeParam, UINT } from "../type.ts";
import type { CelValue } from "../value.ts";

const element = anything("A");
const listOfA: CelType = listType(typeParam("A"));

const onDoubles =
  (operate: (a: number, b: number) => number) =>
  (a: Double, b: Double): CelValue =>
    doubleOf(operate(asDouble(a), asDouble(b)));

const concatenation: CallCost = {
  actual: ([a = null, b = null]) => concatenationCost(a, b),
  estimate: ([a = UNBOUNDED, b = UNBOUNDED]) => ({
    cost: range(Math.ceil((a.min + b.min) / 10), Math.ceil((a.max + b.max) / 10)),
    resultSize: range(a.min + b.min, a.max + b.max),
  }),
};

const listConcatenation: CallCost = {
  actual: ([a, b]) => (Array.isArray(a) && Array.isArray(b) ? listConcatenationCost(a, b) : 1),
  estimate: ([a = UNBOUNDED, b = UNBOUNDED]) => ({ cost: range(1), resultSize: range(a.min + b.min, a.max + b.max) }),
};

export const arithmeticFunctions: readonly FunctionDeclaration[] = [
  declare(
    "_+_",
    "Adds numbers, durations and timestamps; joins strings, bytes and lists.",
    func("add_bytes", [bytes, bytes], BYTES, concatenate, concatenation),
    func(
      "add_double",
      [double, double],
      DOUBLE,
      onDoubles((a, b) => a + b),
    ),
    func("add_duration_duration", [duration, duration], DURATION, addDurations),
    func("add_duration_timestamp", [duration, timestamp], TIMESTAMP, (span, time) => addDuration(time, span)),
    func("add_timestamp_duration", [timestamp, duration], TIMESTAMP, addDuration),
    func("add_int64", [int, int], INT, addInt),
    func("add_list", [list(element), list(element)], listOfA, (a, b) => [...a, ...b], listConcatenation),
    func("add_string", [string, string], STRING, (a, b) => a + b, concatenation),
    func("add_uint64", [uint, uint], UINT, addUint),
  ),
  declare(
    "_/_",
    "Divides numbers; the quotient of integers is cut off towards zero.",
    func(
      "divide_double",
      [double, double],
      DOUBLE,
      onDoubles((a, b) => a / b),
    ),
    func("divide_int64", [int, int], INT, divideInt),
    func("divide_uint64", [uint, uint], UINT, divideUint),
  ),
  declare(
    "_%_",
    "The remainder of an integer division; it has the sign of the first operand.",
    func("modulo_int64", [int, int], INT, moduloInt),
    func("modulo_uint64", [uint, uint], UINT, moduloUint),
  ),
  declare(
    "_*_",
    "Multiplies numbers.",
    func(
      "multiply_double",
      [double, double],
      DOUBLE,
      onDoubles((a, b) => a * b),
    ),
    func("multiply_int64", [int, int], INT, multiplyInt),
    func("multiply_uint64", [uint, uint], UINT, multiplyUint),
  ),
  declare(
    "-_",
    "Negates a number.",
    func("negate_double", [double], DOUBLE, (a) => doubleOf(-asDouble(a))),
    func("negate_int64", [int], INT, negateInt),
  ),
  declare(
    "_-_",
    "Subtracts numbers, durations and timestamps.",
    func(
      "subtract_double",
      [double, double],
      DOUBLE,
      onDoubles((a, b) => a - b),
    ),
    func("subtract_duration_duration", [duration, duration], DURATION, subtractDurations),
    func("subtract_int64", [int, int], INT, subtractInt),
    func("subtract_timestamp_duration", [timestamp, duration], TIMESTAMP, subtractDuration),
    func("subtract_timestamp_timestamp", [timestamp, timestamp], DURATION, durationBetween),
    func("subtract_uint64", [uint, uint], UINT, subtractUint),
  ),
];
