/** The processes that one broker refers to: each is held, attested and watched once, however many calls are about it. */
import { VigilError } from "../../lib/error.ts";
import { watchProcessEnd } from "../../linux/process-end.ts";
import { ProcessHandle } from "../../linux/process-handle.ts";
import type { Agent } from "../agent/agent.ts";
import { Caller } from "../agent/caller.ts";
import { AttestedConnection } from "../attestation/attested-connection.ts";
import type { WorkloadAttestor } from "../attestation/attestor.ts";
import { referenceRefusal } from "./reference-refusal.ts";

export interface ReferencedProcess {
  readonly pid: number;
  readonly workload: Caller;
  /** Aborts when the process ends: from then on nothing is said about its identities, whatever its number comes to mean. */
  readonly ended: AbortSignal;
}

interface Held extends ReferencedProcess {
  readonly end: AbortController;
  readonly watch: Disposable;
  users: number;
}

export class ReferencedProcesses {
  readonly #agent: Agent;
  readonly #attestors: readonly WorkloadAttestor[];
  readonly #held = new Map<number, Held>();

  constructor(agent: Agent, attestors: readonly WorkloadAttestor[]) {
    this.#agent = agent;
    this.#attestors = attestors;
  }

  get size(): number {
    return this.#held.size;
  }

  /**
   * The process with this number, until the function that comes with it is called. Throws the refusal with which the call ends when there is
   * none. UNTRUSTED: the number.
   */
  use(pid: number): { readonly process: ReferencedProcess; readonly release: () => void } {
    if (!Number.isInteger(pid) || pid <= 0) throw referenceRefusal("WORKLOAD_REFERENCE_INVALID", "expected a positive process ID");
    const held = this.#held.get(pid) ?? this.#open(pid);
    held.users++;
    let isReleased = false;
    const release = (): void => {
      if (isReleased) return;
      isReleased = true;
      held.users--;
      if (held.users === 0) this.#forget(held);
    };
    return { process: held, release };
  }

  #open(pid: number): Held {
    try {
      const handle = ProcessHandle.open(pid);
      let workload: Caller;
      let watch: Disposable;
      try {
        const generation = (): number => this.#agent.attestationGeneration;
        workload = new Caller(AttestedConnection.ofProcess(handle, this.#attestors, generation), this.#agent);
        watch = watchProcessEnd(handle, () => this.#forget(held));
      } catch (thrown) {
        handle.close();
        throw thrown;
      }
      const end = new AbortController();
      const held: Held = { pid, workload, end, ended: end.signal, watch, users: 0 };
      this.#held.set(pid, held);
      return held;
    } catch (thrown) {
      if (!(thrown instanceof VigilError)) throw thrown;
      throw referenceRefusal("WORKLOAD_NOT_FOUND", `process ${pid} cannot be found: ${thrown.message}`, { pid, cause: thrown });
    }
  }

  /** It has ended, or nobody asks about it any more. */
  #forget(held: Held): void {
    if (held.end.signal.aborted) return;
    if (this.#held.get(held.pid) === held) this.#held.delete(held.pid);
    held.watch[Symbol.dispose]();
    held.workload.connection[Symbol.dispose]();
    held.end.abort();
  }
}
