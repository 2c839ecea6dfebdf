/** How the left side of a check gets its value: a property, a function, or many values; through transformers where there are some. */
import { err, ok, type Result } from "../lib/result.ts";
import { closestName } from "../lib/suggestion.ts";
import type { Literal, Operand, Range, Transformation } from "./condition.ts";
import type { FalcoErrorCode } from "./diagnostic.ts";
import type { Field, FieldType, FieldValue, Need } from "./field/field-row.ts";
import { FIELDS, unavailableField } from "./field.ts";
import type { SyscallEvent } from "./syscall-event.ts";

export type Read = (event: SyscallEvent) => FieldValue;

export interface Access {
  readonly type: FieldType;
  /** As it is written, in one spelling. */
  readonly text: string;
  /** Set when it is a property of the event. */
  readonly path: string | undefined;
  readonly read: Read;
  /** Set when there are many values. */
  readonly readAll: ((event: SyscallEvent) => readonly FieldValue[]) | undefined;
  readonly needs: readonly Need[];
  /** Why there is never a value, if so. */
  readonly unavailable: string | undefined;
  /** Whether events of the type have it. */
  readonly isIn: (type: string) => boolean;
}

export interface Problem extends Range {
  readonly code: FalcoErrorCode;
  readonly message: string;
  readonly hint?: string | undefined;
}

/** The access to a field or through a transformer, or what is wrong with it. */
export function accessTo(operand: Operand): Result<Access, Problem> {
  return operand.kind === "field" ? fieldAccess(operand.name, operand.argument, operand) : transformedAccess(operand);
}

/** The access to a field. `evt.arg.flags` is `evt.arg[flags]`. */
export function fieldAccess(written: string, givenArgument: string | undefined, range: Range): Result<Access, Problem> {
  const dotted = /^(evt\.(?:raw)?arg|proc\.env)\.(.+)$/.exec(written);
  const name = dotted?.[1] ?? written;
  const argument = dotted?.[2] ?? givenArgument;
  const field = FIELDS.get(name);
  const text = argument === undefined ? name : `${name}[${argument}]`;
  if (field === undefined) {
    const missing = unavailableField(written);
    if (missing !== undefined) return ok(neverAccess(text, `\`${written}\`: ${missing.reason}`));
    const near = closestName(written, FIELDS.keys());
    return err({
      ...rangeOf(range),
      code: "FALCO_FIELD",
      message: `unknown field \`${written}\``,
      hint: near && `did you mean \`${near}\`?`,
    });
  }
  const mistake = argumentMistake(field, argument);
  if (mistake !== undefined) return err({ ...rangeOf(range), code: "FALCO_FIELD", message: mistake });
  return ok({
    type: field.type,
    text,
    path: field.path,
    read: readerOf(field, argument),
    readAll: argument === undefined && field.readAll !== undefined ? allReaderOf(field.readAll) : undefined,
    needs: field.needs === undefined ? [] : [field.needs],
    unavailable: undefined,
    isIn: (type) => field.events?.(type, argument) ?? true,
  });
}

const rangeOf = ({ start, end }: Range): Range => ({ start, end });

function argumentMistake({ name, argument: kind }: Field, argument: string | undefined): string | undefined {
  if (argument === undefined) return kind?.startsWith("required") ? `expected an argument, as in \`${name}[…]\`` : undefined;
  if (kind === undefined) return `\`${name}\` takes no argument`;
  return kind.endsWith("index") && !/^\d{1,3}$/.test(argument) ? `expected a number in \`${name}[${argument}]\`` : undefined;
}

function readerOf({ path, read, readAll }: Field, argument: string | undefined): Read {
  if (path !== undefined) return propertyReader(path);
  if (read !== undefined) return (event) => read(event, argument);
  return (event) => readAll?.(event, argument)[0] ?? null;
}

const allReaderOf =
  (readAll: NonNullable<Field["readAll"]>) =>
  (event: SyscallEvent): readonly FieldValue[] =>
    readAll(event, undefined);

/** Reads a property; what is below null is null. */
function propertyReader(path: string): Read {
  const steps = path.split(".");
  return (event) => {
    let value: unknown = event;
    for (const step of steps) {
      if (value === null) return null;
      value = (value as Readonly<Record<string, unknown>>)[step]; // paths are those of the catalogue
    }
    return value as FieldValue;
  };
}

const neverAccess = (text: string, reason: string): Access => ({
  type: "text",
  text,
  path: undefined,
  read: () => null,
  readAll: undefined,
  needs: [],
  unavailable: reason,
  isIn: () => true,
});

const TEXT_TRANSFORMS: Readonly<Record<string, (value: string) => string | number>> = {
  tolower: (value) => value.toLowerCase(),
  toupper: (value) => value.toUpperCase(),
  b64: (value) => Buffer.from(value, "base64").toString("utf8"),
  basename: (value) => value.slice(value.lastIndexOf("/") + 1),
  len: (value) => value.length,
};

function transformedAccess(transformation: Transformation): Result<Access, Problem> {
  const { transformer, operands } = transformation;
  if (transformer === "getopt") return ok(neverAccess("getopt()", "the transformer `getopt` is not supported"));
  if (transformer === "join" || transformer === "concat") return combinedAccess(transformation);
  const [operand, ...more] = operands;
  if (operand === undefined || more.length > 0 || !isOperand(operand))
    return err({ ...rangeOf(transformation), code: "FALCO_CONDITION", message: `expected one field in \`${transformer}()\`` });
  const inner = accessTo(operand);
  if (!inner.ok || transformer === "val") return inner;
  const { read, readAll, type } = inner.value;
  if (type !== "text") return err({ ...rangeOf(transformation), code: "FALCO_VALUE", message: `\`${transformer}()\` takes texts only` });
  const transform = TEXT_TRANSFORMS[transformer];
  const apply = (value: FieldValue): FieldValue => (typeof value === "string" && transform !== undefined ? transform(value) : null);
  return ok({
    ...inner.value,
    type: transformer === "len" ? "number" : "text",
    text: `${transformer}(${inner.value.text})`,
    path: undefined,
    read: (event) => apply(read(event)),
    readAll: readAll === undefined ? undefined : (event) => readAll(event).map(apply),
  });
}

const isOperand = (value: Transformation["operands"][number]): value is Operand => "kind" in value && value.kind !== "literal";

/** `join(", ", (a, b))` and `concat(a, b)`: no value when one of the parts has none. */
function combinedAccess(transformation: Transformation): Result<Access, Problem> {
  const { transformer, operands } = transformation;
  const parts: (Operand | Literal)[] = [];
  let separator = "";
  if (transformer === "join") {
    const [first, list] = operands;
    const isWellFormed = operands.length === 2 && first !== undefined && "kind" in first && first.kind === "literal" && list !== undefined;
    if (!isWellFormed || "kind" in list)
      return err({ ...rangeOf(transformation), code: "FALCO_CONDITION", message: 'expected `join("separator", (field, …))`' });
    separator = first.text;
    parts.push(...list);
  } else {
    for (const operand of operands) {
      if (!("kind" in operand))
        return err({ ...rangeOf(transformation), code: "FALCO_CONDITION", message: "expected fields in `concat()`, not a list" });
      parts.push(operand);
    }
  }
  const accesses: Access[] = [];
  for (const part of parts) {
    const access = part.kind === "literal" ? ok(literalAccess(part.text)) : accessTo(part);
    if (!access.ok) return access;
    accesses.push(access.value);
  }
  return ok({
    ...neverAccess(`${transformer}(${[JSON.stringify(separator), ...accesses.map(({ text }) => text)].join(",")})`, ""),
    unavailable: accesses.find(({ unavailable }) => unavailable !== undefined)?.unavailable,
    needs: accesses.flatMap(({ needs }) => needs),
    isIn: (type) => accesses.every((access) => access.isIn(type)),
    read: (event) => {
      const values = accesses.map((access) => access.read(event));
      return values.includes(null) ? null : values.join(separator);
    },
  });
}

const literalAccess = (value: string): Access => ({ ...neverAccess(JSON.stringify(value), ""), unavailable: undefined, read: () => value });
