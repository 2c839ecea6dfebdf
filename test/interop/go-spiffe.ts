/** The reference library of SPIFFE as a program: `test/peers/go-spiffe`. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { onTestFinished } from "vitest";
import { peerProgram } from "./peer-program.ts";

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
