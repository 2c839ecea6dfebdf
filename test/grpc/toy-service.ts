/** The service of `proto/test/toy.proto`, as tests and measurements serve it. */
import { setTimeout } from "node:timers/promises";
import { GrpcError } from "../../src/grpc/grpc-error.ts";
import { implementService, type ServiceImplementation } from "../../src/grpc/service.ts";
import { statusNameOf } from "../../src/grpc/status.ts";
import { Toy, type ToyRequest } from "./generated/test/toy_pb.ts";

/** Waits and fails as the request says. */
async function obey({ delayMs, failWith, text }: ToyRequest, signal: AbortSignal): Promise<void> {
  if (delayMs > 0) await setTimeout(delayMs, undefined, { signal });
  const status = statusNameOf(failWith);
  if (status !== "OK") throw new GrpcError(status, text);
}

export const toyService = (): ServiceImplementation =>
  implementService(Toy, {
    echo(request, context) {
      const { text, payload } = request;
      if (request.delayMs === 0 && request.failWith === 0) return { text, payload };
      return obey(request, context.signal).then(() => ({ text, payload }));
    },
    async *count(request, context) {
      for (let index = 0; index < request.count; index++) yield { text: request.text, index, payload: request.payload };
      await obey(request, context.signal);
    },
    async join(requests, context) {
      const texts: string[] = [];
      for await (const request of requests) {
        await obey(request, context.signal);
        texts.push(request.text);
      }
      return { text: texts.join(","), index: texts.length };
    },
    async *converse(requests, context) {
      let index = 0;
      for await (const request of requests) {
        await obey(request, context.signal);
        yield { text: request.text, index: index++, payload: request.payload };
      }
    },
  });
