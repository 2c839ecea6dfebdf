/** Where the rules about processes are. */
import { join } from "node:path";
import { PACKAGE_ROOT } from "../version.ts";

const BUILT_IN = "builtin";

/** The paths that the setting `runtime.rules` means: the built-in policies where it says nothing. */
export const rulePaths = (stated: readonly string[]): readonly string[] =>
  (stated.length === 0 ? [BUILT_IN] : stated).map((path) => (path === BUILT_IN ? join(PACKAGE_ROOT, "packs/runtime") : path));
