/** Sets of texts that are finite or all but finitely many: what `In`, `NotIn`, `==` and `in` can say. */
export interface ValueSet {
  /** `only` these, or everything `except` these. */
  readonly kind: "only" | "except";
  readonly values: ReadonlySet<string>;
}

export const EVERY_VALUE: ValueSet = { kind: "except", values: new Set() };
export const NO_VALUE: ValueSet = { kind: "only", values: new Set() };

export const onlyValues = (values: Iterable<string>): ValueSet => ({ kind: "only", values: new Set(values) });

export const complementOf = ({ kind, values }: ValueSet): ValueSet => ({ kind: kind === "only" ? "except" : "only", values });

export function intersectValues(a: ValueSet, b: ValueSet): ValueSet {
  if (a.kind === "only") return { kind: "only", values: new Set([...a.values].filter((value) => hasValue(b, value))) };
  if (b.kind === "only") return intersectValues(b, a);
  return { kind: "except", values: new Set([...a.values, ...b.values]) };
}

export const uniteValues = (a: ValueSet, b: ValueSet): ValueSet => complementOf(intersectValues(complementOf(a), complementOf(b)));

export const hasValue = ({ kind, values }: ValueSet, value: string): boolean => values.has(value) === (kind === "only");

export const isNoValue = ({ kind, values }: ValueSet): boolean => kind === "only" && values.size === 0;

export function isValueSubset(a: ValueSet, b: ValueSet): boolean {
  if (a.kind === "only") return [...a.values].every((value) => hasValue(b, value));
  return b.kind === "except" && [...b.values].every((value) => a.values.has(value));
}

/** One of the values; undefined when there is none. */
export function anyValue({ kind, values }: ValueSet): string | undefined {
  if (kind === "only") return values.values().next().value;
  let fresh = "x";
  while (values.has(fresh)) fresh += "x";
  return fresh;
}
