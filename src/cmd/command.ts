/**
 * What a command is: a row of the catalogue. Parsing, help, shell completion, the reference in docs/ and the tests of the
 * documentation are all made from these rows.
 */
import type { Terminal } from "./terminal.ts";

interface FlagText {
  /** One clause, lower case, no full stop. */
  readonly summary: string;
  /** One letter, without the dash. */
  readonly short?: string;
}

/** An argument that begins with `--`. `value` is the placeholder that help shows. */
export type Flag =
  | (FlagText & { readonly kind: "boolean" })
  | (FlagText & { readonly kind: "text"; readonly value: string; readonly default?: string; readonly completes?: "file" | "directory" })
  | (FlagText & { readonly kind: "choice"; readonly choices: readonly string[]; readonly default?: string })
  | (FlagText & { readonly kind: "integer"; readonly value: string; readonly min: number; readonly max: number; readonly default?: number })
  /** Milliseconds; written as `30s`, `5m`, `1h30m`. */
  | (FlagText & { readonly kind: "duration"; readonly value: string; readonly default?: number })
  /** May be repeated. */
  | (FlagText & { readonly kind: "list"; readonly value: string; readonly completes?: "file" | "directory" });

export type Flags = { readonly [name: string]: Flag };

type ValueOf<F extends Flag> = F extends { kind: "boolean" }
  ? boolean
  : F extends { kind: "list" }
    ? readonly string[]
    :
        | (F extends { kind: "integer" | "duration" } ? number : F extends { kind: "choice"; choices: readonly (infer C)[] } ? C : string)
        | (F extends { readonly default: string | number } ? never : undefined);

export type FlagValues<F extends Flags> = { readonly [K in keyof F]: ValueOf<F[K]> };

/** The value of a flag that nobody gives. */
export const unset = (flag: Flag): boolean | string | number | readonly string[] | undefined =>
  flag.kind === "boolean" ? false : flag.kind === "list" ? [] : flag.default;

/** An argument without dashes. Only the last may be optional or repeated. */
export interface Operand {
  /** As help shows it: `PATH`. */
  readonly name: string;
  readonly summary: string;
  readonly arity: "one" | "optional" | "one or more" | "any";
  readonly completes?: "file" | "directory";
}

export interface Invocation<F extends Flags = Flags> {
  readonly operands: readonly string[];
  readonly flags: FlagValues<F>;
  readonly terminal: Terminal;
  /** The environment variables of the process; only `cmd/` sees them. */
  readonly environment: { readonly [name: string]: string | undefined };
  /** All commands, for those that are about commands. */
  readonly catalogue: readonly Command[];
  /**
   * From the first call on, SIGINT and SIGTERM abort this signal instead of ending the process; a second one still ends it.
   * A command that never calls it can be interrupted at any time.
   */
  interruption(): AbortSignal;
}

/** What a process answers: 0 yes, 1 no (violations, denied), 2 could not judge (bad input, unreachable), 130 interrupted. */
export const EXIT = { yes: 0, no: 1, unable: 2, interrupted: 130 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export interface Command<F extends Flags = Flags> {
  /** Noun and verb, or a single word: `policy test`, `check`. */
  readonly path: string;
  /** One clause for lists of commands, lower case, no full stop. */
  readonly summary: string;
  /** Further sentences for the command's own help, at most a few lines. */
  readonly description?: string;
  readonly operands: readonly Operand[];
  readonly flags: F;
  /** Command lines that work as written from the root of a checkout. */
  readonly examples: readonly { readonly line: string; readonly says: string }[];
  /** What the exit codes mean here, where that is more than the general rule. */
  readonly exitCodes?: { readonly [code: number]: string };
  /** An `ExitCode`; only a command that starts a program passes that one's on. */
  run(invocation: Invocation<F>): number | Promise<number>;
}

/** Keeps the literal types of the flags, so that `run` receives them typed. */
export const defineCommand = <const F extends Flags>(command: Command<F>): Command => command;
