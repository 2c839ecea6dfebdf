/** Kubernetes' quantity functions (apiserver pkg/cel/library/quantity.go), since Kubernetes 1.28. */
import type { FunctionDeclaration, Library } from "../../declaration.ts";
import { doubleOf } from "../../runtime/double.ts";
import { quote } from "../../runtime/failure.ts";
import type { Int } from "../../runtime/int64.ts";
import { BOOL, DOUBLE, INT } from "../../type.ts";
import type { CelValue } from "../../value.ts";
import { fixedCost, traversal } from "../cost.ts";
import { declare, fail, func, int, method, opaque, type Parameter, string } from "../define.ts";
import {
  addQuantities,
  compareQuantities,
  parseQuantity,
  QUANTITY,
  QuantityValue,
  quantityAsDouble,
  quantityAsInt,
  signOf,
} from "./quantity-value.ts";

const quantity: Parameter<QuantityValue> = opaque(QUANTITY);

const UNIT = fixedCost(1);

const sum = (a: QuantityValue, b: QuantityValue, sign: 1 | -1): CelValue =>
  addQuantities(a, b, sign) ?? fail("the quantities are too far apart for a sum", "CEL_OVERFLOW");

const ofInt = (value: Int): QuantityValue => new QuantityValue(value, 0, "exponent", true);

const functions: readonly FunctionDeclaration[] = [
  declare(
    "quantity",
    "A quantity from its text, such as `500m` or `1.5Gi`.",
    func("string_to_quantity", [string], QUANTITY, (text) => parseQuantity(text) ?? fail(`${quote(text)} is not a quantity`), traversal()),
  ),
  declare(
    "isQuantity",
    "Whether a string is a quantity.",
    func("is_quantity_string", [string], BOOL, (text) => parseQuantity(text) !== undefined, traversal()),
  ),
  declare("sign", "-1, 0 or 1.", func("quantity_sign", [quantity], INT, signOf, UNIT)),
  declare(
    "isGreaterThan",
    "Whether the receiver is greater than the argument.",
    method("quantity_is_greater_than", [quantity, quantity], BOOL, (a, b) => compareQuantities(a, b) > 0, UNIT),
  ),
  declare(
    "isLessThan",
    "Whether the receiver is less than the argument.",
    method("quantity_is_less_than", [quantity, quantity], BOOL, (a, b) => compareQuantities(a, b) < 0, UNIT),
  ),
  declare(
    "compareTo",
    "-1, 0 or 1 when the receiver is less than, equal to or greater than the argument.",
    method("quantity_compare_to", [quantity, quantity], INT, (a, b) => Math.sign(compareQuantities(a, b)), UNIT),
  ),
  declare(
    "asApproximateFloat",
    "The quantity as a double, which may be rounded.",
    method("quantity_get_float", [quantity], DOUBLE, (value) => doubleOf(quantityAsDouble(value)), UNIT),
  ),
  declare(
    "asInteger",
    "The quantity as an int; an error where it is none.",
    method("quantity_get_int", [quantity], INT, (value) => quantityAsInt(value) ?? fail("the quantity is not an integer"), UNIT),
  ),
  declare(
    "isInteger",
    "Whether the quantity is an int, and written in a form that Kubernetes takes for one.",
    method("quantity_is_integer", [quantity], BOOL, (value) => quantityAsInt(value) !== undefined, UNIT),
  ),
  declare(
    "add",
    "The sum of a quantity and a quantity or an int.",
    method("quantity_add", [quantity, quantity], QUANTITY, (a, b) => sum(a, b, 1), UNIT),
    method("quantity_add_int", [quantity, int], QUANTITY, (a, b) => sum(a, ofInt(b), 1), UNIT),
  ),
  declare(
    "sub",
    "The difference of a quantity and a quantity or an int.",
    method("quantity_sub", [quantity, quantity], QUANTITY, (a, b) => sum(a, b, -1), UNIT),
    method("quantity_sub_int", [quantity, int], QUANTITY, (a, b) => sum(a, ofInt(b), -1), UNIT),
  ),
];

export const quantityLibrary: Library = { name: "kubernetes.quantity", functions };
