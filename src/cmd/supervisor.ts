/**
 * The supervisor: starts a table of processes in order, keeps them running, and drains them in reverse. It opens no socket and
 * parses nothing but messages of its own children, since it is the one that may be root.
 */
import type { ProcessStatus, ReadyReport } from "./process-message.ts";
import { type ProcessNews, type ProcessSpec, type Restart, SupervisedProcess } from "./supervised-process.ts";

export const RESTART: Restart = { minMs: 1_000, maxMs: 30_000, forgetAfterMs: 60_000, random: Math.random };

export class Supervisor {
  readonly #processes: readonly SupervisedProcess[];
  readonly #independent: ReadonlySet<SupervisedProcess>;

  /** `tell` hears of every change; the processes hear of each other's state. */
  constructor(specs: readonly ProcessSpec[], tell: (news: ProcessNews) => void, restart: Restart = RESTART) {
    this.#processes = specs.map(
      (spec) =>
        new SupervisedProcess(spec, restart, (news) => {
          tell(news);
          if (news.kind === "state") this.#shareStatus();
        }),
    );
    this.#independent = new Set(this.#processes.filter((_, index) => specs[index]?.isIndependent === true));
  }

  get status(): readonly ProcessStatus[] {
    return this.#processes.map((process) => process.status);
  }

  /** Starts every process, each once the one before is ready, independent ones at once; their reports in their order. When one does not become ready, those before it are drained and the `ProcessErrorCode` is thrown. */
  async start(): Promise<readonly ReadyReport[]> {
    const beside = new Map([...this.#independent].map((process) => [process, process.start()]));
    // A failure is met where its turn is.
    for (const starting of beside.values()) starting.catch(() => {});
    const reports: ReadyReport[] = [];
    try {
      for (const process of this.#processes) reports.push(await (beside.get(process) ?? process.start()));
    } catch (error) {
      await this.stop();
      throw error;
    }
    this.#shareStatus();
    return reports;
  }

  /** Drains every process, the last started first. */
  async stop(): Promise<void> {
    // A service manager or a terminal may have told the processes too: none is started again while others drain.
    for (const process of this.#processes) process.expectEnd();
    for (const process of this.#processes.toReversed()) await process.stop();
  }

  #shareStatus(): void {
    for (const process of this.#processes) {
      if (process.status.state === "ready") process.send({ kind: "processes", processes: this.status });
    }
  }
}
