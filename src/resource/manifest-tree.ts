/** The manifest files below some paths: found, compared and read without blocking the process. */
import { createHash } from "node:crypto";
import type { BigIntStats } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Diagnostic } from "../lib/diagnostic.ts";
import { messageOf } from "../lib/error.ts";
import { DEFAULT_DOCUMENT_LIMITS, type Document, type DocumentLimits, readDocuments } from "./document.ts";

/** Codes of what is wrong with files and directories. Each is a row in ERRORS.md. */
export type ManifestTreeErrorCode = "RESOURCE_UNREADABLE" | "RESOURCE_TOO_MANY_FILES";

export interface TreeOptions {
  /** Names of folders that are passed over. Hidden entries and `node_modules` always are. */
  readonly without?: readonly string[];
  readonly limits?: DocumentLimits;
  /** Default 10,000. */
  readonly maxFiles?: number;
}

/** Everything that the files held at one moment. */
export interface ManifestTree {
  readonly documents: readonly Document[];
  /** What could not be found, read or parsed; the rest is in `documents` all the same. */
  readonly diagnostics: readonly Diagnostic[];
  /** SHA-256 over the names and contents of all files, in hexadecimal: equal trees have equal hashes. */
  readonly contentHash: string;
}

/** What a scan found, before any content is read. */
export interface Scan {
  /** In the order of their names. */
  readonly files: readonly ScannedFile[];
  /** For watching: which directories there are, and which they are (a directory may be replaced by another of its name). */
  readonly directories: readonly ScannedDirectory[];
  readonly diagnostics: readonly Diagnostic[];
  /** Changes when a file appears, vanishes, or is written or replaced. */
  readonly stamp: string;
}

export interface ScannedDirectory {
  readonly path: string;
  readonly identity: string;
}

interface ScannedFile {
  readonly path: string;
  readonly stamp: string;
  readonly sizeBytes: number;
}

const MANIFEST = /\.(?:ya?ml|json)$/;
const MAX_DEPTH = 64;
const MAX_FILES = 10_000;
/** How often a tree that changes while it is read is read anew before it is taken as it is. */
const MAX_ATTEMPTS = 5;

/** Reads the manifests below the paths; a path may be a file. Never rejects. */
export async function readManifestTree(paths: readonly string[], options: TreeOptions = {}): Promise<ManifestTree> {
  return (await readStable(paths, options, await scanManifests(paths, options))).tree;
}

/** Reads the files of a scan. INVARIANT: they are of one moment: when a file changed meanwhile, all are read anew. */
export async function readStable(
  paths: readonly string[],
  options: TreeOptions,
  first: Scan,
): Promise<{ readonly scan: Scan; readonly tree: ManifestTree }> {
  let scan = first;
  for (let attempt = 1; ; attempt++) {
    const tree = await readFiles(scan, options.limits ?? DEFAULT_DOCUMENT_LIMITS);
    const after = await scanManifests(paths, options);
    if (after.stamp === scan.stamp || attempt === MAX_ATTEMPTS) return { scan, tree };
    scan = after;
  }
}

/** Finds the manifests (*.yaml, *.yml, *.json) below the paths. Links to files are followed, links to directories are not: they may lead around in circles. */
export async function scanManifests(paths: readonly string[], options: TreeOptions = {}): Promise<Scan> {
  const { without = [], maxFiles = MAX_FILES } = options;
  const found: Found = { files: [], directories: [], diagnostics: [], without: new Set([...without, "node_modules"]), maxFiles };
  for (const path of paths) await scanPath(path, found);
  const { files, directories, diagnostics } = found;
  const stamp = [...files.map((file) => `${file.path}\0${file.stamp}`), ...diagnostics.map(({ file, message }) => `${file}\0${message}`)];
  return { files, directories, diagnostics, stamp: stamp.join("\n") };
}

interface Found {
  readonly files: ScannedFile[];
  readonly directories: ScannedDirectory[];
  readonly diagnostics: Diagnostic[];
  readonly without: ReadonlySet<string>;
  readonly maxFiles: number;
}

async function scanPath(path: string, found: Found): Promise<void> {
  try {
    const status = await stat(path, { bigint: true });
    if (status.isDirectory()) await scanDirectory(path, status, found, MAX_DEPTH);
    else addFile(path, status, found);
  } catch (error) {
    found.diagnostics.push(unreadable(path, error));
  }
}

async function scanDirectory(directory: string, { dev, ino }: BigIntStats, found: Found, depth: number): Promise<void> {
  found.directories.push({ path: directory, identity: `${dev}:${ino}` });
  const entries = (await readdir(directory, { withFileTypes: true })).filter(({ name }) => !name.startsWith("."));
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const path = join(directory, entry.name);
    const isManifest = MANIFEST.test(entry.name) && (entry.isFile() || entry.isSymbolicLink());
    const isFolder = entry.isDirectory() && depth > 0 && !found.without.has(entry.name);
    if (!isManifest && !isFolder) continue;
    try {
      const status = await stat(path, { bigint: true });
      if (isFolder) await scanDirectory(path, status, found, depth - 1);
      else addFile(path, status, found);
    } catch (error) {
      found.diagnostics.push(unreadable(path, error));
    }
  }
}

function addFile(path: string, status: BigIntStats, found: Found): void {
  // A device or a pipe could be read for ever.
  if (!status.isFile()) return;
  const { files, maxFiles, diagnostics } = found;
  if (files.length < maxFiles) {
    const { ino, size, mtimeNs, ctimeNs } = status;
    files.push({ path, stamp: `${ino}:${size}:${mtimeNs}:${ctimeNs}`, sizeBytes: Number(size) });
  } else if (!diagnostics.some(({ code }) => code === "RESOURCE_TOO_MANY_FILES")) {
    const message = `expected at most ${maxFiles} manifests below a directory`;
    diagnostics.push(problem("RESOURCE_TOO_MANY_FILES", path, message, "name a directory that holds policies alone"));
  }
}

async function readFiles(scan: Scan, limits: DocumentLimits): Promise<ManifestTree> {
  const documents: Document[] = [];
  const diagnostics = [...scan.diagnostics];
  const hash = createHash("sha256");
  for (const { path, sizeBytes } of scan.files) {
    try {
      // What is too large is refused by its size, unread.
      const content = sizeBytes > limits.fileBytes ? new Uint8Array(limits.fileBytes + 1) : await readFile(path);
      hash.update(`${path.length}:${path}:${content.length}:`).update(content);
      const read = readDocuments(content, path, limits);
      documents.push(...read.documents);
      diagnostics.push(...read.diagnostics);
    } catch (error) {
      diagnostics.push(unreadable(path, error));
    }
  }
  for (const { file, code, message } of diagnostics) hash.update(`${file}\0${code}\0${message}\0`);
  return { documents, diagnostics, contentHash: hash.digest("hex") };
}

function unreadable(path: string, error: unknown): Diagnostic {
  return problem("RESOURCE_UNREADABLE", path, `cannot read \`${path}\`: ${messageOf(error)}`, "check the path and its permissions");
}

function problem(code: ManifestTreeErrorCode, file: string, message: string, hint: string): Diagnostic {
  return { code, severity: "error", message, file, line: 1, column: 1, length: 1, hint };
}
