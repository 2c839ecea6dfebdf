/**
 * Variables, selection and presence, as both back ends do them when the fast way does not apply: errors of operands pass
 * through, an error made here carries the position. A "presence" is the value of an optional without the box: undefined
 * when there is none.
 */
import type { Frame } from "../frame.ts";
import type { LazyScope, Program } from "../program.ts";
import { CelError, CelOptional, type CelValue, NONE } from "../value.ts";
import { noSuchOverload, quote } from "./failure.ts";
import { findPresent, isPresent, lookUp, lookUpOptional } from "./lookup.ts";
import { isPlainMap, MapBuilder } from "./map.ts";
import { at } from "./position.ts";

const owns = Object.prototype.hasOwnProperty;

/** A variable bound in the frame; an error when it is not. */
export function variable(frame: Frame, name: string, start: number, end: number): CelValue {
  const value = owns.call(frame.bindings, name) ? frame.bindings[name] : undefined;
  return value === undefined ? new CelError("CEL_NO_SUCH_VARIABLE", `no value is bound to the variable ${quote(name)}`, start, end) : value;
}

/** The entry of a map with string keys, or undefined; undefined too for every other value. */
export const own = (value: CelValue | undefined, key: string): CelValue | undefined =>
  value !== undefined && isPlainMap(value) && owns.call(value, key) ? value[key] : undefined;

/** A lazy variable: the result of its program, which runs at most once per frame. */
export function lazyVariable(frame: Frame, program: Program): CelValue {
  frame.memo ??= new Map();
  const known = frame.memo.get(program);
  if (known !== undefined) return known;
  const value = program.run(frame);
  frame.memo.set(program, value);
  return value;
}

/** All lazy variables as a map; the first error if one of them is an error. */
export function lazyScope(frame: Frame, scope: LazyScope): CelValue {
  const map = new MapBuilder();
  for (const [name, program] of scope.programs) {
    const value = lazyVariable(frame, program);
    if (value instanceof CelError) return value;
    map.add(name, value);
  }
  return map.build();
}

/** `root.a.b`: from `offset` on, `positions` are where the path starts and where each of its steps ends. */
export function path(
  root: CelValue,
  keys: readonly (string | number)[],
  isStrict: boolean,
  positions: readonly number[],
  offset: number,
): CelValue {
  let value = root;
  for (let step = 0; step < keys.length; step++) {
    if (value instanceof CelError) return value;
    value = at(lookUp(value, keys[step] ?? "", isStrict), positions[offset] ?? -1, positions[offset + 1 + step] ?? -1);
  }
  return value;
}

/**
 * The presence of `root.a.?b.c`: from `optionalFrom` on, what is absent makes the whole chain absent, and gives back the
 * cost of the steps that were not taken.
 */
export function optionalPath(
  frame: Frame,
  root: CelValue,
  keys: readonly (string | number)[],
  optionalFrom: number,
  isStrict: boolean,
  positions: readonly number[],
  offset: number,
): CelValue | undefined {
  let value = path(root, keys.slice(0, optionalFrom), isStrict, positions, offset);
  for (let step = optionalFrom; step < keys.length; step++) {
    if (value instanceof CelError) return value;
    const found = at(findPresent(value, keys[step] ?? "", isStrict), positions[offset] ?? -1, positions[offset + 1 + step] ?? -1);
    if (found === undefined) {
      frame.cost -= keys.length - step;
      return undefined;
    }
    value = found;
  }
  return value;
}

/** `has(operand.key)`. */
export function has(operand: CelValue, key: string, isStrict: boolean, start: number, end: number): boolean | CelError {
  return operand instanceof CelError ? operand : at(isPresent(operand, key, isStrict), start, end);
}

/** `container[key]`. */
export function index(container: CelValue, key: CelValue, isStrict: boolean, start: number, end: number): CelValue {
  if (container instanceof CelError) return container;
  return key instanceof CelError ? key : at(lookUp(container, key, isStrict), start, end);
}

/** `container[?key]`; what is absent gives back the cost of the step. */
export function optionalIndex(frame: Frame, container: CelValue, key: CelValue, isStrict: boolean, start: number, end: number): CelValue {
  if (container instanceof CelError) return container;
  if (key instanceof CelError) return key;
  const found = lookUpOptional(container, key, isStrict);
  if (found === NONE) frame.cost -= 1;
  return at(found, start, end);
}

/** A presence as an optional value. */
export const optional = (presence: CelValue | undefined): CelValue =>
  presence === undefined ? NONE : presence instanceof CelError ? presence : new CelOptional(true, presence);

/**
 * An optional value as a presence; an error when it is no optional. `fn` is what needed one. Unless it is strict, `orValue`
 * takes any value for present: cel-go did before version 0.28, and policies rely on it.
 */
export function presence(value: CelValue, fn: string, isStrict: boolean, start: number, end: number): CelValue | undefined {
  if (value instanceof CelOptional) return value.hasValue ? value.value : undefined;
  if (value instanceof CelError || (fn === "orValue" && !isStrict)) return value;
  return at(noSuchOverload(fn, [value]), start, end);
}
