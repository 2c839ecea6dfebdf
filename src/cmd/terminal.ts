/** The terminal: results on standard output, everything else on standard error, colour and animation only where a person looks. */
import { readSync, writeSync } from "node:fs";
import { styleText } from "node:util";

export type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

export interface Terminal {
  /** Columns of standard output, or Infinity when it is not a terminal: nothing is cut then. */
  readonly width: number;
  /** True when a person watches standard error. */
  readonly isInteractive: boolean;
  /** The text in a style where standard output (or standard error) shows colours, else as it is. */
  style(style: Style, text: string, stream?: "output" | "notes"): string;
  /** Writes a result to standard output, with a line break. */
  print(text: string): void;
  /** Writes one JSON value to standard output; `indent` spaces, 0 for one line. */
  printJson(value: unknown, indent?: number): void;
  /** Writes a hint, warning or error to standard error, with a line break. */
  note(text: string): void;
  /** Shows how far long work is, on one line that the next output replaces; null removes it. Nothing when nobody watches. */
  progress(text: string | null): void;
  /** All of standard input, or a little more than `maxBytes` when there is more. UNTRUSTED. */
  readInput(maxBytes: number): Uint8Array;
}

const STANDARD_INPUT = 0;

// biome-ignore lint/suspicious/noControlCharactersInRegex: an escape sequence begins with one
const COLOUR = /(?<colour>\u001b\[(?:0|1|2|22|3[0-9]|9[0-7])m)/;

/**
 * UNTRUSTED text (names in manifests, messages of policies) may hold control sequences that move the cursor or rewrite the title.
 * Only colours pass; every other control character is shown as an escape.
 */
export function withoutControls(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;
  if (!CONTROL.test(text)) return text;
  const escaped = (part: string): string => part.replaceAll(CONTROL, escapeCharacter);
  return text
    .split(COLOUR)
    .map((part, index) => (index % 2 === 1 ? part : escaped(part)))
    .join("");
}

const escapeCharacter = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;

/**
 * JSON that is also safe to print: DEL, C1 controls and bidirectional overrides are escaped, as C0 controls are anyway.
 * A bigint becomes a string.
 */
export function safeJson(value: unknown, indent: number): string {
  const replacer = (_key: string, item: unknown): unknown => (typeof item === "bigint" ? String(item) : item);
  return (JSON.stringify(value, replacer, indent) ?? "null").replaceAll(/[\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, escapeCharacter);
}

/** The terminal of this process. */
export function processTerminal(): Terminal {
  const { stdout, stderr } = process;
  let shown = false;
  const clear = (): void => {
    if (shown) writeAll(stderr.fd, "\r\u001b[K");
    shown = false;
  };
  const print = (text: string): void => {
    clear();
    writeAll(stdout.fd, `${text}\n`);
  };
  return {
    width: stdout.isTTY ? stdout.columns : Number.POSITIVE_INFINITY,
    isInteractive: stderr.isTTY === true,
    style: (style, text, stream = "output") => styleText(style, text, { stream: stream === "output" ? stdout : stderr }),
    print: (text) => print(withoutControls(text)),
    printJson: (value, indent = 2) => print(safeJson(value, indent)),
    note: (text) => {
      clear();
      writeAll(stderr.fd, `${withoutControls(text)}\n`);
    },
    progress: (text) => {
      if (!stderr.isTTY) return;
      clear();
      if (text === null) return;
      writeAll(stderr.fd, withoutControls(text).slice(0, stderr.columns - 1));
      shown = true;
    },
    readInput: (maxBytes) => readUpTo(STANDARD_INPUT, maxBytes),
  };
}

/** Synchronous, so that nothing is lost when the process exits. */
function writeAll(descriptor: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let written = 0; written < bytes.length; ) written += patiently(() => writeSync(descriptor, bytes, written));
}

const CHUNK_BYTES = 1024 * 1024;

/** What is there to be read, up to a chunk more than `maxBytes`. */
export function readUpTo(descriptor: number, maxBytes: number): Uint8Array {
  const chunks: Uint8Array[] = [];
  for (let total = 0; total <= maxBytes; ) {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    const size = patiently(() => readSync(descriptor, chunk));
    if (size === 0) break;
    chunks.push(chunk.subarray(0, size));
    total += size;
  }
  return Buffer.concat(chunks);
}

const PAUSE_MS = 5;

/** Repeats an operation on a pipe until its other end is there for it. */
function patiently(operate: () => number): number {
  for (;;) {
    try {
      return operate();
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EAGAIN")) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
    }
  }
}
