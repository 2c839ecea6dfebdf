/**
 * Which workload a process is: the agent says, by the same attestation that gives identities. It is asked once for all processes of one
 * program and user in one cgroup, and again after a while; until it has answered, a process is named by its cgroup.
 */
import type { ProcessView } from "../../falco/syscall-event.ts";
import { GrpcChannel } from "../../grpc/channel.ts";
import { messageOf } from "../../lib/error.ts";
import type { RunningWorkload } from "../../policy/runtime-view.ts";
import { Agent } from "../../service/generated/vigil/agent/v1/agent_pb.ts";

/** Names the workloads of processes; the same length and order as `pids`. Rejects when nobody answers. */
export type Identify = (
  pids: readonly number[],
) => Promise<readonly { readonly spiffeIds: readonly string[]; readonly workload: string; readonly isFound: boolean }[]>;

export interface WorkloadDirectoryOptions {
  readonly identify: Identify;
  readonly clock: () => number;
  /** The agent has not answered for half a minute: told once until it does. */
  readonly onProblem: (message: string) => void;
}

interface Known {
  /** Empty: it is no registered workload, or not known yet. */
  readonly id: string;
  readonly askedAtMs: number;
}

/** Entries come and go; this is how long an answer is believed. */
const BELIEVED_MS = 60_000;
/** A process that is no workload now may be one soon, as when it has just been started. */
const NOBODY_MS = 5_000;
const LIMIT = 8_192;
const BATCH = 64;
/** Processes that wait to be asked about; what is beyond that stays unresolved a little longer. */
const MAX_WAITING = 1_024;
const PAUSE_MS = 20;
const PROBLEM_MS = 30_000;

export class WorkloadDirectory implements Disposable {
  readonly #options: WorkloadDirectoryOptions;
  /** By program, user and cgroup; the oldest first. */
  readonly #known = new Map<string, Known>();
  /** PIDs to ask about, by key. */
  readonly #waiting = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #asking: Promise<void> = Promise.resolve();
  #failingSinceMs: number | undefined;
  #isProblemTold = false;
  #isClosed = false;

  constructor(options: WorkloadDirectoryOptions) {
    this.#options = options;
  }

  /** What is known now; asks when nothing is. */
  workloadOf(process: ProcessView): RunningWorkload {
    const key = keyOf(process);
    const known = this.#known.get(key);
    const nowMs = this.#options.clock();
    if (known === undefined || nowMs - known.askedAtMs > (known.id === "" ? NOBODY_MS : BELIEVED_MS)) this.#ask(key, process.pid);
    const id = known === undefined || known.id === "" ? `unresolved:${process.cgroupId}` : known.id;
    return { id, labels: process.container.labels };
  }

  /** As `workloadOf`, once what is being asked has been answered, within `withinMs`. */
  async resolved(process: ProcessView, withinMs: number): Promise<RunningWorkload> {
    const first = this.workloadOf(process);
    if (!this.#waiting.has(keyOf(process))) return first;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, withinMs).unref();
    });
    await Promise.race([this.#flush(), late]);
    clearTimeout(timer);
    return this.workloadOf(process);
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  #ask(key: string, pid: number): void {
    if (this.#isClosed || this.#waiting.size >= MAX_WAITING) return;
    // The process that was seen last is the likeliest to live when the agent looks.
    this.#waiting.set(key, pid);
    this.#timer ??= setTimeout(() => void this.#flush(), PAUSE_MS).unref();
  }

  #flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#asking = this.#asking.then(() => this.#askWaiting());
    return this.#asking;
  }

  async #askWaiting(): Promise<void> {
    while (this.#waiting.size > 0 && !this.#isClosed) {
      const batch = [...this.#waiting].slice(0, BATCH);
      let answers: Awaited<ReturnType<Identify>> = [];
      try {
        answers = await this.#options.identify(batch.map(([, pid]) => pid));
        this.#failingSinceMs = undefined;
        this.#isProblemTold = false;
      } catch (error) {
        this.#fail(messageOf(error));
      }
      const askedAtMs = this.#options.clock();
      for (const [index, [key]] of batch.entries()) {
        this.#waiting.delete(key);
        const answer = answers[index];
        // Of a process that has ended nothing is known: the next one like it is asked about.
        if (answer?.isFound !== false) this.#remember(key, { id: answer?.spiffeIds[0] ?? this.#known.get(key)?.id ?? "", askedAtMs });
      }
    }
  }

  /** The agent starts beside the sensor: only what lasts is worth a line. */
  #fail(message: string): void {
    const nowMs = this.#options.clock();
    this.#failingSinceMs ??= nowMs;
    if (this.#isProblemTold || nowMs - this.#failingSinceMs < PROBLEM_MS) return;
    this.#isProblemTold = true;
    this.#options.onProblem(`processes are named by their cgroups, the agent does not answer: ${message}`);
  }

  #remember(key: string, known: Known): void {
    this.#known.delete(key);
    const [oldest] = this.#known.keys();
    if (this.#known.size >= LIMIT && oldest !== undefined) this.#known.delete(oldest);
    this.#known.set(key, known);
  }
}

const keyOf = ({ cgroupId, uid, exePath }: ProcessView): string => `${cgroupId}\0${uid}\0${exePath}`;

const METADATA = { "workload.spiffe.io": "true" };
const TIMEOUT_MS = 2_000;

/** Asks the agent at a unix socket. The channel is to be closed. */
export function identifyByAgent(path: string): { readonly identify: Identify; readonly close: () => Promise<void> } {
  const channel = new GrpcChannel({ address: { kind: "unix", path }, metadata: METADATA, connectTimeoutMs: TIMEOUT_MS });
  return {
    identify: async (pids) => (await channel.unary(Agent.method.identify, { pids: [...pids] }, { timeoutMs: TIMEOUT_MS })).processes,
    close: () => channel.close({ cut: true }),
  };
}
