/**
 * Conditions that can be compared exactly: `&&` of atoms, each about one place such as `request.method`: a text that is (not) one of
 * finitely many, or the port in a range. Everything else has no space, and what is asked of it is unknown.
 */
import type { Expr, LiteralValue } from "../../cel/ast.ts";
import { MAX_PORT } from "../../resource/port-spec.ts";
import type { Condition } from "../access/access-rule.ts";
import { canonicalText } from "./canonical-text.ts";
import { type Intervals, intersectIntervals, intervalsOf, isIntervalSubset, subtractIntervals } from "./intervals.ts";
import {
  complementOf,
  EVERY_VALUE,
  intersectValues,
  isNoValue,
  isValueSubset,
  onlyValues,
  uniteValues,
  type ValueSet,
} from "./value-set.ts";

export interface ConditionSpace {
  /** By place, as JSON of its steps. Places that are not named may be anything. */
  readonly texts: ReadonlyMap<string, ValueSet>;
  readonly ports: Intervals<number>;
  /** Nothing that it reads can be missing, so that it is never an error. */
  readonly isTotal: boolean;
}

const EVERY_PORT: Intervals<number> = [{ start: 0, end: MAX_PORT + 1 }];
const PORT = JSON.stringify(["connection", "port"]);
/** What every call has. */
const ENDPOINT_FIELDS = ["name", "namespace", "serviceAccount", "spiffeId", "trustDomain"];
const TOTAL: ReadonlySet<string> = new Set(
  [
    ...["source", "destination"].flatMap((end) => ENDPOINT_FIELDS.map((field) => [end, field])),
    ["connection", "protocol"],
    ["connection", "port"],
    ["tenant"],
  ].map((steps) => JSON.stringify(steps)),
);

const SPACES = new WeakMap<Condition, { readonly space: ConditionSpace | undefined; readonly text: string }>();

function read(condition: Condition): { readonly space: ConditionSpace | undefined; readonly text: string } {
  const known = SPACES.get(condition);
  if (known !== undefined) return known;
  const { root } = condition.program.checked;
  const fresh = { space: spaceOf(root), text: canonicalText(root) };
  SPACES.set(condition, fresh);
  return fresh;
}

/** Undefined outside of the fragment. */
export const conditionSpace = (condition: Condition): ConditionSpace | undefined => read(condition).space;

/** Whether the space has nobody in it. */
export const isNever = ({ texts, ports }: ConditionSpace): boolean => ports.length === 0 || [...texts.values()].some(isNoValue);

interface Guard {
  readonly when: Condition | undefined;
  readonly action: "allow" | "deny" | "pass";
}

/**
 * Whether `outer` holds wherever `inner` does. A condition that is an error holds in a deny and does not in an allow, so that where
 * `inner` is a deny nothing that it reads may be missing.
 */
export function coversCondition(outer: Guard, inner: Guard): "yes" | "no" | "unknown" {
  if (outer.when === undefined) return "yes";
  const isDeny = outer.action === "deny";
  const inText = inner.when === undefined ? undefined : read(inner.when);
  const outText = read(outer.when);
  if (inText?.text === outText.text && (isDeny || inner.action !== "deny")) return "yes";
  const wide = outText.space;
  const narrow = inner.when === undefined ? ALWAYS : inText?.space;
  if (wide === undefined || narrow === undefined) return "unknown";
  if (inner.action === "deny" && !narrow.isTotal) return isOneTest(wide, narrow) && isDeny && includes(wide, narrow) ? "yes" : "unknown";
  if (isNever(narrow) || includes(wide, narrow)) return "yes";
  return isOutside(wide, narrow) || (wide.isTotal && narrow.isTotal) ? "no" : "unknown";
}

/** Whether something in `narrow` is certainly not in `wide`, and is there: what lies outside is no error but another value. */
const isOutside = (wide: ConditionSpace, narrow: ConditionSpace): boolean =>
  !isIntervalSubset(narrow.ports, wide.ports) ||
  [...wide.texts].some(([place, values]) => !isValueSubset(narrow.texts.get(place) ?? EVERY_VALUE, values));

const ALWAYS: ConditionSpace = { texts: new Map(), ports: EVERY_PORT, isTotal: true };

/** Both ask about one and the same place, so that both are errors at once. */
function isOneTest(a: ConditionSpace, b: ConditionSpace): boolean {
  const [place] = a.texts.keys();
  return (
    a.texts.size === 1 &&
    b.texts.size === 1 &&
    place !== undefined &&
    b.texts.has(place) &&
    a.ports === EVERY_PORT &&
    b.ports === EVERY_PORT
  );
}

const includes = (wide: ConditionSpace, narrow: ConditionSpace): boolean =>
  isIntervalSubset(narrow.ports, wide.ports) &&
  [...wide.texts].every(([place, values]) => {
    const own = narrow.texts.get(place);
    return own !== undefined && isValueSubset(own, values);
  });

type Atom = { readonly place: string } & ({ readonly values: ValueSet } | { readonly ports: Intervals<number> });

/** Deeper than any condition that people write. */
const MAX_DEPTH = 64;

function spaceOf(root: Expr): ConditionSpace | undefined {
  const texts = new Map<string, ValueSet>();
  let ports = EVERY_PORT;
  for (const conjunct of conjunctsOf(root, MAX_DEPTH) ?? [undefined]) {
    if (conjunct?.kind === "literal" && conjunct.value.type === "bool" && conjunct.value.value) continue;
    const atom = conjunct && atomOf(conjunct, MAX_DEPTH);
    if (atom === undefined) return undefined;
    if ("ports" in atom) ports = intersectIntervals(ports, atom.ports);
    else texts.set(atom.place, intersectValues(texts.get(atom.place) ?? complementOf(onlyValues([])), atom.values));
  }
  return { texts, ports, isTotal: [...texts.keys()].every((place) => TOTAL.has(place)) };
}

function conjunctsOf(expr: Expr, depth: number): readonly Expr[] | undefined {
  if (expr.kind !== "call" || expr.fn !== "_&&_") return [expr];
  const parts = depth === 0 ? [undefined] : expr.args.map((each) => conjunctsOf(each, depth - 1));
  return parts.includes(undefined) ? undefined : parts.flatMap((part) => part ?? []);
}

function atomOf(expr: Expr, depth: number): Atom | undefined {
  if (expr.kind !== "call" || depth === 0) return undefined;
  const [left, right] = expr.args;
  if (left === undefined) return undefined;
  if (expr.fn === "!_") return negated(atomOf(left, depth - 1));
  if (right === undefined) return undefined;
  if (expr.fn === "_||_") return united(atomOf(left, depth - 1), atomOf(right, depth - 1));
  if (expr.fn === "_!=_") return negated(comparison("_==_", left, right));
  return comparison(expr.fn, left, right);
}

function negated(atom: Atom | undefined): Atom | undefined {
  if (atom === undefined) return undefined;
  return "ports" in atom ? { ...atom, ports: subtractIntervals(EVERY_PORT, atom.ports) } : { ...atom, values: complementOf(atom.values) };
}

function united(a: Atom | undefined, b: Atom | undefined): Atom | undefined {
  if (a === undefined || b === undefined || a.place !== b.place) return undefined;
  if ("ports" in a) return "ports" in b ? { ...a, ports: intervalsOf([...a.ports, ...b.ports]) } : undefined;
  return "ports" in b ? undefined : { ...a, values: uniteValues(a.values, b.values) };
}

const MIRRORED: Readonly<Record<string, string>> = { "_<_": "_>_", "_<=_": "_>=_", "_>_": "_<_", "_>=_": "_<=_", "_==_": "_==_" };

function comparison(fn: string, left: Expr, right: Expr): Atom | undefined {
  const place = placeOf(left);
  if (place === undefined) {
    const mirrored = MIRRORED[fn];
    return left.kind !== "literal" || mirrored === undefined || placeOf(right) === undefined
      ? undefined
      : comparison(mirrored, right, left);
  }
  const literals = literalsOf(right, fn === "@in");
  if (literals === undefined) return undefined;
  if (place === PORT) return portAtom(fn, literals);
  if (fn !== "_==_" && fn !== "@in") return undefined;
  const texts = literals.flatMap((literal) => (literal.type === "string" ? [literal.value] : []));
  return texts.length === literals.length ? { place, values: onlyValues(texts) } : undefined;
}

function literalsOf(expr: Expr, isList: boolean): readonly LiteralValue[] | undefined {
  if (!isList) return expr.kind === "literal" ? [expr.value] : undefined;
  if (expr.kind !== "list") return undefined;
  const literals = expr.elements.flatMap(({ value, optional }) => (value.kind === "literal" && !optional ? [value.value] : []));
  return literals.length === expr.elements.length ? literals : undefined;
}

function portAtom(fn: string, literals: readonly LiteralValue[]): Atom | undefined {
  const numbers = literals.flatMap((literal) => (literal.type === "int" && isSmall(literal.value) ? [Number(literal.value)] : []));
  if (numbers.length !== literals.length) return undefined;
  const [number = 0] = numbers;
  const range = (start: number, end: number): Atom => ({
    place: PORT,
    ports: intersectIntervals(EVERY_PORT, intervalsOf([{ start, end }])),
  });
  switch (fn) {
    case "_==_":
    case "@in": {
      const points = intervalsOf(numbers.map((each) => ({ start: each, end: each + 1 })));
      return { place: PORT, ports: intersectIntervals(EVERY_PORT, points) };
    }
    case "_<_":
      return range(0, number);
    case "_<=_":
      return range(0, number + 1);
    case "_>_":
      return range(number + 1, MAX_PORT + 1);
    case "_>=_":
      return range(number, MAX_PORT + 1);
    default:
      return undefined;
  }
}

const isSmall = (value: bigint): boolean => value >= -1_000_000n && value <= 1_000_000n;

/**
 * What may be tested together of expressions that must all hold, those parts that have no space left out: where the space has nobody in it,
 * they never hold together.
 */
export function commonTexts(roots: readonly Expr[]): ReadonlyMap<string, ValueSet> {
  const texts = new Map<string, ValueSet>();
  for (const conjunct of roots.flatMap((root) => conjunctsOf(root, MAX_DEPTH) ?? [])) {
    const atom = atomOf(conjunct, MAX_DEPTH);
    if (atom === undefined || "ports" in atom) continue;
    texts.set(atom.place, intersectValues(texts.get(atom.place) ?? EVERY_VALUE, atom.values));
  }
  return texts;
}

/** Variables of access policies, and those of admission policies; what is selected from them by name. */
const VARIABLES: ReadonlySet<string> = new Set([
  ...["source", "destination", "connection", "request", "claims", "tenant"],
  ...["object", "oldObject", "namespaceObject"],
]);

function placeOf(expr: Expr): string | undefined {
  const steps: string[] = [];
  for (let at: Expr = expr; ; ) {
    if (at.kind === "ident") return VARIABLES.has(at.name) ? JSON.stringify([at.name, ...steps]) : undefined;
    if (at.kind === "select" && !at.testOnly && !at.optional) {
      steps.unshift(at.field);
      at = at.operand;
      continue;
    }
    const [operand, index] = at.kind === "call" && at.fn === "_[_]" ? at.args : [];
    if (operand === undefined || index?.kind !== "literal" || index.value.type !== "string") return undefined;
    steps.unshift(index.value.value);
    at = operand;
  }
}
