/** Output formats of rules: `File read | file=%fd.name gparent=%proc.aname[2]`. What has no value reads `<NA>`. */
import { err, ok, type Result } from "../lib/result.ts";
import { type Access, fieldAccess, type Problem } from "./access.ts";
import type { SyscallEvent } from "./syscall-event.ts";

export interface OutputFormat {
  readonly text: string;
  /** Texts as they are, and fields. */
  readonly parts: readonly (string | Access)[];
}

const FIELD = /%([a-zA-Z][a-zA-Z0-9_]*(?:\.[a-zA-Z0-9_]+)+)(?:\[([^\]]*)\])?/g;
const ABSENT = "<NA>";
/** Of one field in an output: command lines can be long. */
const MAX_FIELD = 1_024;

/** The format, or the first field in it that does not exist. */
export function parseOutput(text: string): Result<OutputFormat, Problem> {
  const parts: (string | Access)[] = [];
  let at = 0;
  for (const match of text.matchAll(FIELD)) {
    const [whole, name = "", argument] = match;
    const range = { start: match.index, end: match.index + whole.length };
    const access = fieldAccess(name, argument, range);
    if (!access.ok) return err(access.error);
    parts.push(text.slice(at, range.start), access.value);
    at = range.end;
  }
  parts.push(text.slice(at));
  // A star at the beginning asks for output though fields have no value, which is so anyway.
  return ok({ text, parts: [String(parts[0]).replace(/^\*/, ""), ...parts.slice(1)].filter((part) => part !== "") });
}

export const formatOutput = ({ parts }: OutputFormat, event: SyscallEvent): string =>
  parts.map((part) => (typeof part === "string" ? part : valueText(part, event))).join("");

/** The fields of the output with their values. */
export const outputFields = ({ parts }: OutputFormat, event: SyscallEvent): Readonly<Record<string, string>> =>
  Object.fromEntries(parts.filter((part) => typeof part !== "string").map((access) => [access.text, valueText(access, event)]));

function valueText(access: Access, event: SyscallEvent): string {
  const values = access.readAll === undefined ? [access.read(event)] : access.readAll(event);
  const text = values.map((value) => (value === null ? ABSENT : String(value))).join(",");
  return text.length > MAX_FIELD ? `${text.slice(0, MAX_FIELD)}…` : text;
}
