/** Makes dist/, the form that npm packages need: Node strips no types under node_modules. Data files are copied as they are. */
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, rmSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const dist = join(root, "dist");

rmSync(dist, { recursive: true, force: true });
const compiler = [join(root, "node_modules/typescript/bin/tsc"), "--project", join(root, "tsconfig.build.json")];
const { status } = spawnSync(process.execPath, compiler, { stdio: "inherit" });
if (status !== 0) process.exit(1);
cpSync(join(root, "src"), dist, { recursive: true, filter: (file) => !file.endsWith(".ts") });
chmodSync(join(dist, "cmd/main.js"), 0o755);
