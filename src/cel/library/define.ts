/**
 * The words in which the libraries are written: parameters that know the TypeScript type of their values, and overloads
 * made from them.
 */

import type { CallCost, FunctionDeclaration, Overload } from "../declaration.ts";
import type { Double } from "../runtime/double.ts";
import type { Int } from "../runtime/int64.ts";
import type { PlainMap } from "../runtime/map.ts";
import { BOOL, BYTES, type CelType, DOUBLE, DURATION, DYN, INT, listType, mapType, STRING, TIMESTAMP, typeParam, UINT } from "../type.ts";
import {
  type CelDuration,
  CelError,
  type CelErrorCode,
  type CelMap,
  type CelOpaque,
  type CelTimestamp,
  type CelUint,
  type CelValue,
} from "../value.ts";

/** A CEL type of a parameter, and in `V` the JavaScript values that an argument of it is. */
export interface Parameter<V> {
  readonly type: CelType;
  /** Never set: it only ties `V` to the parameter. */
  readonly holds?: V;
}

/** A map: a plain object for string keys, a `CelMap` otherwise. */
export type MapValue = PlainMap | CelMap;

export const bool: Parameter<boolean> = { type: BOOL };
export const int: Parameter<Int> = { type: INT };
export const uint: Parameter<CelUint> = { type: UINT };
export const double: Parameter<Double> = { type: DOUBLE };
export const string: Parameter<string> = { type: STRING };
export const bytes: Parameter<Uint8Array> = { type: BYTES };
export const timestamp: Parameter<CelTimestamp> = { type: TIMESTAMP };
export const duration: Parameter<CelDuration> = { type: DURATION };
export const dyn: Parameter<CelValue> = { type: DYN };
/** A type parameter, `T`. */
export const anything = (name: string): Parameter<CelValue> => ({ type: typeParam(name) });
export const list = <V>(of: Parameter<V>): Parameter<readonly V[]> => ({ type: listType(of.type) });
export const map = (key: Parameter<CelValue>, value: Parameter<CelValue>): Parameter<MapValue> => ({ type: mapType(key.type, value.type) });
/** A parameter of an extension type, whose values are all instances of one class. */
export const opaque = <V extends CelOpaque>(of: CelType): Parameter<V> => ({ type: of });

type Parameters<A extends readonly CelValue[]> = { readonly [K in keyof A]: Parameter<A[K]> };

/** An overload that is called as `name(…)`. */
export const func = <A extends CelValue[]>(
  id: string,
  parameters: Parameters<A>,
  result: CelType,
  call: (...args: A) => CelValue,
  cost?: CallCost,
): Overload => overload(id, parameters, result, false, call, cost);

/** An overload that is called as `receiver.name(…)`; the receiver is the first parameter. */
export const method = <A extends CelValue[]>(
  id: string,
  parameters: Parameters<A>,
  result: CelType,
  call: (...args: A) => CelValue,
  cost?: CallCost,
): Overload => overload(id, parameters, result, true, call, cost);

function overload<A extends CelValue[]>(
  id: string,
  parameters: Parameters<A>,
  result: CelType,
  isMember: boolean,
  call: (...args: A) => CelValue,
  cost: CallCost | undefined,
): Overload {
  const args: readonly CelType[] = parameters.map((parameter: Parameter<CelValue>) => parameter.type);
  // INVARIANT: a backend calls an overload only with arguments whose run-time types fit `args` (declaration.ts), hence the cast.
  const erased = call as Overload["call"];
  return cost === undefined ? { id, args, result, isMember, call: erased } : { id, args, result, isMember, call: erased, cost };
}

/** The overload as one whose result depends on more than its arguments. */
export const volatile = (of: Overload): Overload => ({ ...of, isVolatile: true });

/** A function with its one-sentence description. */
export const declare = (name: string, description: string, ...overloads: readonly Overload[]): FunctionDeclaration => ({
  name,
  description,
  overloads,
});

/** The error of a call; the backend adds its position. */
export const fail = (message: string, code: CelErrorCode = "CEL_INVALID_ARGUMENT"): CelError => new CelError(code, message);
