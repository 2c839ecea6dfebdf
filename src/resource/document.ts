/**
 * Documents: what a manifest or policy file holds, each value with its place in the file. Reading never throws; what
 * cannot be read is a diagnostic, and the other documents of the file are still there.
 */
import type { Diagnostic } from "../lib/diagnostic.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../lib/json.ts";
import { LineIndex } from "../lib/line-index.ts";
import { DEFAULT_YAML_LIMITS, readYaml, type YamlDocument, YamlPositions } from "../lib/yaml/reader.ts";
import { decodeText } from "./text-encoding.ts";

/** The way from the root of a document to a value: keys and indexes. */
export type Path = readonly (string | number)[];

/** A place in a file. `line` and `column` are 1-based; `column` and `length` in UTF-16 units, `length` on that line. */
export interface Place {
  readonly line: number;
  readonly column: number;
  readonly length: number;
  readonly sourceLine: string;
}

/** One YAML or JSON document; for manifests its root is a mapping, and an item of a `kind: List` is a document of its own. */
export interface Document<V extends JsonValue = JsonObject> {
  /** A path as the user gave it, or a name in angle brackets such as `<stdin>`. */
  readonly file: string;
  /** Position among the documents of the file, from 0. */
  readonly index: number;
  /**
   * The content, resolved as `kubectl` resolves YAML. UNTRUSTED, but without `__proto__` keys, duplicate keys, cycles, or
   * more nodes and depth than the limits. Integers beyond ±(2^53-1) within int64 are `bigint`. Values behind a YAML alias are shared.
   */
  readonly value: V;
  /** The line where the content begins, 1-based. */
  readonly line: number;
  /**
   * Where the value at `path` is written; with `offset`, where that UTF-16 unit of the string scalar there is, whatever its
   * style (plain, quoted, `|`, `>`). A path that does not exist answers with its nearest ancestor that does.
   */
  locate(path: Path, offset?: number): Place;
  /** Where the key of the last step of `path` is written; for an item of a sequence the item itself. */
  locateKey(path: Path): Place;
}

export interface DocumentLimits {
  /** Of one file, in bytes. Default 16 MiB. */
  readonly fileBytes: number;
  /** Of one file, items of lists included. Default 100,000. */
  readonly documents: number;
  /** Of nested mappings and sequences. Default 250. */
  readonly depth: number;
  /** Nodes that aliases repeat, per document. Default 100,000. */
  readonly aliasNodes: number;
}

export const DEFAULT_DOCUMENT_LIMITS: DocumentLimits = { ...DEFAULT_YAML_LIMITS, fileBytes: 16 * 1024 * 1024 };

export interface DocumentSet<V extends JsonValue = JsonObject> {
  readonly documents: readonly Document<V>[];
  readonly diagnostics: readonly Diagnostic[];
}

/** Codes of what is wrong with a file as a whole. Each is a row in ERRORS.md. */
export type DocumentErrorCode = "RESOURCE_TOO_LARGE" | "RESOURCE_ENCODING" | "RESOURCE_NOT_AN_OBJECT" | "RESOURCE_TOO_MANY";

/** Reads the manifests in a text: documents whose root is a mapping, lists expanded. Documents without content are left out. */
export function readDocuments(text: string | Uint8Array, file: string, limits: DocumentLimits = DEFAULT_DOCUMENT_LIMITS): DocumentSet {
  const { documents: read, diagnostics } = readValues(text, file, limits);
  const documents: Document[] = [];
  const problems = [...diagnostics];
  for (const document of read) {
    const { value } = document;
    if (value === null) continue;
    const items = listItems(value);
    if (documents.length + (items?.length ?? 1) > limits.documents) {
      const message = `expected at most ${limits.documents} objects in a file`;
      problems.push(diagnose(document, [], { code: "RESOURCE_TOO_MANY", message, hint: "split the file" }));
      break;
    }
    for (const [index, item] of (items ?? [value]).entries()) {
      const path = items === undefined ? [] : ["items", index];
      if (isJsonObject(item)) documents.push(new Subdocument(document, documents.length, item, path));
      else
        problems.push(diagnose(document, path, { code: "RESOURCE_NOT_AN_OBJECT", message: `expected a mapping, got ${describe(item)}` }));
    }
  }
  return { documents, diagnostics: problems };
}

/** Reads every document of a text, whatever its root is. */
export function readValues(
  text: string | Uint8Array,
  file: string,
  limits: DocumentLimits = DEFAULT_DOCUMENT_LIMITS,
): DocumentSet<JsonValue> {
  const decoded = decodeText(text, file, limits.fileBytes);
  if (!decoded.ok) return { documents: [], diagnostics: [decoded.error] };
  const lines = new LineIndex(decoded.value);
  const { documents, errors } = readYaml(decoded.value, limits);
  return {
    documents: documents.map((document, index) => new FileDocument(file, index, decoded.value, lines, document, limits)),
    diagnostics: errors.map(({ offset, ...error }) => ({ ...error, severity: "error", file, ...lines.locate(offset) })),
  };
}

/** A diagnostic about the value (or with `atKey` the key) at `path`. */
export function diagnose(
  document: Document<JsonValue>,
  path: Path,
  about: {
    readonly code: string;
    readonly message: string;
    readonly hint?: string | undefined;
    readonly severity?: "error" | "warning";
    readonly atKey?: boolean;
  },
): Diagnostic {
  const { code, message, hint, severity = "error", atKey = false } = about;
  const place = atKey ? document.locateKey(path) : document.locate(path);
  return { code, severity, message, file: document.file, ...place, ...(hint === undefined ? {} : { hint }) };
}

class FileDocument implements Document<JsonValue> {
  readonly file: string;
  readonly index: number;
  readonly #text: string;
  readonly #lines: LineIndex;
  readonly #document: YamlDocument;
  readonly #limits: DocumentLimits;
  /** Many times the size of the document, and seldom asked for: the collector may have it back. */
  #positions: WeakRef<YamlPositions> | null = null;

  constructor(file: string, index: number, text: string, lines: LineIndex, document: YamlDocument, limits: DocumentLimits) {
    this.file = file;
    this.index = index;
    this.#text = text;
    this.#lines = lines;
    this.#document = document;
    this.#limits = limits;
  }

  get value(): JsonValue {
    return this.#document.value;
  }

  get line(): number {
    return this.#lines.locate(this.#document.start).line;
  }

  locate(path: Path, offset?: number): Place {
    const positions = this.#readPositions();
    if (offset !== undefined) {
      const start = positions.offsetOf(path, offset);
      return this.#place(start, start + 1);
    }
    const { start, end } = positions.spanOf(path);
    return this.#place(start, end);
  }

  locateKey(path: Path): Place {
    const { keyStart, keyEnd } = this.#readPositions().spanOf(path);
    return this.#place(keyStart, keyEnd);
  }

  #readPositions(): YamlPositions {
    const kept = this.#positions?.deref();
    if (kept !== undefined) return kept;
    const positions = new YamlPositions(this.#text, this.#document, this.#limits);
    this.#positions = new WeakRef(positions);
    return positions;
  }

  #place(start: number, end: number): Place {
    const position = this.#lines.locate(start);
    const onLine = position.sourceLine.length - position.column + 1;
    return { ...position, length: Math.max(1, Math.min(end - start, onLine)) };
  }
}

/** A part of a document that counts as a document: an item of a list, or the whole. */
class Subdocument implements Document {
  readonly file: string;
  readonly index: number;
  readonly value: JsonObject;
  readonly #whole: Document<JsonValue>;
  readonly #path: Path;

  constructor(whole: Document<JsonValue>, index: number, value: JsonObject, path: Path) {
    this.file = whole.file;
    this.index = index;
    this.value = value;
    this.#whole = whole;
    this.#path = path;
  }

  get line(): number {
    return this.#path.length === 0 ? this.#whole.line : this.locate([]).line;
  }

  locate(path: Path, offset?: number): Place {
    return this.#whole.locate([...this.#path, ...path], offset);
  }

  locateKey(path: Path): Place {
    return this.#whole.locateKey([...this.#path, ...path]);
  }
}

/** The items of a Kubernetes list (`List`, `PodList`, …), or undefined for anything else. */
function listItems(value: JsonValue): readonly JsonValue[] | undefined {
  if (!isJsonObject(value)) return undefined;
  const { apiVersion, kind, items } = value;
  const isList = typeof apiVersion === "string" && typeof kind === "string" && kind.endsWith("List");
  return isList && isJsonArray(items) ? items : undefined;
}

/** What a value is, for a message. */
export function describe(value: JsonValue): string {
  if (value === null) return "nothing";
  if (isJsonArray(value)) return "a list";
  switch (typeof value) {
    case "object":
      return "a mapping";
    case "bigint":
      return "a number";
    default:
      return `a ${typeof value}`;
  }
}
