/** Tells of refusals, but not of every one of a program that asks in a loop. */
import type { GrpcStatusName } from "../../grpc/status.ts";
import type { Agent } from "./agent.ts";
import type { CallerFacts } from "./agent-event.ts";

export interface RefusedCall {
  readonly method: string;
  readonly status: GrpcStatusName;
  readonly caller: CallerFacts;
  readonly message: string;
  readonly selectors: readonly string[];
}

/** A refusal of the same program is told of once in so long. */
const PAUSE_MS = 10_000;
const MAX_REMEMBERED = 1_024;
const REFUSALS: ReadonlySet<GrpcStatusName> = new Set(["PERMISSION_DENIED", "UNAUTHENTICATED", "RESOURCE_EXHAUSTED"]);

export const isRefusal = (status: GrpcStatusName): boolean => REFUSALS.has(status);

export class Refusals {
  readonly #agent: Agent;
  readonly #told = new Map<string, number>();

  constructor(agent: Agent) {
    this.#agent = agent;
  }

  tell(refused: RefusedCall): void {
    const { uid, executablePath, broker } = refused.caller;
    const key = JSON.stringify([uid, executablePath, broker, refused.method, refused.status]);
    const nowMs = performance.now();
    if (nowMs - (this.#told.get(key) ?? Number.NEGATIVE_INFINITY) < PAUSE_MS) return;
    if (this.#told.size >= MAX_REMEMBERED) this.#told.clear();
    this.#told.set(key, nowMs);
    this.#agent.onEvent({ kind: "refused", ...refused });
  }
}
