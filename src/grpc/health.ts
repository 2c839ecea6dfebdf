/** The health service (grpc `doc/health-checking.md`): whether services take calls, asked once or watched. */

import type { CallContext } from "./call-context.ts";
import { Health, type HealthCheckResponse, HealthCheckResponse_ServingStatus as Serving } from "./generated/grpc/health/v1/health_pb.ts";
import { GrpcError } from "./grpc-error.ts";
import { implementService, type ServiceImplementation, type ServiceOptions } from "./service.ts";

/** Names in one request that is answered; nobody has longer ones. */
const MAX_NAME_LENGTH = 256;

export class HealthStatus {
  readonly #serving = new Map<string, boolean>([["", true]]);
  readonly #changed = new EventTarget();

  /** The service to add to a server. */
  readonly service: ServiceImplementation;

  constructor(options: ServiceOptions = {}) {
    this.service = implementService(
      Health,
      {
        check: ({ service }) => {
          if (!this.#serving.has(service)) throw new GrpcError("NOT_FOUND", "there is no such service");
          return { status: this.#statusOf(service) };
        },
        list: () => ({ statuses: Object.fromEntries([...this.#serving.keys()].map((name) => [name, { status: this.#statusOf(name) }])) }),
        watch: ({ service }, context) => this.#watch(service, context),
      },
      options,
    );
  }

  /** Tells whether a service takes calls; the empty name is the server as a whole. */
  set(service: string, isServing: boolean): void {
    this.#serving.set(service, isServing);
    this.#changed.dispatchEvent(new Event("change"));
  }

  #statusOf(service: string): HealthCheckResponse["status"] {
    const isServing = this.#serving.get(service);
    if (isServing === undefined) return Serving.SERVICE_UNKNOWN;
    return isServing ? Serving.SERVING : Serving.NOT_SERVING;
  }

  /** The status now, and again whenever it is another one. */
  async *#watch(service: string, { signal, draining }: CallContext): AsyncGenerator<{ status: HealthCheckResponse["status"] }> {
    if (service.length > MAX_NAME_LENGTH) throw new GrpcError("INVALID_ARGUMENT", "the name of the service is too long");
    let wake = Promise.withResolvers<void>();
    const onChange = (): void => wake.resolve();
    this.#changed.addEventListener("change", onChange);
    for (const ended of [signal, draining]) ended.addEventListener("abort", onChange);
    try {
      let told: HealthCheckResponse["status"] | undefined;
      while (!signal.aborted && !draining.aborted) {
        wake = Promise.withResolvers();
        const status = this.#statusOf(service);
        if (status !== told) yield { status };
        told = status;
        // What changed, or ended, while the client was reading has resolved it already.
        if (!signal.aborted && !draining.aborted) await wake.promise;
      }
    } finally {
      this.#changed.removeEventListener("change", onChange);
      for (const ended of [signal, draining]) ended.removeEventListener("abort", onChange);
    }
  }
}
