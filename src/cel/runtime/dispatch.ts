import type { Overload } from "../declaration.ts";
import type { Frame } from "../frame.ts";
import { type CelType, DYN } from "../type.ts";
import { CelError, type CelValue } from "../value.ts";
import { noSuchOverload } from "./failure.ts";
import { at } from "./position.ts";
import { fitsType } from "./type-of.ts";

/** A call in the source. */
export interface CallSite {
  readonly fn: string;
  /** Those that the static types leave possible. */
  readonly overloads: readonly Overload[];
  /** Whether the call's cost is not in the static cost. */
  readonly isCostly: boolean;
  readonly start: number;
  readonly end: number;
}

/** Calls the overload that the arguments fit and charges the frame. Errors among the arguments come first. */
export function call(frame: Frame, site: CallSite, args: readonly CelValue[]): CelValue {
  for (const arg of args) if (arg instanceof CelError) return arg;
  const overload = findOverload(site.overloads, args);
  if (overload === undefined) return at(noSuchOverload(site.fn, args), site.start, site.end);
  const result = overload.call(...args);
  if (site.isCostly) frame.cost += overload.cost === undefined ? 1 : overload.cost.actual(args, result);
  return at(result, site.start, site.end);
}

/** The first overload that the arguments fit. None of them may be an error. */
export function findOverload(overloads: readonly Overload[], args: readonly CelValue[]): Overload | undefined {
  for (const overload of overloads) if (fits(overload.args, args)) return overload;
  return undefined;
}

function fits(types: readonly CelType[], args: readonly CelValue[]): boolean {
  if (types.length !== args.length) return false;
  for (let index = 0; index < types.length; index++) {
    const [type = DYN, arg = null] = [types[index], args[index]];
    if (!fitsType(arg, type)) return false;
  }
  return true;
}
