/** `evt.*`, `syscall.*`, `fs.path.*`. */
import { EVENT_TYPES, OPEN_TYPES } from "../event-type.ts";
import { flagNames, resultName } from "../flag-names.ts";
import type { SyscallEvent } from "../syscall-event.ts";
import { derived, type Field, type FieldValue, property } from "./field-row.ts";

const O_ACCMODE = 3;
const O_WRONLY = 1;
const O_RDWR = 2;
const O_CREAT = 0o100;
const O_TMPFILE = 0o20000000;

const openFlags = ({ args, type }: SyscallEvent): number => (type === "creat" ? O_WRONLY | O_CREAT : Number(args["flags"] ?? 0));
const isOpen = (type: string): boolean => OPEN_TYPES.has(type);

/** An argument as Falco prints it. */
export function argumentText({ type, args }: SyscallEvent, name: string): string | null {
  const value = args[name];
  if (typeof value === "string") return value;
  // What is neither text nor number is no argument: names come from rules, and objects have properties of their own.
  if (typeof value !== "number") return null;
  const set = EVENT_TYPES.get(type)?.flags[name];
  return set === undefined ? String(value) : flagNames(set, value);
}

/** Names of arguments begin with a letter; what begins with a digit is a position. */
const argumentName = (type: string, argument: string): string =>
  argument.charCodeAt(0) <= 0x39 ? (EVENT_TYPES.get(type)?.args[Number(argument)] ?? argument) : argument;

/** Whether events of this type have the argument; any may be in an event whose type is not in the table. */
const hasArgument = (type: string, argument: string | undefined): boolean => {
  const known = EVENT_TYPES.get(type);
  return known === undefined || argument === undefined || known.args.includes(argumentName(type, argument));
};

const allArguments = (event: SyscallEvent): string =>
  Object.keys(event.args)
    .map((name) => `${name}=${argumentText(event, name)}`)
    .join(" ");

const isoTime = ({ timeNs }: SyscallEvent): string => {
  const date = new Date(Number(timeNs / 1_000_000n)).toISOString();
  return `${date.slice(0, -1)}${String(timeNs % 1_000_000n).padStart(6, "0")}Z`;
};

const PATH_ARGUMENTS = ["name", "path", "filename", "pathname"];
const firstArgument = ({ args }: SyscallEvent, names: readonly string[]): FieldValue => {
  const name = names.find((candidate) => Object.hasOwn(args, candidate));
  return name === undefined ? null : String(args[name]);
};

export const eventFields: readonly Field[] = [
  property("evt.type", "text", "type", "event"),
  property("syscall.type", "text", "type", "event"),
  property("evt.num", "number", "number", "event"),
  property("evt.cpu", "number", "cpu", "event"),
  property("evt.rawres", "number", "result", "result"),
  derived("evt.res", "text", "result", ({ result }) => resultName(result)),
  derived("evt.failed", "boolean", "result", ({ result }) => result < 0),
  derived("evt.dir", "text", "event", () => "<"),
  derived("evt.source", "text", "event", () => "syscall"),
  derived("evt.is_async", "boolean", "event", () => false),
  derived("evt.time", "text", "event", (event) => isoTime(event).slice(11, -1)),
  derived("evt.time.s", "text", "event", (event) => isoTime(event).slice(11, 19)),
  derived("evt.time.iso8601", "text", "event", isoTime),
  derived("evt.datetime", "text", "event", (event) => isoTime(event).slice(0, -1).replace("T", " ")),
  derived("evt.datetime.s", "text", "event", (event) => isoTime(event).slice(0, 19).replace("T", " ")),
  derived("evt.rawtime", "number", "event", ({ timeNs }) => Number(timeNs)),
  derived("evt.args", "text", "arguments", allArguments),
  derived("evt.arg", "text", "arguments", (event, name = "") => argumentText(event, argumentName(event.type, name)), {
    argument: "required",
    events: hasArgument,
  }),
  derived("evt.rawarg", "text", "arguments", ({ args }, name = "") => (Object.hasOwn(args, name) ? String(args[name]) : null), {
    argument: "required",
    events: hasArgument,
  }),
  derived("evt.is_open_read", "boolean", "flags of open", (event) => (openFlags(event) & O_ACCMODE) !== O_WRONLY, { events: isOpen }),
  derived(
    "evt.is_open_write",
    "boolean",
    "flags of open",
    (event) => {
      const access = openFlags(event) & O_ACCMODE;
      return access === O_WRONLY || access === O_RDWR;
    },
    { events: isOpen },
  ),
  derived(
    "evt.is_open_exec",
    "boolean",
    "flags and mode of open",
    (event) => (openFlags(event) & (O_CREAT | O_TMPFILE)) !== 0 && (Number(event.args["mode"] ?? 0) & 0o111) !== 0,
    { events: isOpen },
  ),
  derived("evt.is_open_create", "boolean", "flags of open", (event) => (openFlags(event) & O_CREAT) !== 0 && event.result >= 0, {
    events: isOpen,
  }),
  derived("fs.path.name", "text", "arguments", (event) => firstArgument(event, PATH_ARGUMENTS)),
  derived("fs.path.nameraw", "text", "arguments", (event) => firstArgument(event, PATH_ARGUMENTS)),
  derived("fs.path.source", "text", "arguments", (event) => firstArgument(event, ["oldpath", "target"])),
  derived("fs.path.target", "text", "arguments", (event) => firstArgument(event, ["newpath", "linkpath"])),
];
