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

type Factory = (positions: readonly number[], ...constants: readonly unknown[]) => (frame: Frame) => CelValue;

const MAX_CACHED_FACTORIES = 1024;
const factories = new Map<string, Factory>();

/**
 * Makes a function of generated source. Expressions that differ only in literals and positions have the same source and
 * share its compilation, which saves most of the time and memory where policies follow a pattern.
 */
export function linkSource({ source, positions, constants }: GeneratedSource): (frame: Frame) => CelValue {
  let factory = factories.get(source);
  if (factory === undefined) {
    const [oldest] = factories.keys();
    if (factories.size >= MAX_CACHED_FACTORIES && oldest !== undefined) factories.delete(oldest);
    factory = parseFactory(new Function("K", `"use strict";return${source}`)(RUNTIME));
    factories.set(source, factory);
  }
  return factory(positions, ...constants);
}

/** INVARIANT: generate.ts makes every source a function of the positions and the constants that gives a function of the frame. */
const parseFactory = (made: unknown): Factory => made as Factory;
