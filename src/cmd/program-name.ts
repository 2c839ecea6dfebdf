import { extname, join, relative, sep } from "node:path";
import { PACKAGE_ROOT } from "./version.ts";

/** How whoever started this process can call Vigil again from where they are: `vigil`, or the launcher of a checkout. */
export function programName(): string {
  if (extname(import.meta.url) !== ".ts") return "vigil";
  const path = relative(process.cwd(), join(PACKAGE_ROOT, "vigil"));
  return path.includes(sep) ? path : `./${path}`;
}
