/** `"…".format([…])`: %s %d %f %e %b %x %X %o with a precision, in the dialect that is asked for. */
import { encodeUtf8 } from "../runtime/bytes.ts";
import { typeName, typeOf } from "../runtime/type-of.ts";
import { CelError, type CelValue } from "../value.ts";
import { fail } from "./define.ts";
import { DEFAULT_PRECISION, type FormatDialect, inBase } from "./format-dialect.ts";
import { MAX_TEXT_LENGTH, textTooLong } from "./size-limit.ts";

const MAX_PRECISION = 100;

/** The template with every clause replaced by the next value. Values that no clause asks for are left out. */
export function formatTemplate(template: string, values: readonly CelValue[], dialect: FormatDialect): CelValue {
  let text = "";
  let next = 0;
  for (let index = 0; index < template.length; ) {
    const percent = template.indexOf("%", index);
    text += template.slice(index, percent === -1 ? undefined : percent);
    if (percent === -1) break;
    if (template[percent + 1] === "%") {
      text += "%";
      index = percent + 2;
      continue;
    }
    const value = values[next];
    if (value === undefined) return fail(`index ${next} out of range`, "CEL_INDEX_OUT_OF_BOUNDS");
    next++;
    const clause = parseClause(template, percent + 1);
    if (clause instanceof CelError) return clause;
    const formatted = formatClause(clause, value, dialect);
    if (formatted instanceof CelError) return formatted;
    text += formatted;
    index = clause.end;
    if (text.length > MAX_TEXT_LENGTH) return textTooLong();
  }
  return text;
}

interface Clause {
  readonly verb: string;
  readonly precision: number;
  readonly end: number;
}

const CLAUSE = /(?:\.(\d+))?([\s\S])/y;

function parseClause(template: string, start: number): Clause | CelError {
  CLAUSE.lastIndex = start;
  const [, digits, verb = "."] = CLAUSE.exec(template) ?? [];
  const precision = digits === undefined ? DEFAULT_PRECISION : Number(digits);
  if (verb === ".") return fail("could not parse formatting clause: expected digits and a verb after the percent sign and point");
  if (precision > MAX_PRECISION) return fail(`could not parse formatting clause: precision above ${MAX_PRECISION}`);
  return { verb, precision, end: CLAUSE.lastIndex };
}

function formatClause({ verb, precision }: Clause, value: CelValue, dialect: FormatDialect): string | CelError {
  switch (verb) {
    case "s":
      return (
        dialect.string(value) ?? unfit("string", "strings, bools, bytes, numbers, maps, lists, types, durations and timestamps", value)
      );
    case "d":
      return dialect.decimal(value) ?? unfit("decimal", "integers", value);
    case "f":
      return dialect.fixed(value, precision) ?? unfit("fixed-point", "doubles", value);
    case "e":
      return dialect.exponent(value, precision) ?? unfit("scientific", "doubles", value);
    case "b":
      return typeof value === "boolean" ? String(Number(value)) : (inBase(value, 2) ?? unfit("binary", "integers and bools", value));
    case "o":
      return inBase(value, 8) ?? unfit("octal", "integers", value);
    case "x":
    case "X": {
      const text = hexadecimal(value) ?? unfit("hexadecimal", "integers, bytes and strings", value);
      return verb === "X" && typeof text === "string" ? text.toUpperCase() : text;
    }
    default:
      return fail(`could not parse formatting clause: unrecognized formatting clause "${verb}"`);
  }
}

const unfit = (clause: string, types: string, value: CelValue): CelError =>
  fail(`error during formatting: ${clause} clause can only be used on ${types}, was given ${typeName(typeOf(value))}`);

function hexadecimal(value: CelValue): string | undefined {
  const bytes = typeof value === "string" ? encodeUtf8(value) : value;
  if (!(bytes instanceof Uint8Array)) return inBase(value, 16);
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
