import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder that holds package.json, packs/ and examples/: the checkout, or the installed package. */
export const PACKAGE_ROOT: string = join(dirname(fileURLToPath(import.meta.url)), "../..");

/** Where compiled code is kept. It is inside the installation: whoever can write there can change the sources as well. */
export const COMPILE_CACHE: string = join(PACKAGE_ROOT, ".vigil/compile-cache");

/** The version of this Vigil, from its package.json. */
export function readVersion(): string {
  const { version }: { version?: unknown } = JSON.parse(readFileSync(join(PACKAGE_ROOT, "package.json"), "utf8"));
  return String(version);
}
