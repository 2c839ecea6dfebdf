/** What is wrong with rule files, each mistake at its place. */
import type { Diagnostic } from "../lib/diagnostic.ts";
import type { JsonValue } from "../lib/json.ts";

/** Each is a row in ERRORS.md. */
export type FalcoErrorCode =
  | "FALCO_FILE"
  | "FALCO_CONDITION"
  | "FALCO_FIELD"
  | "FALCO_NAME"
  | "FALCO_VALUE"
  | "FALCO_VERSION"
  | "FALCO_LIMIT";

interface Place {
  readonly line: number;
  readonly column: number;
  readonly length: number;
  readonly sourceLine: string;
}

type Path = readonly (string | number)[];

/** A YAML document with positions: what `resource/document.ts` reads is one. */
export interface RuleDocument {
  readonly file: string;
  /** UNTRUSTED, but bounded in size and depth. */
  readonly value: JsonValue;
  locate(path: Path, offset?: number): Place;
  locateKey(path: Path): Place;
}

/** A value in a rule file. */
export interface Spot {
  readonly document: RuleDocument;
  readonly path: Path;
}

/** A text in a rule file. */
export interface SpottedText extends Spot {
  readonly text: string;
}

interface About {
  readonly code: FalcoErrorCode;
  readonly message: string;
  readonly hint?: string | undefined;
  readonly severity?: "error" | "warning";
  /** Of a text: the UTF-16 units that are meant. */
  readonly range?: { readonly start: number; readonly end: number };
}

export function diagnoseAt({ document, path }: Spot, { code, message, hint, severity = "error", range }: About): Diagnostic {
  const place = document.locate(path, range?.start);
  const length = range === undefined ? place.length : Math.max(1, range.end - range.start);
  return { code, severity, message, file: document.file, ...place, length, ...(hint === undefined ? {} : { hint }) };
}
