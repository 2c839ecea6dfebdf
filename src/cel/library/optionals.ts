/** Optional values (cel-go cel/library.go): `optional.of(x)`, `a.?b`, `list[?0]`, `optMap` and what goes with them. */
import type { FunctionDeclaration, Library } from "../declaration.ts";
import { OPTIONAL_MACROS } from "../macro.ts";
import { costSize } from "../runtime/cost.ts";
import { lookUpOptional } from "../runtime/lookup.ts";
import { BOOL, type CelType, listType, opaqueType, optionalType, typeParam } from "../type.ts";
import { CelDouble, CelDuration, CelError, CelOptional, CelTimestamp, CelTypeValue, CelUint, type CelValue, NONE } from "../value.ts";
import { anything, declare, dyn, fail, func, int, list, map, method, type Parameter, string } from "./define.ts";

const K = anything("K");
const V = anything("V");
const optionalOf = <T extends CelValue>(of: Parameter<T>): Parameter<CelOptional> => ({ type: optionalType(of.type) });
const optionalV = optionalOf(V);
const resultV: CelType = typeParam("V");
const optionalResult: CelType = optionalType(resultV);

const some = (value: CelValue): CelOptional => new CelOptional(true, value);

/** Whether a value is the zero of its type: null, false, 0, empty, the first moment of year 1. */
function isZero(value: CelValue): boolean {
  if (value === null || value === false || value === 0 || value === "") return true;
  if (typeof value !== "object") return false;
  if (value instanceof CelUint || value instanceof CelDouble) return Number(value.value) === 0;
  if (value instanceof CelDuration) return value.seconds === 0 && value.nanos === 0;
  if (value instanceof CelTimestamp) return value.seconds === -62_135_596_800 && value.nanos === 0;
  if (value instanceof CelOptional) return !value.hasValue || isZero(value.value);
  // Lists, maps and bytes; whatever has no size has size 1.
  return !(value instanceof CelTypeValue) && costSize(value) === 0;
}

/** `optional.value()`. */
const valueIn = (optional: CelOptional): CelValue =>
  optional.hasValue ? optional.value : new CelError("CEL_NONE_DEREFERENCE", "optional.none() has no value");

/** Back ends know whether presence is strict; called through here, it is. */
const optionalLookUp = (container: CelValue, key: CelValue): CelValue => lookUpOptional(container, key, true);

function unwrap(optionals: readonly CelOptional[]): CelValue {
  const values: CelValue[] = [];
  for (const optional of optionals) {
    if (!(optional instanceof CelOptional)) return fail("expected a list of optional values");
    if (optional.hasValue) values.push(optional.value);
  }
  return values;
}

const functions: readonly FunctionDeclaration[] = [
  declare("optional.of", "An optional value that has a value.", func("optional_of", [V], optionalResult, some)),
  declare(
    "optional.ofNonZeroValue",
    "An optional value that has a value unless it is the zero of its type.",
    func("optional_ofNonZeroValue", [V], optionalResult, (value) => (isZero(value) ? NONE : some(value))),
  ),
  declare(
    "optional.none",
    "The optional value without a value.",
    func("optional_none", [], optionalResult, () => NONE),
  ),
  declare("value", "The value of an optional; an error when it has none.", method("optional_value", [optionalV], resultV, valueIn)),
  declare(
    "hasValue",
    "Whether an optional has a value.",
    method("optional_hasValue", [optionalV], BOOL, ({ hasValue }) => hasValue),
  ),
  // Back ends evaluate the second operand of `or` and `orValue` only when it is needed.
  declare(
    "or",
    "The first optional that has a value, otherwise the second.",
    method("optional_or_optional", [optionalV, optionalV], optionalResult, (a, b) => (a.hasValue ? a : b)),
  ),
  declare(
    "orValue",
    "The value of an optional, otherwise the second operand.",
    method("optional_orValue_value", [optionalV, V], resultV, (optional, other) => (optional.hasValue ? optional.value : other)),
  ),
  declare(
    "_?._",
    "The field as an optional: none when it is not there.",
    func("select_optional_field", [dyn, string], optionalResult, optionalLookUp),
  ),
  declare(
    "_[?_]",
    "The element or entry as an optional: none when it is not there.",
    func("list_optindex_optional_int", [list(V), int], optionalResult, optionalLookUp),
    func("optional_list_optindex_optional_int", [optionalOf(list(V)), int], optionalResult, optionalLookUp),
    func("map_optindex_optional_value", [map(K, V), K], optionalResult, optionalLookUp),
    func("optional_map_optindex_optional_value", [optionalOf(map(K, V)), K], optionalResult, optionalLookUp),
  ),
  declare(
    "_[_]",
    "The element or entry of an optional list or map, as an optional.",
    func("optional_list_index_int", [optionalOf(list(V)), int], optionalResult, optionalLookUp),
    func("optional_map_index_value", [optionalOf(map(K, V)), K], optionalResult, optionalLookUp),
  ),
  declare(
    "first",
    "The first element of a list, if it has one.",
    method("list_first", [list(V)], optionalResult, (values) => at(values, 0)),
  ),
  declare(
    "last",
    "The last element of a list, if it has one.",
    method("list_last", [list(V)], optionalResult, (values) => at(values, values.length - 1)),
  ),
  declare(
    "optional.unwrap",
    "The values of a list of optionals that have one.",
    func("optional_unwrap", [list(optionalV)], listType(resultV), unwrap),
  ),
  declare(
    "unwrapOpt",
    "The values of a list of optionals that have one.",
    method("optional_unwrapOpt", [list(optionalV)], listType(resultV), unwrap),
  ),
];

function at(values: readonly CelValue[], index: number): CelOptional {
  const value = values[index];
  return value === undefined ? NONE : some(value);
}

/** `optional_type` without a parameter, as cel-go declares the name. */
const optionalName: CelType = opaqueType("optional_type");

export const optionalsLibrary: Library = {
  name: "optionals",
  functions,
  constants: new Map([["optional_type", { type: { kind: "type", of: optionalName }, value: new CelTypeValue(optionalName) }]]),
  macros: OPTIONAL_MACROS,
};
