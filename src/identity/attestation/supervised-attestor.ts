/**
 * `vigil:process` selectors: which process of this Vigil it is. Its supervisor says so over a channel that nobody else has; that a process belongs to
 * the same user, or runs the same program, makes it none of them.
 */
import { VigilError } from "../../lib/error.ts";
import { ProcessHandle } from "../../linux/process-handle.ts";
import type { AttestedProcess, AttestorFinding, WorkloadAttestor } from "./attestor.ts";

export interface SupervisedProcess {
  /** `control` */
  readonly name: string;
  /** 0 while it does not run. */
  readonly pid: number;
}

interface Known {
  readonly name: string;
  /** With it, a number that is used again is not mistaken for the process. */
  readonly startTicks: bigint;
}

export class SupervisedProcesses {
  readonly #supervisorPid: number;
  #known: ReadonlyMap<number, Known> = new Map();

  /** `supervisorPid`: of whoever started the processes. */
  constructor(supervisorPid: number) {
    this.#supervisorPid = supervisorPid;
  }

  /** Takes over which processes run; whether that changed what is attested. */
  follow(processes: readonly SupervisedProcess[]): boolean {
    const next = new Map<number, Known>();
    for (const { name, pid } of processes) {
      const startTicks = pid > 0 ? this.#startOf(pid) : undefined;
      if (startTicks !== undefined) next.set(pid, { name, startTicks });
    }
    const before = this.#known;
    this.#known = next;
    return next.size !== before.size || [...next].some(([pid, { startTicks }]) => before.get(pid)?.startTicks !== startTicks);
  }

  get attestor(): WorkloadAttestor {
    return {
      name: "vigil",
      attest: ({ process: { pid, startTicks } }: AttestedProcess): AttestorFinding => {
        const known = this.#known.get(pid);
        return known === undefined || known.startTicks !== startTicks
          ? { kind: "none" }
          : { kind: "selectors", selectors: [`vigil:process:${known.name}`] };
      },
    };
  }

  /** Undefined when it has ended, or when what has its number now is no child of the supervisor. */
  #startOf(pid: number): bigint | undefined {
    try {
      using handle = ProcessHandle.open(pid);
      return handle.parentPid() === this.#supervisorPid ? handle.startTicks : undefined;
    } catch (thrown) {
      if (thrown instanceof VigilError && thrown.code === "LINUX_PROCESS_GONE") return undefined;
      throw thrown;
    }
  }
}
