/** Our client and our server with each other. */
import { afterEach, describe, expect, test } from "vitest";
import { GrpcChannel } from "../../src/grpc/channel.ts";
import { GrpcError } from "../../src/grpc/grpc-error.ts";
import { GrpcServer, type GrpcServerOptions } from "../../src/grpc/server.ts";
import { Toy } from "./generated/test/toy_pb.ts";
import { each } from "./iterables.ts";
import { socketPaths } from "./socket-directory.ts";
import { toyService } from "./toy-service.ts";

const newPath = socketPaths();
const ending: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

async function start(options: Partial<GrpcServerOptions> = {}): Promise<{ readonly server: GrpcServer; readonly channel: GrpcChannel }> {
  const path = newPath();
  const server = new GrpcServer({ services: [toyService()], ...options });
  await server.listen({ kind: "unix", path });
  ending.push(() => server.close(0));
  const channel = new GrpcChannel({ address: { kind: "unix", path } });
  ending.push(() => channel.close({ cut: true }));
  return { server, channel };
}

const failureOf = async (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );

describe("all kinds of methods", () => {
  test("unary", async () => {
    const { channel } = await start();
    const payload = new Uint8Array(300).fill(7);
    expect(await channel.unary(Toy.method.echo, { text: "hello", payload })).toMatchObject({
      text: "hello",
      payload: Buffer.from(payload),
    });
  });

  test("server streaming", async () => {
    const { channel } = await start();
    const indices: number[] = [];
    for await (const { index } of channel.serverStreaming(Toy.method.count, { count: 1000 })) indices.push(index);
    expect(indices).toEqual(Array.from({ length: 1000 }, (_, index) => index));
  });

  test("client streaming", async () => {
    const { channel } = await start();
    const answer = await channel.clientStreaming(Toy.method.join, each(["a", "b", "c"].map((text) => ({ text }))));
    expect(answer).toMatchObject({ text: "a,b,c", index: 3 });
  });

  test("both ways", async () => {
    const { channel } = await start();
    const texts: string[] = [];
    for await (const { text } of channel.bidiStreaming(Toy.method.converse, each(["a", "b"].map((text) => ({ text }))))) texts.push(text);
    expect(texts).toEqual(["a", "b"]);
  });
});

describe("calls that do not go well", () => {
  test.each(["unary", "streaming"])("the status, message and details of a GrpcError reach the caller: %s", async (kind) => {
    const { channel } = await start();
    const request = { text: "nö 100 %\n", failWith: 9 };
    const call = kind === "unary" ? channel.unary(Toy.method.echo, request) : channel.serverStreaming(Toy.method.count, request).next();
    const failure = await failureOf(call);
    expect(failure).toBeInstanceOf(GrpcError);
    expect(failure).toMatchObject({ status: "FAILED_PRECONDITION", message: "nö 100 %\n", code: "GRPC_FAILED_PRECONDITION" });
  });

  test("a deadline ends the call at both ends", async () => {
    const ends: string[] = [];
    const { channel } = await start({ onEnd: (_, status) => ends.push(status) });
    expect(await failureOf(channel.unary(Toy.method.echo, { delayMs: 60_000 }, { timeoutMs: 20 }))).toMatchObject({
      status: "DEADLINE_EXCEEDED",
    });
    await expect.poll(() => ends).toHaveLength(1);
    expect(["DEADLINE_EXCEEDED", "CANCELLED"]).toContain(ends[0]);
  });

  test("a cancelled call is cancelled at the server", async () => {
    const ends: string[] = [];
    const { channel } = await start({ onEnd: (_, status) => ends.push(status) });
    const abort = new AbortController();
    const call = failureOf(channel.unary(Toy.method.echo, { delayMs: 60_000 }, { signal: abort.signal }));
    setTimeout(() => abort.abort(), 20);
    expect(await call).toMatchObject({ status: "CANCELLED" });
    await expect.poll(() => ends).toEqual(["CANCELLED"]);
  });
});

test("a client that reads nothing stops the handler", async () => {
  const { channel, server } = await start();
  const answers = channel.serverStreaming(Toy.method.count, { count: 1_000_000, payload: new Uint8Array(10_000) });
  expect((await answers.next()).value).toMatchObject({ index: 0 });
  await answers.return?.();
  await expect.poll(() => server.callCount).toBe(0);
});
