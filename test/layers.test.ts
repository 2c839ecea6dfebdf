/** The borders of ARCHITECTURE.md, executed: its table of storeys is what this test reads. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { closureOf, filesUnder, MODULES, type Module, ROOT, readText } from "./source-tree.ts";

interface Folder {
  readonly height: number;
  readonly isPure: boolean;
  /** Folders on the same storey that it may import. */
  readonly siblings: readonly string[];
}

/** Reads the rows `| storey | folders | what they are | I/O |`; an empty first cell continues the storey above. */
function readStoreys(): ReadonlyMap<string, Folder> {
  const table = /^\| Storey \|.*\n\|[-| ]+\n(?<rows>(?:\|.*\n)+)/m.exec(readText("ARCHITECTURE.md"))?.groups?.rows ?? "";
  const folders = new Map<string, Folder>();
  let height = 0;
  for (const row of table.trim().split("\n")) {
    const [, storey = "", names = "", , io = ""] = row.split("|").map((cell) => cell.trim());
    if (storey !== "") height--;
    for (const [, name = ""] of names.replaceAll(/\([^)]*\)/g, "").matchAll(/`(\w+)\/`/g)) {
      const siblings = [...names.matchAll(/`(\w+)\/` imports `(\w+)\/`/g)].filter(([, from]) => from === name).map(([, , to = ""]) => to);
      folders.set(name, { height, isPure: io.replaceAll("*", "") === "no", siblings });
    }
  }
  return folders;
}

const STOREYS = readStoreys();
const IMPURE_MODULE =
  /^node:(fs|net|http|https|http2|tls|dgram|dns|child_process|cluster|worker_threads|os|timers|process|sqlite|readline)\b/;
const IMPURE_CODE = /\bprocess\.|\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|\bsetTimeout\(|\bsetInterval\(|\bfetch\(|\bperformance\./;
const ROOF_ONLY = /\bprocess\.(env|argv|exit|exitCode)\b|\bimport\(/;
const VAGUE_NAME = /(^|[-/])(utils?|helpers?|common|misc|shared|types|manager|base|impl)([-./]|$)/;

const withoutComments = (text: string): string => text.replaceAll(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, "");

test("ARCHITECTURE.md has a row for every folder under src/, and no other", () => {
  const folders = readdirSync(join(ROOT, "src"), { withFileTypes: true }).filter((entry) => entry.isDirectory());
  expect([...STOREYS.keys()].sort()).toEqual(folders.map((entry) => entry.name).sort());
});

/** The modules that break a rule, with what breaks it. */
function violations(modules: readonly Module[], rule: (module: Module) => readonly string[] | null): readonly string[] {
  return modules.flatMap((module) => (rule(module) ?? []).map((found) => `${module.path}: ${found}`));
}

const pure = MODULES.filter((module) => STOREYS.get(module.folder)?.isPure);
const belowTheRoof = MODULES.filter((module) => module.folder !== "cmd");

test("modules import only from storeys below their own", () => {
  const mayImport = (from: string, to: string): boolean => {
    const height = STOREYS.get(to)?.height ?? Number.POSITIVE_INFINITY;
    return to === from || STOREYS.get(from)?.siblings.includes(to) === true || height < (STOREYS.get(from)?.height ?? 0);
  };
  expect(violations(MODULES, ({ folder, names }) => names.filter((to) => !mayImport(folder, to.split("/")[1] ?? "")))).toEqual([]);
});

test("pure folders have no input, output, clock, timer or randomness", () => {
  expect(pure.length).toBeGreaterThan(0);
  expect(violations(pure, ({ packages }) => packages.filter((name) => IMPURE_MODULE.test(name)))).toEqual([]);
  expect(violations(pure, ({ text }) => withoutComments(text).match(IMPURE_CODE))).toEqual([]);
});

test("the environment, the exit and dynamic imports are left to the roof", () => {
  expect(violations(belowTheRoof, ({ text }) => withoutComments(text).match(ROOF_ONLY))).toEqual([]);
});

test("files have names that say what they are", () => {
  const files = ["src", "test", "scripts", "bench"].flatMap((folder) => filesUnder(folder, ".ts"));
  expect(files.filter((file) => VAGUE_NAME.test(file))).toEqual([]);
});

test("no module reaches itself through its imports", () => {
  const inCycle = MODULES.filter((module) => module.loads.some((to) => closureOf(to).has(module)));
  expect(inCycle.map((module) => module.path)).toEqual([]);
});
