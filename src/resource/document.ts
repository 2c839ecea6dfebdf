/**
 * Documents: what a manifest or policy file holds, each value with its place in the file. Reading never throws; what
 * cannot be read is a diagnostic, and the other documents of the file are still there.
 */
import type { Diagnostic } from "../lib/diagnostic.ts";
import type { JsonObject } from "../lib/json.ts";

/** The way from the root of a document to a value: keys and indexes. */
export type Path = readonly (string | number)[];

/** A place in a file. `line` and `column` are 1-based, `column` in UTF-16 units. */
export interface Place {
  readonly line: number;
  readonly column: number;
  readonly sourceLine: string;
}

/** One YAML or JSON document whose root is a mapping; an item of a `kind: List` is a document of its own. */
export interface Document {
  /** A path as the user gave it, or a name in angle brackets such as `<stdin>`. */
  readonly file: string;
  /** Position among the documents of the file, from 0. */
  readonly index: number;
  /**
   * The content, resolved as `kubectl` resolves YAML. UNTRUSTED, but without `__proto__` keys, duplicate keys, cycles, or
   * more nodes and depth than the limits. Integers beyond ±(2^53-1) within int64 are `bigint`. Values behind a YAML alias are shared.
   */
  readonly value: JsonObject;
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

export interface DocumentSet {
  readonly documents: readonly Document[];
  readonly diagnostics: readonly Diagnostic[];
}
