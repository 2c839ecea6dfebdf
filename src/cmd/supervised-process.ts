/** One process under supervision: started, watched, started again when it dies, and drained. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { VigilError } from "../lib/error.ts";
import type { JsonValue } from "../lib/json.ts";
import type { FromProcess, ProcessStatus, ReadyReport, ToProcess } from "./process-message.ts";

export type ProcessErrorCode = "PROCESS_REFUSED" | "PROCESS_ENDED" | "PROCESS_NOT_READY";

/** A row of the table of processes. */
export interface ProcessSpec {
  readonly name: string;
  /** The module that it runs. */
  readonly entry: URL;
  /** The user that it becomes; absent means the one of the supervisor. */
  readonly user?: { readonly uid: number; readonly gid: number };
  /** Options of Node.js, which come before the module. */
  readonly execArgv?: readonly string[];
  /** Added to that of the supervisor. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly settings: JsonValue;
  /** It needs none of the others: it is started at once, beside them. */
  readonly isIndependent?: boolean;
  readonly readyWithinMs: number;
  readonly drainWithinMs: number;
}

export interface Restart {
  /** The first pause; each failure in a row doubles it. */
  readonly minMs: number;
  readonly maxMs: number;
  /** Once it has been ready for so long, earlier failures are forgotten. */
  readonly forgetAfterMs: number;
  /** 0 ≤ x < 1; spreads the pauses of many machines. */
  readonly random: () => number;
}

export type ProcessNews =
  | { readonly kind: "state"; readonly status: ProcessStatus }
  | { readonly kind: "lost"; readonly name: string; readonly reason: string; readonly againInMs: number };

/** The pause before start number `failures` + 1: doubling from `minMs` to `maxMs`, of which the last quarter is random. */
export function pauseMs(failures: number, { minMs, maxMs, random }: Restart): number {
  return Math.min(maxMs, minMs * 2 ** Math.min(30, failures - 1)) * (0.75 + random() / 4);
}

export class SupervisedProcess {
  readonly #spec: ProcessSpec;
  readonly #restart: Restart;
  readonly #tell: (news: ProcessNews) => void;
  #child: ChildProcess | undefined;
  #state: ProcessStatus["state"] = "ended";
  #sinceMs = Date.now();
  #failures = 0;
  #isStopping = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(spec: ProcessSpec, restart: Restart, tell: (news: ProcessNews) => void) {
    this.#spec = spec;
    this.#restart = restart;
    this.#tell = tell;
  }

  get status(): ProcessStatus {
    const pid = this.#child !== undefined && isAlive(this.#child) ? (this.#child.pid ?? 0) : 0;
    return { name: this.#spec.name, state: this.#state, pid, failures: this.#failures, sinceMs: this.#sinceMs };
  }

  /** Starts it for the first time; from then on it is started again whenever it dies. Throws a `ProcessErrorCode` when it does not become ready. */
  async start(): Promise<ReadyReport> {
    const report = await this.#launch();
    this.#watch();
    return report;
  }

  send(message: ToProcess): void {
    if (this.#child?.connected) this.#child.send(message, () => {});
  }

  /** It will not be started again. */
  expectEnd(): void {
    this.#isStopping = true;
    clearTimeout(this.#timer);
  }

  /** Lets it finish what it does, and ends it when that takes too long. Resolves when it has gone. */
  async stop(): Promise<void> {
    this.expectEnd();
    const child = this.#child;
    if (child !== undefined && isAlive(child)) {
      this.#enter("draining");
      const { drainWithinMs } = this.#spec;
      this.send({ kind: "drain", withinMs: drainWithinMs });
      // The process keeps the deadline itself; this is for one that cannot.
      const timer = setTimeout(() => child.kill("SIGKILL"), drainWithinMs + 1_000);
      await once(child, "exit");
      clearTimeout(timer);
    }
    this.#enter("ended");
  }

  #enter(state: ProcessStatus["state"]): void {
    this.#state = state;
    this.#sinceMs = Date.now();
    this.#tell({ kind: "state", status: this.status });
  }

  /** Starts a child and waits until it is ready; one that is not is killed. */
  async #launch(): Promise<ReadyReport> {
    const { name, entry, user, execArgv = [], environment, settings, readyWithinMs } = this.#spec;
    const child = fork(fileURLToPath(entry), [], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      serialization: "json",
      env: { ...process.env, ...environment },
      execArgv: [...process.execArgv, ...execArgv],
      ...user,
    });
    this.#child = child;
    this.#enter("starting");
    this.send({ kind: "start", settings });
    try {
      const report = await firstAnswer(child, name, readyWithinMs);
      this.#enter("ready");
      return report;
    } catch (error) {
      if (isAlive(child)) {
        child.kill("SIGKILL");
        await once(child, "exit");
      }
      this.#enter("ended");
      throw error;
    }
  }

  #watch(): void {
    const child = this.#child;
    const forget = setTimeout(() => {
      this.#failures = 0;
    }, this.#restart.forgetAfterMs).unref();
    child?.once("exit", (code, signal) => {
      clearTimeout(forget);
      if (!this.#isStopping) this.#startAgain(endOf(code, signal));
    });
  }

  #startAgain(reason: string): void {
    this.#failures++;
    const againInMs = pauseMs(this.#failures, this.#restart);
    this.#enter("waiting");
    this.#tell({ kind: "lost", name: this.#spec.name, reason, againInMs });
    this.#timer = setTimeout(() => {
      this.#launch().then(
        () => this.#watch(),
        (error) => !this.#isStopping && this.#startAgain(error.message),
      );
    }, againInMs);
  }
}

const isAlive = (child: ChildProcess): boolean => child.exitCode === null && child.signalCode === null;
const endOf = (code: number | null, signal: string | null): string =>
  signal === null ? `ended with code ${code}` : `was ended by ${signal}`;

/** Its report when it is ready in time; throws a `ProcessErrorCode` otherwise. */
async function firstAnswer(child: ChildProcess, name: string, withinMs: number): Promise<ReadyReport> {
  const fail = (code: ProcessErrorCode, message: string, hint?: string): VigilError<ProcessErrorCode> =>
    new VigilError(code, message, hint === undefined ? {} : { hint });
  return new Promise((resolve, reject) => {
    const late = setTimeout(
      () => reject(fail("PROCESS_NOT_READY", `${name} was not ready within ${withinMs} ms`, "the lines above say how far it came")),
      withinMs,
    );
    const settle = (act: () => void): void => {
      clearTimeout(late);
      child.off("message", answered).off("exit", ended).off("error", failed);
      child.on("error", () => {}); // A message to a process that has just died.
      act();
    };
    const failed = (error: Error): void => settle(() => reject(fail("PROCESS_ENDED", `${name} could not be started: ${error.message}`)));
    const ended = (code: number | null, signal: NodeJS.Signals | null): void =>
      settle(() => reject(fail("PROCESS_ENDED", `${name} ${endOf(code, signal)} before it was ready`, "the lines above say why")));
    const answered = (message: FromProcess): void =>
      settle(() => (message.kind === "ready" ? resolve(message.report) : reject(fail("PROCESS_REFUSED", message.message, message.hint))));
    child.on("error", failed).on("exit", ended).on("message", answered);
  });
}
