/** Go's gRPC with our server, and our client with its server. The peer is built from `test/peers/grpc`. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { GrpcChannel } from "../../src/grpc/channel.ts";
import { GrpcError } from "../../src/grpc/grpc-error.ts";
import { HealthStatus } from "../../src/grpc/health.ts";
import { reflectionServices } from "../../src/grpc/reflection.ts";
import { GrpcServer, type GrpcServerOptions } from "../../src/grpc/server.ts";
import { ROOT } from "../source-tree.ts";
import { Toy, ToyRequestSchema, ToyResponseSchema } from "./generated/test/toy_pb.ts";
import { collect, each } from "./iterables.ts";
import { socketPaths } from "./socket-directory.ts";
import { toyService } from "./toy-service.ts";

const BUILD_MS = 900_000;
const newPath = socketPaths();
const folder = mkdtempSync(join(tmpdir(), "vigil-grpc-peer-"));
const peer = join(folder, "grpc-peer");
const ending: (() => unknown)[] = [];

beforeAll(() => {
  execFileSync("go", ["build", "-o", peer, "."], { cwd: join(ROOT, "test/peers/grpc"), stdio: ["ignore", "inherit", "inherit"] });
}, BUILD_MS);

afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Outcome {
  readonly responses: readonly string[];
  readonly code: string;
  readonly message: string;
  readonly details: number;
  readonly header: Readonly<Record<string, readonly string[]>> | null;
  readonly trailer: Readonly<Record<string, readonly string[]>> | null;
}

const hex = (request: MessageInitShape<typeof ToyRequestSchema>): string =>
  Buffer.from(toBinary(ToyRequestSchema, create(ToyRequestSchema, request))).toString("hex");
const read = (response: string | undefined) => fromBinary(ToyResponseSchema, Buffer.from(response ?? "", "hex"));

describe("a Go client with our server", () => {
  async function start(options: Partial<GrpcServerOptions> = {}): Promise<(command: object) => Promise<Outcome>> {
    const path = newPath();
    const server = new GrpcServer({ services: [toyService()], ...options });
    await server.listen({ kind: "unix", path });
    ending.push(() => server.close(0));
    const child: ChildProcess = spawn(peer, ["client", path], { stdio: ["pipe", "pipe", "inherit"] });
    ending.push(async () => {
      child.stdin?.end();
      await once(child, "exit");
    });
    const lines = createInterface({ input: child.stdout ?? process.stdin })[Symbol.asyncIterator]();
    return async (command) => {
      child.stdin?.write(`${JSON.stringify(command)}\n`);
      return JSON.parse((await lines.next()).value ?? "");
    };
  }
  const method = (name: string): string => `/vigil.test.Toy/${name}`;

  test("all kinds of methods", async () => {
    const call = await start();
    const echoed = await call({ method: method("Echo"), requests: [hex({ text: "a", payload: Buffer.alloc(1_000_000, 3) })] });
    expect(echoed).toMatchObject({ code: "OK" });
    expect(read(echoed.responses[0])).toMatchObject({ text: "a", payload: Buffer.alloc(1_000_000, 3) });
    expect((await call({ method: method("Count"), requests: [hex({ count: 400 })] })).responses).toHaveLength(400);
    const joined = await call({ method: method("Join"), requests: [hex({ text: "a" })], repeat: 300 });
    expect(read(joined.responses[0]).index).toBe(300);
    const conversed = await call({ method: method("Converse"), requests: [hex({ text: "a" }), hex({ text: "b" })], repeat: 50 });
    expect(conversed.responses.map((response) => read(response).index)).toEqual(Array.from({ length: 100 }, (_, index) => index));
  });

  test("statuses, details, metadata", async () => {
    const details = [create(AnySchema, { typeUrl: "type.googleapis.com/vigil.test.ToyRequest", value: Uint8Array.of(10, 1, 97) })];
    const call = await start({
      check(context) {
        if (context.headers["x-deny"] !== undefined) throw new GrpcError("PERMISSION_DENIED", "nö %", { details });
        context.setHeader("y-text", "h");
        context.setTrailer("z-text", "t");
      },
    });
    const denied = await call({ method: method("Echo"), requests: [hex({})], metadata: { "x-deny": "1" } });
    expect(denied).toMatchObject({ code: "PermissionDenied", message: "nö %", details: 1 });
    const failed = await call({ method: method("Count"), requests: [hex({ count: 2, failWith: 10, text: "late" })] });
    expect(failed).toMatchObject({ code: "Aborted", message: "late", header: { "y-text": ["h"] }, trailer: { "z-text": ["t"] } });
    expect(failed.responses).toHaveLength(2);
    expect(await call({ method: method("Nothing"), requests: [hex({})] })).toMatchObject({ code: "Unimplemented" });
  });

  test("deadlines, cancellation, and refusals in the middle of a stream", async () => {
    const ends: string[] = [];
    const call = await start({ onEnd: (_, status) => ends.push(status) });
    expect(await call({ method: method("Echo"), requests: [hex({ delayMs: 60_000 })], timeoutMs: 50 })).toMatchObject({
      code: "DeadlineExceeded",
    });
    await expect.poll(() => ends.length).toBe(1);
    expect(await call({ method: method("Count"), requests: [hex({ count: 5, delayMs: 60_000 })], take: 5 })).toMatchObject({ code: "OK" });
    await expect.poll(() => ends[1]).toBe("CANCELLED");
    const refused = await call({
      method: method("Join"),
      requests: [hex({ failWith: 9, text: "no", payload: Buffer.alloc(9000) })],
      repeat: 10_000,
    });
    expect(refused).toMatchObject({ code: "FailedPrecondition", message: "no" });
  });

  test("health and reflection", async () => {
    const health = new HealthStatus();
    const services = [toyService(), health.service];
    const call = await start({ services: [...services, ...reflectionServices(services)] });
    expect((await call({ method: "/grpc.health.v1.Health/Check", requests: [""] })).responses).toEqual(["0801"]);
    expect((await call({ method: "/grpc.health.v1.Health/Check", requests: ["0a0178"] })).code).toBe("NotFound");
    expect((await call({ method: "/grpc.health.v1.Health/Watch", requests: ["0a0178"], take: 1 })).responses).toEqual(["0803"]);
    const list = await call({ method: "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", requests: ["3a012a"] });
    expect(Buffer.from(list.responses[0] ?? "", "hex").toString("latin1")).toContain("vigil.test.Toy");
  });
});

test("our client with a Go server", async () => {
  const path = newPath();
  const child = spawn(peer, ["server", path], { stdio: ["pipe", "pipe", "inherit"] });
  ending.push(async () => {
    child.stdin.end();
    await once(child, "exit");
  });
  await once(child.stdout, "data");
  const channel = new GrpcChannel({ address: { kind: "unix", path } });
  ending.push(() => channel.close({ cut: true }));
  const payload = Buffer.alloc(1_000_000, 7);
  expect(await channel.unary(Toy.method.echo, { text: "a", payload })).toMatchObject({ text: "a", payload });
  expect(await collect(channel.serverStreaming(Toy.method.count, { count: 1000 }))).toHaveLength(1000);
  expect(await channel.clientStreaming(Toy.method.join, each(["a", "b"].map((text) => ({ text }))))).toMatchObject({
    text: "a,b,",
    index: 2,
  });
  const texts = Array.from({ length: 200 }, (_, index) => ({ text: String(index) }));
  expect((await collect(channel.bidiStreaming(Toy.method.converse, each(texts)))).map(({ text }) => ({ text }))).toEqual(texts);
  let trailer: unknown;
  const failed = channel.unary(
    Toy.method.echo,
    { failWith: 7, text: "nö %" },
    { metadata: { "x-text": "t" }, onTrailers: (trailers) => (trailer = trailers["x-text"]) },
  );
  await expect(failed).rejects.toMatchObject({ status: "PERMISSION_DENIED", message: "nö %" });
  expect(trailer).toBe("t");
  await expect(channel.unary(Toy.method.echo, { delayMs: 60_000 }, { timeoutMs: 50 })).rejects.toMatchObject({
    status: "DEADLINE_EXCEEDED",
  });
});
