/** What each user of the machine may use of the agent, so that one cannot keep it from serving the others. */
import { GrpcError } from "../../grpc/grpc-error.ts";

export interface CallerLimitSettings {
  /** Connections on which something was called. */
  readonly maxConnections: number;
  /** Open streams. */
  readonly maxStreams: number;
  /** Calls and streams that begin, each second and at once. */
  readonly callsPerSecond: number;
  /** Tokens that the authority has to sign. */
  readonly signingsPerSecond: number;
}

export const DEFAULT_CALLER_LIMITS: CallerLimitSettings = {
  maxConnections: 4_096,
  maxStreams: 4_096,
  callsPerSecond: 50_000,
  signingsPerSecond: 1_000,
};

interface Usage {
  connections: number;
  streams: number;
  calls: Bucket;
  signings: Bucket;
}

interface Bucket {
  left: number;
  atMs: number;
}

/** Users that did nothing for so long are forgotten. */
const IDLE_MS = 60_000;
const MAX_IDLE_USERS = 1_024;

export class CallerLimits {
  readonly #settings: CallerLimitSettings;
  readonly #clock: () => number;
  readonly #users = new Map<number, Usage>();

  constructor(settings: Partial<CallerLimitSettings>, clock: () => number) {
    this.#settings = { ...DEFAULT_CALLER_LIMITS, ...settings };
    this.#clock = clock;
  }

  /** Counts a call. Throws a `GrpcError` when there are too many. */
  count(uid: number): void {
    this.#take(this.#usage(uid).calls, this.#settings.callsPerSecond, uid, "calls");
  }

  countSigning(uid: number): void {
    this.#take(this.#usage(uid).signings, this.#settings.signingsPerSecond, uid, "new tokens");
  }

  /** Counts a connection until the function that it returns is called. Throws a `GrpcError` when there are too many. */
  openConnection(uid: number): () => void {
    const usage = this.#usage(uid);
    if (usage.connections >= this.#settings.maxConnections) {
      throw new GrpcError("RESOURCE_EXHAUSTED", `user ${uid} has ${usage.connections} connections, and may have no more`);
    }
    usage.connections++;
    return () => {
      usage.connections--;
    };
  }

  /** Counts a stream until the function that it returns is called. Throws a `GrpcError` when there are too many. */
  openStream(uid: number): () => void {
    const usage = this.#usage(uid);
    if (usage.streams >= this.#settings.maxStreams) {
      throw new GrpcError("RESOURCE_EXHAUSTED", `user ${uid} has ${usage.streams} streams open, and may have no more`);
    }
    usage.streams++;
    return () => {
      usage.streams--;
    };
  }

  #usage(uid: number): Usage {
    let usage = this.#users.get(uid);
    if (usage === undefined) {
      if (this.#users.size >= MAX_IDLE_USERS) this.#forgetIdle();
      const atMs = this.#clock();
      const { callsPerSecond, signingsPerSecond } = this.#settings;
      usage = { connections: 0, streams: 0, calls: { left: callsPerSecond, atMs }, signings: { left: signingsPerSecond, atMs } };
      this.#users.set(uid, usage);
    }
    return usage;
  }

  #take(bucket: Bucket, perSecond: number, uid: number, what: string): void {
    const nowMs = this.#clock();
    bucket.left = Math.min(perSecond, bucket.left + ((nowMs - bucket.atMs) * perSecond) / 1_000);
    bucket.atMs = nowMs;
    if (bucket.left < 1) throw new GrpcError("RESOURCE_EXHAUSTED", `user ${uid} asks for more than ${perSecond} ${what} a second`);
    bucket.left--;
  }

  #forgetIdle(): void {
    const beforeMs = this.#clock() - IDLE_MS;
    for (const [uid, { connections, streams, calls }] of this.#users)
      if (connections === 0 && streams === 0 && calls.atMs < beforeMs) this.#users.delete(uid);
  }
}
