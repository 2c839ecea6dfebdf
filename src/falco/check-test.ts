/** A check of a condition, made ready: what is compared is parsed once, and what can be said without an event is known. */
import { compileRegex } from "../cel/regex/regex.ts";
import { parseIpAddress } from "../lib/ip-address.ts";
import { formatIpAddress, type IpPrefix } from "../lib/ip-network.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { type Access, accessTo, type Problem } from "./access.ts";
import type { Check, Literal, Operand, Operator, Range } from "./condition.ts";
import type { FalcoErrorCode } from "./diagnostic.ts";
import type { FieldValue } from "./field/field-row.ts";
import { compileGlob } from "./glob.ts";
import { NetworkSet, parseNetwork } from "./network-set.ts";
import { PathPrefixes } from "./path-prefix.ts";
import type { SyscallEvent } from "./syscall-event.ts";

/** How a check can be written as source: on one value that is read as a property or by a function. */
export type TestForm =
  | { readonly kind: "equal"; readonly value: string | number | boolean }
  | { readonly kind: "different"; readonly value: string | number | boolean }
  | { readonly kind: "among"; readonly values: ReadonlySet<FieldValue> }
  | { readonly kind: "less" | "lessOrEqual" | "greater" | "greaterOrEqual"; readonly value: number }
  | { readonly kind: "includes" | "startsWith" | "endsWith"; readonly value: string }
  | { readonly kind: "present" }
  /** Only the predicate says it. */
  | { readonly kind: "opaque" };

export interface Test {
  /** Alike for checks that mean the same. */
  readonly key: string;
  readonly access: Access;
  readonly form: TestForm;
  /** The check on one value of the access; undefined when it is not about values one by one. */
  readonly matches: ((value: FieldValue) => boolean) | undefined;
  /** Of many values, all have to match rather than any. */
  readonly isForAll: boolean;
  /** The check, on any event. */
  readonly holds: (event: SyscallEvent) => boolean;
  /** What the check comes to on every event of a type, where that is known. */
  readonly constantFor: (type: string) => boolean | undefined;
}

/** The items of a list, its nested lists expanded; undefined when there is no list of that name. */
export type ListLookup = (name: string) => readonly string[] | undefined;

const MAX_VALUES = 100_000;

/** The test of a check, or what is wrong with it. */
export function compileCheck(check: Check, lists: ListLookup): Result<Test, Problem> {
  const left = accessTo(check.left);
  if (!left.ok) return left;
  const access = left.value;
  if (check.operator === "exists") return ok(testOf(check, access, "", { kind: "present" }, (value) => value !== null));
  const { right } = check;
  if (right?.kind === "field" || right?.kind === "transformation") return compareFields(check, access, right);
  const literals = right === undefined ? [] : right.kind === "literal" ? [right] : right.values;
  const texts = literals.flatMap((literal) =>
    right?.kind === "list" && !literal.isQuoted ? (lists(literal.text) ?? literal.text) : literal.text,
  );
  if (texts.length > MAX_VALUES) return err({ ...rangeOf(check), code: "FALCO_LIMIT", message: `expected at most ${MAX_VALUES} values` });
  const made = matcherOf(check, access, texts, literals);
  if (!made.ok) return made;
  const { form, matches } = made.value;
  return ok(testOf(check, access, JSON.stringify([check.modifier ?? "", ...texts]), form, matches));
}

const rangeOf = ({ start, end }: Range): Range => ({ start, end });

type Matches = (value: FieldValue) => boolean;
interface Matcher {
  readonly form: TestForm;
  /** Of one value, which may be null. */
  readonly matches: Matches;
}

function testOf(check: Check, access: Access, right: string, form: TestForm, matches: Matches): Test {
  const { read, readAll, path } = access;
  const isForAll = check.operator === "!=";
  let holds: Test["holds"];
  if (readAll === undefined) holds = (event) => matches(read(event));
  else if (isForAll) {
    holds = (event) => {
      const values = readAll(event);
      return values.length > 0 && values.every(matches);
    };
  } else holds = (event) => readAll(event).some(matches);
  const isNever = access.unavailable !== undefined;
  return {
    key: `${access.text} ${check.operator} ${right}`,
    access,
    form: readAll === undefined ? form : { kind: "opaque" },
    matches,
    isForAll,
    holds,
    constantFor: (type) => {
      if (isNever || !access.isIn(type)) return false;
      if (path === "type") return matches(type);
      // Events are numbered from 1: what is written as `evt.num=0` means never.
      return path === "number" && check.operator === "=" && right === '["","0"]' ? false : undefined;
    },
  };
}

/** With the field on the right: as texts, or as numbers where both are. */
function compareFields(check: Check, access: Access, right: Operand): Result<Test, Problem> {
  const other = accessTo(right);
  if (!other.ok) return other;
  const compare = FIELD_COMPARISONS[check.operator];
  if (compare === undefined)
    return err({ ...rangeOf(check), code: "FALCO_CONDITION", message: `\`${check.operator}\` does not compare two fields` });
  const { read } = access;
  const { read: readOther, text, unavailable, isIn, needs } = other.value;
  const both: Access = {
    ...access,
    path: undefined,
    needs: [...access.needs, ...needs],
    unavailable: access.unavailable ?? unavailable,
    isIn: (type) => access.isIn(type) && isIn(type),
  };
  return ok({
    key: `${access.text} ${check.operator} val(${text})`,
    access: both,
    form: { kind: "opaque" },
    matches: undefined,
    isForAll: false,
    holds: (event) => {
      const [a, b] = [read(event), readOther(event)];
      return a !== null && b !== null && compare(a, b);
    },
    constantFor: (type) => (both.unavailable !== undefined || !both.isIn(type) ? false : undefined),
  });
}

type Present = string | number | boolean;
const FIELD_COMPARISONS: Partial<Record<Operator, (a: Present, b: Present) => boolean>> = {
  "=": (a, b) => a === b,
  "==": (a, b) => a === b,
  "!=": (a, b) => a !== b,
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
  contains: (a, b) => String(a).includes(String(b)),
  icontains: (a, b) => String(a).toLowerCase().includes(String(b).toLowerCase()),
  startswith: (a, b) => String(a).startsWith(String(b)),
  endswith: (a, b) => String(a).endsWith(String(b)),
  in: (a, b) => a === b,
  intersects: (a, b) => a === b,
};

function matcherOf(check: Check, access: Access, texts: readonly string[], literals: readonly Literal[]): Result<Matcher, Problem> {
  const problem = (code: FalcoErrorCode, message: string, hint?: string): Result<never, Problem> =>
    err({ ...rangeOf(literals[0] ?? check), code, message, ...(hint === undefined ? {} : { hint }) });
  const { operator, modifier } = check;
  if (operator === "pmatch") {
    const prefixes = new PathPrefixes(texts);
    return ok({ form: { kind: "opaque" }, matches: (value) => typeof value === "string" && prefixes.matches(value) });
  }
  if (access.type === "network" || access.type === "address") return networkMatcher(check, access, texts, problem);
  if (operator === "in" || operator === "intersects") {
    const values = parseValues(access, texts);
    return values.ok ? ok(amongMatcher(values.value)) : problem("FALCO_VALUE", values.error);
  }
  const made: Matcher[] = [];
  for (const text of texts) {
    const one = singleMatcher(operator, access, text);
    if (!one.ok) return problem("FALCO_VALUE", one.error);
    made.push(one.value);
  }
  const [first] = made;
  if (first === undefined) return ok({ form: { kind: "opaque" }, matches: () => modifier === "allof" });
  switch (modifier) {
    case undefined:
      return ok(first);
    case "anyof":
      return ok({ form: { kind: "opaque" }, matches: (value) => made.some(({ matches }) => matches(value)) });
    case "allof":
      return ok({ form: { kind: "opaque" }, matches: (value) => made.every(({ matches }) => matches(value)) });
    case "oneof":
      return ok({ form: { kind: "opaque" }, matches: (value) => made.filter(({ matches }) => matches(value)).length === 1 });
    default:
      return modifier satisfies never;
  }
}

function amongMatcher(values: readonly Present[]): Matcher {
  const set: ReadonlySet<FieldValue> = new Set(values);
  return { form: { kind: "among", values: set }, matches: (value) => set.has(value) };
}

type Refuse = (code: FalcoErrorCode, message: string, hint?: string) => Result<never, Problem>;

function networkMatcher({ operator }: Check, { type, text }: Access, texts: readonly string[], problem: Refuse): Result<Matcher, Problem> {
  const isSet = operator === "in" || operator === "intersects";
  if (!isSet && operator !== "=" && operator !== "==" && operator !== "!=")
    return problem("FALCO_CONDITION", `\`${operator}\` does not compare addresses`, "use `=`, `!=` or `in`");
  const prefixes: IpPrefix[] = [];
  const addresses: string[] = [];
  for (const written of texts) {
    const octets = parseIpAddress(written);
    if (type === "address" && octets !== undefined) addresses.push(formatIpAddress(octets));
    else {
      const network = parseNetwork(written);
      if (network === undefined) return problem("FALCO_VALUE", `expected an IP address or network for \`${text}\`, got \`${written}\``);
      prefixes.push(network);
    }
  }
  const isNegated = operator === "!=";
  if (prefixes.length === 0) {
    const { form, matches } = amongMatcher(addresses);
    return ok(isNegated ? { form: { kind: "opaque" }, matches: (value) => value !== null && !matches(value) } : { form, matches });
  }
  const networks = new NetworkSet([...prefixes, ...addresses.flatMap((address) => parseNetwork(address) ?? [])]);
  return ok({
    form: { kind: "opaque" },
    matches: (value) => typeof value === "string" && networks.contains(value) !== isNegated,
  });
}

function parseValues({ type, text }: Access, texts: readonly string[]): Result<readonly Present[], string> {
  const values: Present[] = [];
  for (const written of texts) {
    const value = parseValue(type, written);
    if (value === undefined) return err(`expected ${type === "number" ? "a number" : "true or false"} for \`${text}\`, got \`${written}\``);
    values.push(value);
  }
  return ok(values);
}

function parseValue(type: Access["type"], text: string): Present | undefined {
  switch (type) {
    case "number": {
      const value = /^[+-]?(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)$/.test(text) ? Number(text) : Number.NaN;
      return Number.isNaN(value) ? undefined : value;
    }
    case "boolean":
      return text === "true" || text === "1" ? true : text === "false" || text === "0" ? false : undefined;
    case "text":
    case "address":
    case "network":
      return text;
    default:
      return type satisfies never;
  }
}

const onText = (holds: (value: string) => boolean): Matches => {
  return (value) => typeof value === "string" && holds(value);
};

/** A matcher of one value on the right. */
function singleMatcher(operator: Operator, access: Access, text: string): Result<Matcher, string> {
  switch (operator) {
    case "=":
    case "==":
    case "!=": {
      const values = parseValues(access, [text]);
      if (!values.ok) return values;
      const [value = ""] = values.value;
      if (operator === "!=") return ok({ form: { kind: "different", value }, matches: (given) => given !== null && given !== value });
      return ok({ form: { kind: "equal", value }, matches: (given) => given === value });
    }
    case "<":
    case "<=":
    case ">":
    case ">=":
      return orderMatcher(operator, access, text);
    default:
      return access.type === "text" ? textMatcher(operator, text) : err(`\`${operator}\` compares texts, and \`${access.text}\` is none`);
  }
}

const ORDERS = { "<": "less", "<=": "lessOrEqual", ">": "greater", ">=": "greaterOrEqual" } as const;

function orderMatcher(operator: keyof typeof ORDERS, access: Access, text: string): Result<Matcher, string> {
  const value = access.type === "number" ? parseValue("number", text) : undefined;
  if (typeof value !== "number") return err(`\`${operator}\` compares numbers: \`${access.text}\` with \`${text}\``);
  const compare = FIELD_COMPARISONS[operator] ?? (() => false);
  return ok({ form: { kind: ORDERS[operator], value }, matches: (given) => given !== null && compare(given, value) });
}

function textMatcher(operator: Operator, text: string): Result<Matcher, string> {
  const opaque = (holds: (value: string) => boolean): Result<Matcher, string> => ok({ form: { kind: "opaque" }, matches: onText(holds) });
  switch (operator) {
    case "contains":
      return ok({ form: { kind: "includes", value: text }, matches: onText((value) => value.includes(text)) });
    case "startswith":
      return ok({ form: { kind: "startsWith", value: text }, matches: onText((value) => value.startsWith(text)) });
    case "endswith":
      return ok({ form: { kind: "endsWith", value: text }, matches: onText((value) => value.endsWith(text)) });
    case "icontains": {
      const folded = text.toLowerCase();
      return opaque((value) => value.toLowerCase().includes(folded));
    }
    case "bcontains":
    case "bstartswith": {
      if (!/^(?:[0-9a-fA-F]{2})+$/.test(text)) return err(`expected hexadecimal octets for \`${operator}\`, got \`${text}\``);
      const octets = Buffer.from(text, "hex");
      return opaque((value) => {
        const at = Buffer.from(value).indexOf(octets);
        return operator === "bcontains" ? at >= 0 : at === 0;
      });
    }
    case "glob":
    case "iglob": {
      const glob = compileGlob(text, operator === "iglob");
      return glob.ok ? opaque(glob.value) : err(`\`${text}\` is no pattern: ${glob.error.message}`);
    }
    case "regex": {
      // Falco anchors at both ends.
      const regex = compileRegex(`^(?:${text})$`);
      return regex.ok ? opaque((value) => regex.value.test(value)) : err(`\`${text}\` is no regular expression: ${regex.error.message}`);
    }
    default:
      return err(`\`${operator}\` is not an operator on texts`);
  }
}
