/** Which files a path of the command line means: itself, or the manifests below it. */
import { statSync } from "node:fs";
import type { Diagnostic } from "../lib/diagnostic.ts";
import { scanManifests } from "../resource/manifest-tree.ts";
import type { InputErrorCode } from "./read-input.ts";

export interface ManifestFile {
  readonly path: string;
  /** True when it was found in a directory rather than named: what is no manifest may then be passed over. */
  readonly wasFound: boolean;
}

export interface ManifestFiles {
  readonly files: readonly ManifestFile[];
  readonly diagnostics: readonly Diagnostic[];
}

const MAX_FILES = 1_000_000;

/** Most often the wrong directory: that nothing in it is wrong would be no answer. */
const empty = (directory: string): Diagnostic => ({
  code: "INPUT_COUNT" satisfies InputErrorCode,
  severity: "error",
  message: "expected manifests, got none",
  file: directory,
  line: 1,
  column: 1,
  length: 1,
  hint: "their names end with .yaml, .yml or .json",
});

/** Files of the paths in the order of their names; what is named is taken whatever it is: a file, a pipe, `-` for standard input. */
export async function manifestFiles(paths: readonly string[]): Promise<ManifestFiles> {
  const files: ManifestFile[] = [];
  const diagnostics: Diagnostic[] = [];
  for (const path of paths) {
    if (path === "-" || !statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
      files.push({ path, wasFound: false });
      continue;
    }
    const scan = await scanManifests([path], { maxFiles: MAX_FILES });
    diagnostics.push(...scan.diagnostics);
    if (scan.files.length + scan.diagnostics.length === 0) diagnostics.push(empty(path));
    for (const file of scan.files) files.push({ path: file.path, wasFound: true });
  }
  return { files, diagnostics };
}
