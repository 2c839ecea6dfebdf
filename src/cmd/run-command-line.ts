/** Runs one command line: finds the command, shows mistakes and errors, and turns signals into an abort. */
import { constants } from "node:os";
import { VigilError } from "../lib/error.ts";
import { CATALOGUE } from "./catalogue.ts";
import { EXIT } from "./command.ts";
import { parseCommandLine } from "./command-line.ts";
import { commandHelp, groupHelp } from "./help.ts";
import { noteError } from "./notes.ts";
import { processTerminal, type Terminal } from "./terminal.ts";

/** The exit code for a command line (the words after the program's name). */
export async function runCommandLine(words: readonly string[]): Promise<number> {
  const terminal = processTerminal();
  let aborted: AbortSignal | undefined;
  const interruption = (): AbortSignal => {
    aborted ??= abortOnSignal();
    return aborted;
  };
  try {
    const parsed = parseCommandLine(words, CATALOGUE);
    if (!parsed.ok) {
      noteError(terminal, parsed.error.message, parsed.error.hint);
      return EXIT.unable;
    }
    if (parsed.value.kind === "help") {
      const { about } = parsed.value;
      terminal.print("path" in about ? commandHelp(about, terminal) : groupHelp(about, CATALOGUE, terminal));
      return EXIT.yes;
    }
    const { command, operands, flags } = parsed.value;
    return await command.run({ operands, flags, terminal, environment: process.env, catalogue: CATALOGUE, interruption });
  } catch (error) {
    return exitCodeOf(error, terminal, aborted?.aborted === true);
  }
}

function exitCodeOf(error: unknown, terminal: Terminal, wasInterrupted: boolean): number {
  // Whoever read the output has gone: nobody is left to be told, and nothing was judged for them.
  if (error instanceof Error && "code" in error && error.code === "EPIPE") return EXIT.unable;
  if (wasInterrupted) return EXIT.interrupted;
  if (error instanceof VigilError) noteError(terminal, error.message, error.hint);
  else
    noteError(
      terminal,
      `internal error: ${error instanceof Error ? error.stack : String(error)}`,
      "this is a mistake in Vigil; please report it",
    );
  return EXIT.unable;
}

/** Aborts on the first SIGINT or SIGTERM; the second ends the process at once. */
function abortOnSignal(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(128 + constants.signals[signal]);
      controller.abort(signal);
    });
  }
  return controller.signal;
}
