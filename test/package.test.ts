/** The package as npm would publish it, installed into an empty folder. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ROOT, readText } from "./source-tree.ts";

const { name, version, exports } = JSON.parse(readText("package.json"));
const subpaths = Object.keys(exports).filter((subpath) => subpath !== "./package.json");
const specifiers = subpaths.map((subpath) => `${name}${subpath.slice(1)}`);
const installed = (path: string): string => join(folder, "node_modules", name, path);

let folder: string;
const environment = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env["PATH"]}` };
const run = (file: string, args: readonly string[], cwd: string = folder): string =>
  execFileSync(file, args, { cwd, env: environment, encoding: "utf8" });

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "vigil-package-"));
  run("npm", ["pack", "--silent", "--pack-destination", folder], ROOT);
  const [tarball = ""] = readdirSync(folder);
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
  run("npm", ["install", "--silent", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund", `./${tarball}`]);
}, 180_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the published package", () => {
  test.each(specifiers)("%s can be imported, and exports something", (specifier) => {
    const count = run(process.execPath, ["--input-type=module", "-e", `console.log(Object.keys(await import("${specifier}")).length)`]);
    expect(Number(count)).toBeGreaterThan(0);
  });

  test.each([
    { what: "all of it, beside the types of Node.js", parts: specifiers, types: "node" },
    { what: "the compiler, which needs no others", parts: [`${name}/cel`], types: "" },
  ])("type-checks for a consumer that checks libraries too: $what", ({ parts, types }) => {
    const imports = parts.map(
      (specifier, index) => `import * as part${index} from "${specifier}";\nexport const use${index} = part${index};`,
    );
    writeFileSync(join(folder, "consumer.ts"), imports.join("\n"));
    const compiler = join(ROOT, "node_modules/typescript/bin/tsc");
    const typeRoots = join(ROOT, "node_modules/@types");
    const options = ["--noEmit", "--strict", "--skipLibCheck", "false", "--module", "nodenext", "--target", "es2024"];
    const words = [compiler, ...options, "--typeRoots", typeRoots, "--types", types, "consumer.ts"];
    const { stdout, status } = spawnSync(process.execPath, words, { cwd: folder, encoding: "utf8" });
    expect({ stdout, status }).toEqual({ stdout: "", status: 0 });
  });

  test("its command runs", () => {
    expect(run(join(folder, "node_modules/.bin/vigil"), ["--version"]).trim()).toBe(version);
    expect(run(join(folder, "node_modules/.bin/vigil"), ["help"])).toContain("Commands:");
  });

  test("holds what is needed to run and what the licence asks for, and no sources or tests", () => {
    // What was run before has left its compile cache.
    expect(
      readdirSync(installed("."))
        .filter((name) => name !== ".vigil")
        .sort(),
    ).toEqual(["CHANGELOG.md", "ERRORS.md", "LICENSE", "NOTICE", "README.md", "dist", "examples", "package.json", "packs"].sort());
    const compiled = readdirSync(installed("dist"), { recursive: true, encoding: "utf8" });
    expect(compiled.filter((file) => /\.test\.|(?<!\.d)\.ts$/.test(file))).toEqual([]);
  });

  test("asks Node for no file that only the checkout has", () => {
    const scripts = readdirSync(installed("dist"), { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".js"));
    const refers = (file: string): boolean => /["'`]\.{1,2}\/[^"'`]*\.ts["'`]/.test(readFileSync(installed(`dist/${file}`), "utf8"));
    expect(scripts.filter(refers)).toEqual([]);
  });
});
