/** `@grpc/grpc-js` with our server, and our client with its server. */

import { create, type DescMessage, fromBinary, type MessageInitShape, type MessageShape, toBinary } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { afterEach, describe, expect, test } from "vitest";
import { GrpcChannel } from "../../src/grpc/channel.ts";
import { binaryMetadata } from "../../src/grpc/metadata.ts";
import { GrpcServer, type GrpcServerOptions } from "../../src/grpc/server.ts";
import { pathOfMethod } from "../../src/grpc/service.ts";
import { Toy, type ToyRequest, ToyRequestSchema, type ToyResponse, ToyResponseSchema } from "./generated/test/toy_pb.ts";
import { collect, each } from "./iterables.ts";
import { socketPaths } from "./socket-directory.ts";
import { toyService } from "./toy-service.ts";

const newPath = socketPaths();
const ending: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

const codec = <D extends DescMessage>(type: D) => ({
  serialize: (message: MessageShape<D>): Buffer => Buffer.from(toBinary(type, message)),
  deserialize: (octets: Buffer): MessageShape<D> => fromBinary(type, octets),
});
const requestCodec = codec(ToyRequestSchema);
const responseCodec = codec(ToyResponseSchema);

/** Our methods as grpc-js wants them. */
const definition = (method: (typeof Toy.method)[keyof typeof Toy.method]) => ({
  path: pathOfMethod(method),
  requestStream: method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming",
  responseStream: method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming",
  requestSerialize: requestCodec.serialize,
  requestDeserialize: requestCodec.deserialize,
  responseSerialize: responseCodec.serialize,
  responseDeserialize: responseCodec.deserialize,
});
const requestOf = (request: MessageInitShape<typeof ToyRequestSchema>): ToyRequest => create(ToyRequestSchema, request);
const responseOf = (response: MessageInitShape<typeof ToyResponseSchema>): ToyResponse => create(ToyResponseSchema, response);
const { serialize } = requestCodec;
const { deserialize } = responseCodec;
const ECHO = pathOfMethod(Toy.method.echo);

describe("a grpc-js client with our server", () => {
  async function start(options: Partial<GrpcServerOptions> = {}, settings: grpc.ClientOptions = {}): Promise<grpc.Client> {
    const path = newPath();
    const server = new GrpcServer({ services: [toyService()], ...options });
    await server.listen({ kind: "unix", path });
    ending.push(() => server.close(0));
    const client = new grpc.Client(`unix:${path}`, grpc.credentials.createInsecure(), settings);
    ending.push(() => client.close());
    return client;
  }

  const unary = (client: grpc.Client, request: MessageInitShape<typeof ToyRequestSchema>, options: grpc.CallOptions = {}) =>
    new Promise<{ failure: grpc.ServiceError | null; response: ToyResponse | undefined }>((resolve) => {
      client.makeUnaryRequest(ECHO, serialize, deserialize, requestOf(request), new grpc.Metadata(), options, (failure, response) =>
        resolve({ failure, response }),
      );
    });

  test("unary, small and big", async () => {
    const client = await start();
    expect((await unary(client, { text: "a" })).response?.text).toBe("a");
    const payload = Buffer.alloc(3_000_000, 5);
    expect(payload.equals((await unary(client, { payload })).response?.payload ?? Buffer.alloc(0))).toBe(true);
  });

  test("many at once", async () => {
    const client = await start();
    const answers = await Promise.all(Array.from({ length: 500 }, (_, index) => unary(client, { text: String(index) })));
    expect(answers.map(({ response }) => response?.text)).toEqual(Array.from({ length: 500 }, (_, index) => String(index)));
  });

  test("server streaming", async () => {
    const client = await start();
    const call = client.makeServerStreamRequest(pathOfMethod(Toy.method.count), serialize, deserialize, requestOf({ count: 300 }));
    const indices: number[] = [];
    for await (const { index } of call as AsyncIterable<ToyResponse>) indices.push(index);
    expect(indices).toHaveLength(300);
  });

  test("client streaming, and one that is refused before its end", async () => {
    const client = await start();
    const join = (requests: readonly MessageInitShape<typeof ToyRequestSchema>[], isEnded: boolean) =>
      new Promise<{ failure: grpc.ServiceError | null; response: ToyResponse | undefined }>((resolve) => {
        const call = client.makeClientStreamRequest(pathOfMethod(Toy.method.join), serialize, deserialize, (failure, response) =>
          resolve({ failure, response }),
        );
        for (const request of requests) call.write(requestOf(request));
        if (isEnded) call.end();
      });
    expect((await join([{ text: "a" }, { text: "b" }], true)).response?.text).toBe("a,b");
    expect((await join([{ text: "no", failWith: grpc.status.ABORTED }], false)).failure).toMatchObject({
      code: grpc.status.ABORTED,
      details: "no",
    });
  });

  test("both ways", async () => {
    const client = await start();
    const call = client.makeBidiStreamRequest(pathOfMethod(Toy.method.converse), serialize, deserialize);
    call.write(requestOf({ text: "a" }));
    const texts: string[] = [];
    for await (const { text } of call as AsyncIterable<ToyResponse>) {
      texts.push(text);
      if (texts.length < 3) call.write(requestOf({ text: `${text}a` }));
      else call.end();
    }
    expect(texts).toEqual(["a", "aa", "aaa"]);
  });

  test("statuses, with messages that need encoding", async () => {
    const client = await start();
    for (const code of [3, 5, 7, 8, 9, 14, 16])
      expect((await unary(client, { failWith: code, text: "größer 100 %" })).failure).toMatchObject({ code, details: "größer 100 %" });
  });

  test("a deadline", async () => {
    const client = await start();
    const { failure } = await unary(client, { delayMs: 60_000 }, { deadline: Date.now() + 50 });
    expect(failure?.code).toBe(grpc.status.DEADLINE_EXCEEDED);
  });

  test("a cancelled call ends at the server", async () => {
    const ends: string[] = [];
    const client = await start({ onEnd: (_, status) => ends.push(status) });
    const call = client.makeServerStreamRequest(
      pathOfMethod(Toy.method.count),
      serialize,
      deserialize,
      requestOf({ count: 1, delayMs: 60_000 }),
    );
    call.on("error", () => undefined);
    call.once("data", () => call.cancel());
    await expect.poll(() => ends).toEqual(["CANCELLED"]);
  });

  test("metadata in all directions", async () => {
    const seen: unknown[] = [];
    const client = await start({
      check: (context) => {
        seen.push(context.headers["x-text"], Buffer.from(binaryMetadata(context.headers, "x-octets-bin") ?? []));
        context.setHeader("y-text", "header");
        context.setTrailer("z-octets-bin", Uint8Array.of(1, 255));
      },
    });
    const metadata = new grpc.Metadata();
    metadata.set("x-text", "text");
    metadata.set("x-octets-bin", Buffer.of(0, 200));
    const received = await new Promise((resolve) => {
      let headers: grpc.Metadata | undefined;
      const call = client.makeUnaryRequest(ECHO, serialize, deserialize, requestOf({}), metadata, () => undefined);
      call.on("metadata", (given: grpc.Metadata) => {
        headers = given;
      });
      call.on("status", (status: grpc.StatusObject) => resolve([headers?.get("y-text"), status.metadata.get("z-octets-bin")]));
    });
    expect(seen).toEqual(["text", Buffer.of(0, 200)]);
    expect(received).toEqual([["header"], [Buffer.of(1, 255)]]);
  });

  test("a compressed request is refused as unimplemented", async () => {
    const client = await start({}, { "grpc.default_compression_algorithm": grpc.compressionAlgorithms.gzip });
    expect((await unary(client, { text: "a".repeat(1000) })).failure?.code).toBe(grpc.status.UNIMPLEMENTED);
  });

  test("a message beyond the limit is refused", async () => {
    const client = await start({ limits: { maxMessageBytes: 1000 } });
    expect((await unary(client, { payload: Buffer.alloc(2000) })).failure?.code).toBe(grpc.status.RESOURCE_EXHAUSTED);
    expect((await unary(client, { payload: Buffer.alloc(500) })).failure).toBeNull();
  });
});

describe("our client with a grpc-js server", () => {
  async function start(): Promise<GrpcChannel> {
    const path = newPath();
    const server = new grpc.Server();
    server.addService(
      {
        echo: definition(Toy.method.echo),
        count: definition(Toy.method.count),
        join: definition(Toy.method.join),
        converse: definition(Toy.method.converse),
      },
      {
        echo(call: grpc.ServerUnaryCall<ToyRequest, ToyResponse>, callback: grpc.sendUnaryData<ToyResponse>) {
          const { text, payload, failWith, delayMs } = call.request;
          const answer = () =>
            failWith === 0
              ? callback(null, responseOf({ text, payload }))
              : callback({ code: failWith, details: text, metadata: call.metadata });
          if (delayMs > 0) setTimeout(answer, delayMs);
          else answer();
        },
        count(call: grpc.ServerWritableStream<ToyRequest, ToyResponse>) {
          for (let index = 0; index < call.request.count; index++) call.write(responseOf({ index }));
          call.end();
        },
        join(call: grpc.ServerReadableStream<ToyRequest, ToyResponse>, callback: grpc.sendUnaryData<ToyResponse>) {
          const texts: string[] = [];
          call.on("data", ({ text }: ToyRequest) => texts.push(text));
          call.on("end", () => callback(null, responseOf({ text: texts.join(",") })));
        },
        converse(call: grpc.ServerDuplexStream<ToyRequest, ToyResponse>) {
          call.on("data", ({ text }: ToyRequest) => call.write(responseOf({ text })));
          call.on("end", () => call.end());
        },
      },
    );
    await new Promise<void>((resolve, reject) =>
      server.bindAsync(`unix:${path}`, grpc.ServerCredentials.createInsecure(), (error) => (error === null ? resolve() : reject(error))),
    );
    ending.push(() => server.forceShutdown());
    const channel = new GrpcChannel({ address: { kind: "unix", path } });
    ending.push(() => channel.close({ cut: true }));
    return channel;
  }

  const texts = (...items: readonly string[]) => each(items.map((text) => ({ text })));

  test("all kinds of methods", async () => {
    const channel = await start();
    expect((await channel.unary(Toy.method.echo, { text: "a" })).text).toBe("a");
    const payload = Buffer.alloc(2_000_000, 9);
    expect(payload.equals((await channel.unary(Toy.method.echo, { payload })).payload)).toBe(true);
    expect((await collect(channel.serverStreaming(Toy.method.count, { count: 500 }))).map(({ index }) => index)).toHaveLength(500);
    expect((await channel.clientStreaming(Toy.method.join, texts("a", "b"))).text).toBe("a,b");
    expect((await collect(channel.bidiStreaming(Toy.method.converse, texts("a", "b")))).map(({ text }) => text)).toEqual(["a", "b"]);
  });

  test("statuses and metadata", async () => {
    const channel = await start();
    let trailer: unknown;
    const options = {
      metadata: { "x-text": "t" },
      onTrailers: (trailers: Readonly<Record<string, unknown>>) => (trailer = trailers["x-text"]),
    };
    await expect(channel.unary(Toy.method.echo, { failWith: 7, text: "nö %" }, options)).rejects.toMatchObject({
      status: "PERMISSION_DENIED",
      message: "nö %",
    });
    expect(trailer).toBe("t");
    const absent = channel.unary(Toy.method.echo, { delayMs: 60_000 }, { timeoutMs: 50 });
    await expect(absent).rejects.toMatchObject({ status: "DEADLINE_EXCEEDED" });
  });
});
