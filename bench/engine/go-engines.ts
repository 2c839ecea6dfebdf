/** cel-go and OPA, driven over a pipe: `bench/peers/engines`, built on demand with the Go toolchain. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Contestant } from "../measure.ts";
import type { Case } from "../workload.ts";

const PEERS = join(import.meta.dirname, "../peers");
const CACHE = join(import.meta.dirname, "../.cache");

/** Builds a Go peer once and returns the path of its binary. Throws what the compiler said when it does not build. */
export function buildGoPeer(folder: "engines" | "kyverno", target: string): string {
  const binary = join(CACHE, folder);
  if (existsSync(binary)) return binary;
  mkdirSync(CACHE, { recursive: true });
  process.stderr.write(`building ${folder} from its Go modules (minutes, once)\n`);
  execFileSync("go", ["build", "-o", binary, target], { cwd: join(PEERS, folder), stdio: ["ignore", "inherit", "inherit"] });
  return binary;
}

/** The Go engines as contestants. Call `close` when done. */
export class GoEngines {
  readonly #child: ChildProcess;
  readonly #answers: ((line: string) => void)[] = [];
  versions: Readonly<Record<string, string>> = {};

  constructor(binary: string) {
    this.#child = spawn(binary, { stdio: ["pipe", "pipe", "inherit"] });
    if (this.#child.stdout === null) throw new Error("the peer has no output");
    createInterface(this.#child.stdout).on("line", (line) => this.#answers.shift()?.(line));
  }

  #ask(request: object): Promise<Record<string, unknown>> {
    const { promise, resolve } = Promise.withResolvers<Record<string, unknown>>();
    this.#answers.push((line) => resolve(JSON.parse(line)));
    this.#child.stdin?.write(`${JSON.stringify(request)}\n`);
    return promise;
  }

  async load(inputs: readonly object[], cases: readonly Pick<Case, "name" | "cel" | "rego">[]): Promise<void> {
    const answer = await this.#ask({ op: "load", inputs, cases: cases.map(({ name, cel, rego }) => ({ name, cel, rego })) });
    this.versions = answer["versions"] as Record<string, string>;
  }

  contestant(engine: "cel-go" | "cel-go with cost" | "OPA", name: string): Contestant {
    const run = async (iterations: number): Promise<number> =>
      Number((await this.#ask({ op: "run", engine, case: name, iterations }))["cpuNs"]);
    return { name: engine, run };
  }

  /** How many of the inputs pass, each judged once. */
  async countPassed(engine: "cel-go" | "OPA", name: string, inputCount: number): Promise<number> {
    return Number((await this.#ask({ op: "run", engine, case: name, iterations: inputCount }))["trues"]);
  }

  /** CPU nanoseconds to compile the expressions as the API server does. */
  async compileNs(sources: readonly string[]): Promise<number> {
    return Number((await this.#ask({ op: "compile", sources }))["cpuNs"]);
  }

  close(): void {
    this.#child.stdin?.end();
  }
}
