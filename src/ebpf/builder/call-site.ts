/** Where in our own TypeScript a statement of a program stands. */
import type { SourcePosition } from "../instruction.ts";

const OWN_FOLDER = import.meta.dirname;
const FRAMES = 12;

/**
 * The first frame outside of the builder. Only the raw stack is taken when it is made (about a microsecond);
 * its text is made and read when someone asks.
 */
class CallSite implements SourcePosition {
  readonly #trace: { readonly stack?: string };
  #position: SourcePosition | undefined;

  constructor(trace: { readonly stack?: string }) {
    this.#trace = trace;
  }

  get file(): string {
    return this.#read().file;
  }

  get line(): number {
    return this.#read().line;
  }

  get column(): number {
    return this.#read().column;
  }

  toJSON(): SourcePosition {
    return { ...this.#read() };
  }

  #read(): SourcePosition {
    this.#position ??= positionIn(this.#trace.stack ?? "");
    return this.#position;
  }
}

/** Where the caller of the builder is. */
export function callSite(): SourcePosition {
  const trace: { stack?: string } = {};
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = FRAMES;
  Error.captureStackTrace(trace, callSite);
  Error.stackTraceLimit = limit;
  return new CallSite(trace);
}

const FRAME = /(?:\(|at )(?:async )?(?<file>(?:file:\/\/)?[^()\s][^()]*?):(?<line>\d+):(?<column>\d+)\)?$/;

function positionIn(stack: string): SourcePosition {
  for (const text of stack.split("\n")) {
    const { file, line, column } = FRAME.exec(text.trim())?.groups ?? {};
    if (file === undefined) continue;
    const path = file.startsWith("file://") ? decodeURIComponent(file.slice("file://".length)) : file;
    if (path.startsWith(OWN_FOLDER) && !path.endsWith(".test.ts")) continue;
    return { file: path, line: Number(line), column: Number(column) };
  }
  return { file: "unknown", line: 1, column: 1 };
}
