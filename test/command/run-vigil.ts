/** Vigil as a user runs it: the whole command, in a process of its own. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { dirname, join } from "node:path";
import { ROOT } from "../source-tree.ts";

const MAIN = join(ROOT, "src/cmd/main.ts");

export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string;
  /** Default: the root of the checkout. */
  readonly cwd?: string;
  /** Beside PATH; the variables of the tests themselves are not passed on. */
  readonly environment?: { readonly [name: string]: string };
}

const environmentOf = ({ environment = {} }: RunOptions): NodeJS.ProcessEnv => ({
  PATH: `${dirname(process.execPath)}:${process.env["PATH"]}`,
  HOME: "/nonexistent",
  VIGIL_STATE_DIRECTORY: "/nonexistent/vigil",
  ...environment,
});

/** Runs `vigil` with these words to its end. */
export function vigil(words: readonly string[], options: RunOptions = {}): Outcome {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...words], {
    cwd: options.cwd ?? ROOT,
    env: environmentOf(options),
    input: options.input ?? "",
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  return { status, stdout, stderr };
}

/** A `vigil` that goes on running. */
export interface Service {
  readonly process: ChildProcess;
  /** All that it has written so far. */
  stdout(): string;
  stderr(): string;
  /** Resolves when standard output matches; rejects when the process ends first. */
  until(pattern: RegExp): Promise<void>;
  /** Sends the signal and resolves with the exit code. */
  stop(signal: NodeJS.Signals): Promise<number | null>;
}

export function startVigil(words: readonly string[], options: RunOptions = {}): Service {
  const child = spawn(process.execPath, [MAIN, ...words], {
    cwd: options.cwd ?? ROOT,
    env: environmentOf(options),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = once(child, "exit");
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  return {
    process: child,
    stdout: () => stdout,
    stderr: () => stderr,
    until: async (pattern) => {
      while (!pattern.test(stdout)) {
        if (child.exitCode !== null) throw new Error(`vigil ended with ${child.exitCode}: ${stdout}${stderr}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    stop: async (signal) => {
      child.kill(signal);
      await ended;
      return child.exitCode;
    },
  };
}
