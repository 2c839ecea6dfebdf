/** Label selectors as sets of labels: implication, emptiness and a member, exact for all four operators. */
import type { LabelSelector } from "../../resource/label-selector.ts";
import {
  anyValue,
  complementOf,
  EVERY_VALUE,
  intersectValues,
  isNoValue,
  isValueSubset,
  NO_VALUE,
  onlyValues,
  type ValueSet,
} from "./value-set.ts";

/** What a label may be. */
interface LabelDomain {
  readonly mayBeAbsent: boolean;
  readonly values: ValueSet;
}

/** By key; keys that are not named may be anything. */
export type LabelSpace = ReadonlyMap<string, LabelDomain>;

const FREE: LabelDomain = { mayBeAbsent: true, values: EVERY_VALUE };
const SPACES = new WeakMap<LabelSelector, LabelSpace>();

/** Whether a selector only names labels that there must be; it is never empty then. */
export const isPlain = ({ matchExpressions }: LabelSelector): boolean => matchExpressions.length === 0;

/** Whether whatever `inner` selects is selected by `outer`. */
export function isSelectorSubset(inner: LabelSelector, outer: LabelSelector): boolean {
  if (!isPlain(inner) || !isPlain(outer)) return isSpaceSubset(labelSpaceOf(inner), labelSpaceOf(outer));
  for (const [key, value] of Object.entries(outer.matchLabels))
    if (!Object.hasOwn(inner.matchLabels, key) || inner.matchLabels[key] !== value) return false;
  return true;
}

/** All labels that a selector selects. */
export function labelSpaceOf(selector: LabelSelector): LabelSpace {
  const known = SPACES.get(selector);
  if (known !== undefined) return known;
  const space = new Map<string, LabelDomain>();
  const narrow = (key: string, mayBeAbsent: boolean, values: ValueSet): void => {
    const before = space.get(key) ?? FREE;
    space.set(key, { mayBeAbsent: before.mayBeAbsent && mayBeAbsent, values: intersectValues(before.values, values) });
  };
  for (const [key, value] of Object.entries(selector.matchLabels)) narrow(key, false, onlyValues([value]));
  for (const { key, operator, values } of selector.matchExpressions) {
    if (operator === "In") narrow(key, false, onlyValues(values));
    else if (operator === "NotIn") narrow(key, true, complementOf(onlyValues(values)));
    else if (operator === "Exists") narrow(key, false, EVERY_VALUE);
    else narrow(key, true, NO_VALUE);
  }
  SPACES.set(selector, space);
  return space;
}

export const isEmptySpace = (space: LabelSpace): boolean => [...space.values()].some(isEmptyDomain);
const isEmptyDomain = ({ mayBeAbsent, values }: LabelDomain): boolean => !mayBeAbsent && isNoValue(values);

export function intersectSpaces(spaces: readonly LabelSpace[]): LabelSpace {
  const [first, ...others] = spaces;
  if (first === undefined || others.length === 0) return first ?? new Map();
  const all = new Map(first);
  for (const [key, { mayBeAbsent, values }] of others.flatMap((space) => [...space])) {
    const before = all.get(key) ?? FREE;
    all.set(key, { mayBeAbsent: before.mayBeAbsent && mayBeAbsent, values: intersectValues(before.values, values) });
  }
  return all;
}

/** Whether whatever `a` selects is selected by `b`. */
export function isSpaceSubset(a: LabelSpace, b: LabelSpace): boolean {
  for (const [key, wanted] of b) {
    const given = a.get(key) ?? FREE;
    if ((given.mayBeAbsent && !wanted.mayBeAbsent) || !isValueSubset(given.values, wanted.values)) return isEmptySpace(a);
  }
  return true;
}

/** The fewest labels of a space; undefined when it is empty. */
export function labelsIn(space: LabelSpace): { readonly [key: string]: string } | undefined {
  const labels: [string, string][] = [];
  for (const [key, { mayBeAbsent, values }] of space) {
    if (mayBeAbsent) continue;
    const value = anyValue(values);
    if (value === undefined) return undefined;
    labels.push([key, value]);
  }
  return Object.fromEntries(labels);
}

/** Labels that have one value in all of a space. */
export const fixedLabels = (space: LabelSpace): readonly (readonly [key: string, value: string])[] =>
  [...space].flatMap(([key, { mayBeAbsent, values }]) => {
    const [value] = values.values;
    return !mayBeAbsent && values.kind === "only" && values.values.size === 1 && value !== undefined ? [[key, value] as const] : [];
  });
