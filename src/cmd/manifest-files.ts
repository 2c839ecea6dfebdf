/** Which files a path means: itself, or the manifests below it. */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { messageOf, VigilError } from "../lib/error.ts";
import type { InputErrorCode } from "./read-input.ts";

const MANIFEST = /\.(ya?ml|json)$/;
const MAX_DEPTH = 64;

export interface ManifestFile {
  readonly path: string;
  /** True when it was found in a directory rather than named: what is no manifest may then be passed over. */
  readonly wasFound: boolean;
}

/**
 * Files of a path in the order of their names. In directories: *.yaml, *.yml and *.json, without hidden entries and without folders
 * that are named in `without`. `-` is standard input. Throws `INPUT_UNREADABLE`.
 */
export function manifestFiles(path: string, without: readonly string[] = []): readonly ManifestFile[] {
  if (path === "-") return [{ path, wasFound: false }];
  try {
    if (!statSync(path).isDirectory()) return [{ path, wasFound: false }];
    return filesBelow(path, new Set([...without, "node_modules"]), MAX_DEPTH).map((file) => ({ path: file, wasFound: true }));
  } catch (error) {
    throw new VigilError<InputErrorCode>("INPUT_UNREADABLE", `cannot read \`${path}\`: ${messageOf(error)}`, { cause: error });
  }
}

/** Links to directories are not followed: they may lead around in circles. */
function filesBelow(directory: string, without: ReadonlySet<string>, depth: number): readonly string[] {
  if (depth === 0) return [];
  const entries = readdirSync(directory, { withFileTypes: true }).filter(({ name }) => !name.startsWith(".") && !without.has(name));
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  return entries.flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return filesBelow(path, without, depth - 1);
    const isFile = entry.isFile() || (entry.isSymbolicLink() && statSync(path, { throwIfNoEntry: false })?.isFile() === true);
    return isFile && MANIFEST.test(entry.name) ? [path] : [];
  });
}
