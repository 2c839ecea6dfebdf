/** From the words of a command line to a command and its typed arguments, or to a mistake that says what was probably meant. */
import { err, ok, type Result } from "../lib/result.ts";
import { closestName } from "../lib/suggestion.ts";
import { type Command, type Flag, type Flags, type FlagValues, unset } from "./command.ts";
import { expectation, type FlagValue, parseFlagText } from "./flag-text.ts";

/** Why a command line cannot be run. */
export interface UsageError {
  readonly code: "USAGE_UNKNOWN_COMMAND" | "USAGE_UNKNOWN_FLAG" | "USAGE_FLAG_VALUE" | "USAGE_OPERANDS";
  readonly message: string;
  readonly hint: string;
}

export type CommandLine =
  /** `about` is a command, or the words of a group (`["policy"]`, or none) whose commands are listed. */
  | { readonly kind: "help"; readonly about: Command | readonly string[] }
  | { readonly kind: "run"; readonly command: Command; readonly operands: readonly string[]; readonly flags: FlagValues<Flags> };

/** Reads the words after the program's name. */
export function parseCommandLine(words: readonly string[], catalogue: readonly Command[]): Result<CommandLine, UsageError> {
  const [first = "help", ...rest] = words;
  if (first === "help" || first === "--help" || first === "-h") return parseHelp(rest, catalogue);
  const command = findCommand(words, catalogue);
  if (command === undefined) return missingCommand(words, catalogue);
  const own = words.slice(command.path.split(" ").length);
  const end = own.indexOf("--");
  if ((end === -1 ? own : own.slice(0, end)).some((word) => word === "--help" || word === "-h"))
    return ok({ kind: "help", about: command });
  return parseArguments(command, own);
}

/** The command whose path the words begin with; the longest wins. */
export function findCommand(words: readonly string[], catalogue: readonly Command[]): Command | undefined {
  const begins = (command: Command): boolean => command.path.split(" ").every((word, index) => words[index] === word);
  return catalogue.filter(begins).sort((a, b) => b.path.length - a.path.length)[0];
}

function parseHelp(words: readonly string[], catalogue: readonly Command[]): Result<CommandLine, UsageError> {
  const about = words.filter((word) => !word.startsWith("-"));
  const command = findCommand(about, catalogue);
  if (command !== undefined) return ok({ kind: "help", about: command });
  return isGroup(about, catalogue) ? ok({ kind: "help", about }) : missingCommand(about, catalogue);
}

const isGroup = (words: readonly string[], catalogue: readonly Command[]): boolean =>
  words.length === 0 || catalogue.some((command) => command.path.startsWith(`${words.join(" ")} `));

function missingCommand(words: readonly string[], catalogue: readonly Command[]): Result<CommandLine, UsageError> {
  const given = words.filter((word) => !word.startsWith("-")).slice(0, 2);
  const [first = ""] = given;
  const isHelp = words.some((word) => word === "--help" || word === "-h");
  if (isGroup(given.slice(0, 1), catalogue) && (given.length === 1 || isHelp)) {
    if (isHelp) return ok({ kind: "help", about: given.slice(0, 1) });
    const verbs = catalogue.filter(({ path }) => path.startsWith(`${first} `)).map(({ path }) => `\`${path.slice(first.length + 1)}\``);
    return err({ code: "USAGE_UNKNOWN_COMMAND", message: `\`${first}\` needs a verb`, hint: `one of ${verbs.join(", ")}` });
  }
  const paths = catalogue.map(({ path }) => path);
  const meant = closestName(given.join(" "), paths) ?? closestName(first, [...paths, ...paths.map((path) => path.split(" ")[0] ?? "")]);
  const name = isGroup(given.slice(0, 1), catalogue) ? given.join(" ") : first;
  return err({
    code: "USAGE_UNKNOWN_COMMAND",
    message: first === "" ? `unknown flag \`${words[0]}\`` : `unknown command \`${name}\``,
    hint: meant === undefined ? "`vigil help` lists the commands" : `did you mean \`vigil ${meant}\`?`,
  });
}

function parseArguments(command: Command, words: readonly string[]): Result<CommandLine, UsageError> {
  const operands: string[] = [];
  const values: Record<string, FlagValue | readonly string[] | undefined> = {};
  for (const [name, flag] of Object.entries(command.flags)) values[name] = unset(flag);
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? "";
    if (word === "--") {
      operands.push(...words.slice(index + 1));
      break;
    }
    // `-` is standard input and `-1` a number.
    if (!/^-(?:-|[a-zA-Z])/.test(word)) {
      operands.push(word);
      continue;
    }
    const { name, flag, inline } = findFlag(word, command.flags);
    if (flag === undefined) return err(unknownFlag(word, command));
    const text = inline ?? (flag.kind === "boolean" ? "true" : words[++index]);
    const value = parseFlag(word, flag, text);
    if (!value.ok) return value;
    const before = values[name];
    values[name] = Array.isArray(before) ? [...before, String(value.value)] : value.value;
  }
  const problem = checkOperands(command, operands);
  return problem === undefined ? ok({ kind: "run", command, operands, flags: values }) : err(problem);
}

/** `--name`, `--name=value`, `-n`, `-nvalue`. */
function findFlag(word: string, flags: Flags): { name: string; flag: Flag | undefined; inline: string | undefined } {
  if (word.startsWith("--")) {
    const equals = word.indexOf("=");
    const name = word.slice(2, equals === -1 ? undefined : equals);
    return { name, flag: Object.hasOwn(flags, name) ? flags[name] : undefined, inline: equals === -1 ? undefined : word.slice(equals + 1) };
  }
  const [name, flag] = Object.entries(flags).find(([, candidate]) => candidate.short === word[1]) ?? ["", undefined];
  return { name, flag, inline: word.length > 2 ? word.slice(2).replace(/^=/, "") : undefined };
}

function unknownFlag(word: string, command: Command): UsageError {
  const name = word.split("=", 1)[0] ?? word;
  const meant = closestName(
    name,
    Object.keys(command.flags).map((flag) => `--${flag}`),
  );
  const help = `\`vigil help ${command.path}\` lists them; an argument that begins with a dash goes after \`--\``;
  const hint = meant === undefined ? help : `did you mean \`${meant}\`?`;
  return { code: "USAGE_UNKNOWN_FLAG", message: `unknown flag \`${name}\` of \`vigil ${command.path}\``, hint };
}

function parseFlag(word: string, flag: Flag, text: string | undefined): Result<FlagValue, UsageError> {
  const parsed = text === undefined ? err(expectation(flag)) : parseFlagText(flag, text);
  if (parsed.ok) return parsed;
  const name = word.startsWith("--") ? (word.split("=", 1)[0] ?? word) : word.slice(0, 2);
  const got = text === undefined ? "nothing" : `\`${text}\``;
  return err({ code: "USAGE_FLAG_VALUE", message: `\`${name}\`: expected ${parsed.error}, got ${got}`, hint: flag.summary });
}

function checkOperands(command: Command, operands: readonly string[]): UsageError | undefined {
  const last = command.operands.at(-1);
  const min = command.operands.filter(({ arity }) => arity === "one" || arity === "one or more").length;
  const max = last?.arity === "one or more" || last?.arity === "any" ? Number.POSITIVE_INFINITY : command.operands.length;
  if (operands.length >= min && operands.length <= max) return undefined;
  const missing = command.operands[operands.length];
  const message =
    missing !== undefined && operands.length < min
      ? `\`vigil ${command.path}\`: ${missing.name} is missing`
      : `\`vigil ${command.path}\`: unexpected argument \`${operands[max]}\``;
  return { code: "USAGE_OPERANDS", message, hint: `usage: ${usageLine(command)}` };
}

/** `vigil check [flags] PATH…` */
export function usageLine(command: Command): string {
  const operands = command.operands.map(({ name, arity }) => {
    const many = arity === "one or more" || arity === "any" ? `${name}…` : name;
    return arity === "optional" || arity === "any" ? `[${many}]` : many;
  });
  const flags = Object.keys(command.flags).length > 0 ? ["[flags]"] : [];
  return ["vigil", command.path, ...flags, ...operands].join(" ");
}
