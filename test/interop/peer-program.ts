/** The Go programs that the tests compare with. `scripts/peers.sh` builds them, once. */
import { execFileSync, spawnSync } from "node:child_process";
import { join } from "node:path";
import { ROOT } from "../source-tree.ts";

/** From nothing, on a slow machine. */
export const BUILD_MS = 1_800_000;

/** Why there are no peers; undefined when they can be built. Tests that need them are skipped with it. */
export const peersProblem: string | undefined = spawnSync("go", ["version"]).error === undefined ? undefined : "Go is not installed";

/** The path of a program of a module in `test/peers`, which is built when it is missing. */
export function peerProgram(module: string, program: string): string {
  execFileSync(join(ROOT, "scripts/peers.sh"), [module], { stdio: ["ignore", "inherit", "inherit"] });
  return join(ROOT, "test/peers", module, "bin", program);
}
