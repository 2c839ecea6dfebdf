/**
 * Costs of calls in Kubernetes' units (apiserver pkg/cel/library/cost.go; cel-go common/cost.go for the factors and
 * ext/*.go for its own extensions).
 */
import type { CallCost, CostRange } from "../declaration.ts";
import { costSize, LIST_COST } from "../runtime/cost.ts";
import { isMap, mapKeys, mapValue } from "../runtime/map.ts";
import type { CelValue } from "../value.ts";
import { utf8Length } from "./code-points.ts";

/** Per unit of text or byte that is read. */
export const TRAVERSAL_FACTOR = 0.1;
/** Per unit of a regular expression. */
export const REGEX_FACTOR = 0.25;

/** Cost of reading a whole value, rounded down per string, as Kubernetes charges its list functions. */
export function deepTraversalCost(value: CelValue): number {
  if (typeof value === "string") return Math.floor(utf8Length(value) * TRAVERSAL_FACTOR);
  if (value instanceof Uint8Array) return Math.floor(value.length * TRAVERSAL_FACTOR);
  if (Array.isArray(value)) return value.reduce<number>((sum, element) => sum + deepTraversalCost(element), 0);
  if (!isMap(value)) return 1;
  return mapKeys(value).reduce<number>((sum, key) => sum + deepTraversalCost(key) + deepTraversalCost(mapValue(value, key)), 0);
}

/** Any size at all: of an argument that nothing bounds. */
export const UNBOUNDED: CostRange = { min: 0, max: Number.POSITIVE_INFINITY };
export const range = (min: number, max: number = min): CostRange => ({ min, max });
export const plus = (a: CostRange, b: CostRange): CostRange => range(a.min + b.min, a.max + b.max);
export const times = (a: CostRange, b: CostRange): CostRange => range(product(a.min, b.min), product(a.max, b.max));
/** `size` units at `factor` each, rounded up. */
export const scaled = (size: CostRange, factor: number): CostRange =>
  range(Math.ceil(product(size.min, factor)), Math.ceil(product(size.max, factor)));

/** An unbounded number of free units is free. */
const product = (a: number, b: number): number => (a === 0 || b === 0 ? 0 : a * b);

export const fixedCost = (cost: number): CallCost => ({ actual: () => cost, estimate: () => ({ cost: range(cost) }) });

/** `factor` per unit of the first argument, rounded up. The result is as large as the argument when `keepsSize`. */
export function traversal(factor: number = TRAVERSAL_FACTOR, keepsSize: boolean = false): CallCost {
  return {
    actual: ([first = null]) => Math.ceil(costSize(first) * factor),
    estimate: ([size = UNBOUNDED]) => (keepsSize ? { cost: scaled(size, factor), resultSize: size } : { cost: scaled(size, factor) }),
  };
}

/** What cel-go's own list functions cost: 1 for the call, 10 for the list that they make, and their work. */
export const listWork = (
  work: (args: readonly CelValue[], result: CelValue) => number,
  estimate: (sizes: readonly CostRange[]) => CostRange,
): CallCost => ({
  actual: (args, result) => Math.floor(work(args, result)) + 1 + LIST_COST,
  estimate: (sizes) => {
    const units = estimate(sizes);
    return { cost: plus(scaled(units, 1), range(1 + LIST_COST)), resultSize: units };
  },
});
