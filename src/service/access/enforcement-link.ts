/**
 * The link of a service to the Vigil of its machine, by which the layers know of each other: the kernel lets through what only the process
 * can judge as long as this link stands, and what the process decides is seen beside what the kernel does (`vigil flows`).
 */
import { connect, type Socket } from "node:net";
import { ServiceError } from "../service-error.ts";
import type { AccessDecision } from "./access-gate.ts";

export interface EnforcementLinkOptions {
  /** Path of the unix socket, which `vigil run --as` puts into `VIGIL_ENFORCEMENT_SOCKET`. Undefined or empty: there is no Vigil to tell. */
  readonly socket: string | undefined;
  /** The link is broken (told once, until it stands again) or refused. The gate judges on without it. Must not throw. */
  readonly onProblem?: (error: ServiceError) => void;
}

/** What the service says, one JSON object on each line. */
export type LinkMessage =
  | { readonly kind: "enforcing"; readonly version: 1 }
  | ({ readonly kind: "decision" } & AccessDecision)
  /** Decisions that came faster than they could be sent. */
  | { readonly kind: "lost"; readonly count: number };

/** What Vigil answers, likewise. */
export type LinkAnswer =
  | { readonly kind: "registered"; readonly workload: string }
  | { readonly kind: "refused"; readonly message: string };

/** Decisions that wait while the other end is slow or away. */
const MAX_WAITING = 2_000;
const FLUSH_MS = 20;
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 2_000;
const MAX_ANSWER_BYTES = 4_096;

export class EnforcementLink {
  readonly #options: EnforcementLinkOptions;
  #socket: Socket | undefined;
  #isRegistered = false;
  #isClosed = false;
  #isBroken = false;
  #waiting: AccessDecision[] = [];
  #lost = 0;
  #retryMs = RETRY_MIN_MS;
  #timer: NodeJS.Timeout | undefined;
  #flushTimer: NodeJS.Timeout | undefined;
  #onReady: (() => void) | undefined;
  /** Resolves when Vigil has taken note: from then on the kernel relies on this process. Also where there is no Vigil to tell. */
  readonly ready: Promise<void>;

  /** `openEnforcementLink` makes it. */
  constructor(options: EnforcementLinkOptions) {
    this.#options = options;
    this.ready = new Promise((resolve) => {
      this.#onReady = resolve;
    });
    if (options.socket === undefined || options.socket === "") this.#onReady?.();
    else this.#connect(options.socket);
  }

  /** Tells of a decision: give it to `onDecision` of the gate. Never waits and never throws. */
  readonly report = (decision: AccessDecision): void => {
    if (this.#isClosed || this.#options.socket === undefined || this.#options.socket === "") return;
    if (this.#waiting.length >= MAX_WAITING) this.#lost++;
    else this.#waiting.push(decision);
    this.#flushTimer ??= setTimeout(() => this.#flush(), FLUSH_MS).unref();
  };

  /** Tells of a peer that was refused before it could ask for anything: give it what `onRefusal` of a server gets. */
  reportRefusal(error: ServiceError, port: number): void {
    this.report({
      verdict: "deny",
      refusal: { kind: "peer", status: 403, detail: error.message },
      policy: "trust bundle",
      rule: "",
      source: "",
      auditedBy: "",
      caller: "",
      method: "TLS",
      path: "handshake",
      address: "",
      port,
      latencyUs: 0,
    });
  }

  /** The kernel relies on this process no longer. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#flushTimer);
    this.#flush();
    this.#socket?.end();
    this.#onReady?.();
  }

  #connect(path: string): void {
    const socket = connect(path);
    this.#socket = socket;
    socket.unref();
    socket.setEncoding("utf8");
    let answer = "";
    socket.on("connect", () => this.#send({ kind: "enforcing", version: 1 }));
    socket.on("data", (text: string) => {
      answer += text;
      const end = answer.indexOf("\n");
      if (end >= 0) this.#answered(answer.slice(0, end));
      // It says one thing only.
      if (end >= 0 || answer.length > MAX_ANSWER_BYTES) answer = "";
    });
    socket.on("error", (cause) => this.#problem(`Vigil cannot be told who enforces: ${cause.message}`, cause));
    socket.on("drain", () => this.#flush());
    socket.on("close", () => {
      this.#isRegistered = false;
      if (this.#isClosed) return;
      this.#timer = setTimeout(() => this.#connect(path), this.#retryMs).unref();
      this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
    });
  }

  #answered(line: string): void {
    // Written by the Vigil of this machine, whose socket only its owner can replace.
    const answer = parseAnswer(line);
    if (answer?.kind === "registered") {
      this.#isRegistered = true;
      this.#isBroken = false;
      this.#retryMs = RETRY_MIN_MS;
      this.#onReady?.();
      this.#flush();
    } else {
      this.#problem(
        answer === undefined ? "Vigil's answer cannot be understood" : `Vigil does not rely on this process: ${answer.message}`,
      );
      this.#socket?.destroy();
    }
  }

  #problem(message: string, cause?: unknown): void {
    if (this.#isBroken || this.#isClosed) return;
    this.#isBroken = true;
    this.#options.onProblem?.(new ServiceError("SERVICE_ENFORCEMENT_LINK", message, { cause }));
  }

  #send(message: LinkMessage): boolean {
    return this.#socket?.write(`${JSON.stringify(message)}\n`) ?? false;
  }

  #flush(): void {
    clearTimeout(this.#flushTimer);
    this.#flushTimer = undefined;
    if (!this.#isRegistered) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const [index, decision] of waiting.entries()) {
      if (this.#send({ kind: "decision", ...decision })) continue;
      // The rest goes when the other end has read.
      this.#waiting.unshift(...waiting.slice(index + 1));
      return;
    }
    if (this.#lost > 0) this.#send({ kind: "lost", count: this.#lost });
    this.#lost = 0;
  }
}

function parseAnswer(line: string): LinkAnswer | undefined {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value !== "object" || value === null || !("kind" in value)) return undefined;
    if (value.kind === "registered" && "workload" in value) return { kind: "registered", workload: String(value.workload) };
    return value.kind === "refused" && "message" in value ? { kind: "refused", message: String(value.message) } : undefined;
  } catch {
    return undefined;
  }
}

/** Tells the Vigil of this machine that this process enforces, and keeps doing so: the link is made again whenever it breaks. */
export const openEnforcementLink = (options: EnforcementLinkOptions): EnforcementLink => new EnforcementLink(options);
