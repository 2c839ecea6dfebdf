/** Programs started by the thousand: needs a C compiler (`cc`). */
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Stormed {
  readonly started: number;
  readonly seconds: number;
}

export class ExecStorm implements Disposable {
  /** The program that is started: it ends at once. */
  readonly program: string;
  readonly #directory: string = mkdtempSync(join(tmpdir(), "vigil-storm-"));
  readonly #storm: string;

  constructor() {
    this.program = join(this.#directory, "tiny");
    this.#storm = join(this.#directory, "storm");
    const source = (name: string): string => join(import.meta.dirname, name);
    execFileSync("cc", ["-Os", "-static", "-nostdlib", "-o", this.program, source("tiny.c")]);
    execFileSync("cc", ["-O2", "-o", this.#storm, source("exec-storm.c")]);
  }

  /** Starts so many, at most so many per second. */
  async run(count: number, perSecond: number): Promise<Stormed> {
    const child = spawn(this.#storm, [this.program, String(count), String(perSecond)], { stdio: ["ignore", "pipe", "inherit"] });
    let answer = "";
    for await (const chunk of child.stdout) answer += chunk;
    return JSON.parse(answer);
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true });
  }
}
