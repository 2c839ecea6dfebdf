/** Runs the command line of Vigil on real programs, for the tests of profiles. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { ROOT } from "../source-tree.ts";

export interface Finished {
  readonly code: number | null;
  readonly output: string;
  readonly notes: string;
}

/** Starts `vigil`; `use` is done while it runs, and then it is asked to stop. */
export async function runVigil(words: readonly string[], use?: (vigil: ChildProcess) => Promise<void>): Promise<Finished> {
  const vigil = spawn(process.execPath, [join(ROOT, "src/cmd/main.ts"), ...words], { cwd: "/", stdio: ["ignore", "pipe", "pipe"] });
  const texts = { output: "", notes: "" };
  vigil.stdout.setEncoding("utf8").on("data", (chunk) => {
    texts.output += chunk;
  });
  vigil.stderr.setEncoding("utf8").on("data", (chunk) => {
    texts.notes += chunk;
  });
  const closed = once(vigil, "close");
  if (use !== undefined) {
    try {
      await use(vigil);
    } finally {
      vigil.kill("SIGTERM");
    }
  }
  const [code] = await closed;
  return { code, ...texts };
}
