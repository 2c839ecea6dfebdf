/** The sources of Vigil as the architecture tests see them: files, and what each imports. */
import { readdirSync, readFileSync } from "node:fs";
import { join, posix, sep } from "node:path";

export const ROOT: string = join(import.meta.dirname, "..");

export interface Module {
  /** Relative to the root of the checkout, with `/`: `src/cel/parser.ts`. */
  readonly path: string;
  /** The folder under `src/` that owns it: `cel`. */
  readonly folder: string;
  readonly text: string;
  /** Modules of Vigil that it may load, at once or when they are needed; imports of types are left out. */
  readonly loads: readonly string[];
  /** Those that it loads at once. */
  readonly loadsAtStart: readonly string[];
  /** Modules of Vigil that it names in any way. */
  readonly names: readonly string[];
  /** Packages and `node:` modules that it names. */
  readonly packages: readonly string[];
}

// Exact only while Biome keeps imports static, in double quotes and one per statement.
const IMPORT = /^(?:import|export)\b(?<type> type\b)?(?:[^"';]*?from )?"(?<static>[^"]+)"|\bimport\("(?<dynamic>[^"]+)"\)/gm;

function readModule(path: string): Module {
  const text = readFileSync(join(ROOT, path), "utf8");
  const imports = [...text.matchAll(IMPORT)].map(({ groups }) => ({
    to: groups?.static ?? groups?.dynamic ?? "",
    isType: groups?.type !== undefined,
    isLazy: groups?.dynamic !== undefined,
  }));
  const resolve = (to: string): string => posix.join(posix.dirname(path), to);
  const own = imports.filter(({ to }) => to.startsWith("."));
  return {
    path,
    folder: path.split("/")[1] ?? "",
    text,
    loads: own.filter(({ isType }) => !isType).map(({ to }) => resolve(to)),
    loadsAtStart: own.filter(({ isType, isLazy }) => !isType && !isLazy).map(({ to }) => resolve(to)),
    names: own.map(({ to }) => resolve(to)),
    packages: imports.filter(({ to }) => !to.startsWith(".")).map(({ to }) => to),
  };
}

/** Files under a folder of the checkout, relative to its root, sorted. */
export function filesUnder(folder: string, extension: string): readonly string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(extension) && !file.includes("node_modules"))
    .map((file) => `${folder}/${file.split(sep).join("/")}`)
    .sort();
}

/** Every module under `src/` that ships: no tests. */
export const MODULES: readonly Module[] = filesUnder("src", ".ts")
  .filter((path) => !path.endsWith(".test.ts"))
  .map(readModule);

const byPath: ReadonlyMap<string, Module> = new Map(MODULES.map((module) => [module.path, module]));

/** What a module loads, directly or through others, itself included: ever, or at once when it starts. */
export function closureOf(entry: string, when: "ever" | "start" = "ever"): ReadonlySet<Module> {
  const reached = new Set<Module>();
  const visit = (path: string): void => {
    const module = byPath.get(path);
    if (module === undefined || reached.has(module)) return;
    reached.add(module);
    (when === "ever" ? module.loads : module.loadsAtStart).forEach(visit);
  };
  visit(entry);
  return reached;
}

/** Text of a file of the checkout. */
export const readText = (path: string): string => readFileSync(join(ROOT, path), "utf8");
