import type { Frame } from "../frame.ts";
import {
  has,
  index,
  lazyScope,
  lazyVariable,
  optional,
  optionalIndex,
  optionalPath,
  own,
  path,
  presence,
  variable,
} from "../runtime/access.ts";
import { comparisonCost, matchCost, searchCost } from "../runtime/cost.ts";
import { call } from "../runtime/dispatch.ts";
import { MapBuilder } from "../runtime/map.ts";
import {
  addEntry,
  additionCost,
  addTransformed,
  arithmetic,
  boolError,
  elements,
  equal,
  greater,
  greaterOrEqual,
  isIn,
  less,
  lessOrEqual,
  list,
  map,
  matches,
  membershipCost,
  not,
  notEqual,
  overLimit,
  size,
  textError,
  toDouble,
  values,
} from "../runtime/operation.ts";
import { at } from "../runtime/position.ts";
import { CelError, type CelValue } from "../value.ts";
import type { GeneratedSource } from "./generate.ts";

/** What generated source calls. */
const RUNTIME = Object.freeze({
  CelError,
  MapBuilder,
  addEntry,
  additionCost,
  addTransformed,
  arithmetic,
  at,
  boolError,
  call,
  comparisonCost,
  elements,
  equal,
  greater,
  greaterOrEqual,
  has,
  index,
  isIn,
  lazyScope,
  lazyVariable,
  less,
  lessOrEqual,
  list,
  map,
  matchCost,
  matches,
  membershipCost,
  not,
  notEqual,
  optional,
  optionalIndex,
  optionalPath,
  overLimit,
  own,
  path,
  presence,
  searchCost,
  size,
  textError,
  toDouble,
  values,
  variable,
});

let isAllowed: boolean | undefined;

/** Whether this runtime lets source become code: `--disallow-code-generation-from-strings` and content policies forbid it. */
export function mayGenerateCode(): boolean {
  if (isAllowed !== undefined) return isAllowed;
  try {
    isAllowed = new Function("return true")() === true;
  } catch {
    // An EvalError is how the runtime says no.
    isAllowed = false;
  }
  return isAllowed;
}

/** Makes functions of generated source. All sources of one call share one compilation. */
export function linkSources(generated: readonly GeneratedSource[]): readonly ((frame: Frame) => CelValue)[] {
  const factories: unknown = new Function("K", `"use strict";return[${generated.map(({ source }) => source).join(",")}]`)(RUNTIME);
  // INVARIANT: generate.ts makes every source a function of its constants that gives a function of the frame.
  return (factories as ((...constants: readonly unknown[]) => (frame: Frame) => CelValue)[]).map((factory, position) =>
    factory(...(generated[position]?.constants ?? [])),
  );
}
