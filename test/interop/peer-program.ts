/** The Go programs that the tests compare with. `scripts/peers.sh` builds them, once. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { onTestFinished } from "vitest";
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

/** `go-spiffe-peer` with the Workload API at a socket. */
export class GoSpiffe {
  readonly #program: string;
  readonly #environment: NodeJS.ProcessEnv;

  constructor(socket: string, environment: { readonly [name: string]: string } = {}) {
    this.#program = GoSpiffe.program();
    this.#environment = { PATH: process.env["PATH"], SPIFFE_ENDPOINT_SOCKET: `unix://${socket}`, ...environment };
  }

  static program(): string {
    return peerProgram("go-spiffe", "go-spiffe-peer");
  }

  /** What it says; rejects with what it says is wrong. */
  async ask(...words: readonly string[]): Promise<Record<string, unknown>> {
    const child = spawn(this.#program, words, { env: this.#environment, stdio: ["ignore", "pipe", "pipe"] });
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
    if (stderr !== "") throw new Error(stderr.trim());
    return JSON.parse(stdout);
  }

  /** Starts what goes on until the test ends; its lines come as they are said. */
  start(...words: readonly string[]): { next(): Promise<Record<string, unknown>> } {
    const child = spawn(this.#program, words, { env: this.#environment, stdio: ["pipe", "pipe", "inherit"] });
    onTestFinished(async () => {
      if (child.kill("SIGKILL")) await once(child, "exit");
    });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return {
      next: async () => {
        const { value, done } = await lines.next();
        if (done === true) throw new Error("it has ended");
        return JSON.parse(value);
      },
    };
  }
}
