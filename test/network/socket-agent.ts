/** A workload of the tests: opens sockets as it is told, and says what came of it. Forked with a channel, and moved into a cgroup before it is asked. */
import { createSocket, type Socket as DatagramSocket } from "node:dgram";
import { Resolver } from "node:dns/promises";
import { connect, createServer, type Socket } from "node:net";
import { errnoName } from "../../src/linux/linux-error.ts";
import { syscall } from "../../src/linux/native.ts";

export type Order =
  | { readonly do: "listen"; readonly host: string; readonly protocol: "tcp" | "udp"; readonly port?: number }
  | { readonly do: "call"; readonly host: string; readonly protocol: "tcp" | "udp"; readonly port: number; readonly localPort?: number }
  | { readonly do: "keep"; readonly host: string; readonly port: number }
  | { readonly do: "echo"; readonly patienceMs?: number }
  | { readonly do: "resolve"; readonly server: string; readonly name: string; readonly family: 4 | 6 }
  | { readonly do: "ask"; readonly server: string; readonly query: string }
  | { readonly do: "peer"; readonly server: string }
  | { readonly do: "raw" }
  /** Calls again and again, so many at a time, until the tally is asked for. */
  | { readonly do: "load"; readonly host: string; readonly port: number; readonly clients: number }
  /** How often each answer came since, as JSON. */
  | { readonly do: "tally" }
  /** So many datagrams at once, each from a socket of its own; how many were answered. */
  | { readonly do: "burst"; readonly host: string; readonly port: number; readonly count: number };

const WAIT_MS = 700;
let kept: Socket | undefined;

/** A port, `answered`, or the error. */
async function obey(order: Order): Promise<string> {
  if (order.do === "listen") return order.protocol === "tcp" ? listenTcp(order.host, order.port) : listenUdp(order.host, order.port);
  if (order.do === "call") return order.protocol === "tcp" ? callTcp(order) : callUdp(order);
  if (order.do === "keep") {
    kept = connect({ host: order.host, port: order.port });
    kept.on("error", () => {});
    return echoed(kept);
  }
  if (order.do === "resolve") return resolveName(order);
  if (order.do === "ask") return askOnce(order);
  if (order.do === "peer") return peerOf(order.server);
  if (order.do === "raw") return openRaw();
  if (order.do === "load") return load(order);
  if (order.do === "tally") return tally();
  if (order.do === "burst") return burst(order);
  return kept === undefined ? "nothing is kept" : echoed(kept, order.patienceMs);
}

/** The addresses, or the code of the error, by a resolver that connects its sockets and goes on by TCP where an answer is cut. */
async function resolveName({ server, name, family }: Extract<Order, { do: "resolve" }>): Promise<string> {
  const resolver = new Resolver({ timeout: 4_000, tries: 1 });
  resolver.setServers([server]);
  try {
    return (await (family === 4 ? resolver.resolve4(name) : resolver.resolve6(name))).join(" ");
  } catch (thrown) {
    return codeOf(thrown instanceof Error ? thrown : new Error(String(thrown)));
  }
}

/** Sends a message (hexadecimal) by a socket that is not connected: who answered, and the answer's code. */
function askOnce({ server, query }: Extract<Order, { do: "ask" }>): Promise<string> {
  const socket = createSocket(server.includes(":") ? "udp6" : "udp4");
  return new Promise<string>((resolve) => {
    const timer = setTimeout(() => resolve("silence"), WAIT_MS);
    const answer = (text: string): void => {
      clearTimeout(timer);
      resolve(text);
    };
    socket.once("message", (message, from) => answer(`${from.address} ${from.port} ${(message[3] ?? 0) & 15}`));
    socket.once("error", (error) => answer(codeOf(error)));
    socket.send(Buffer.from(query, "hex"), 53, server, (error) => {
      if (error !== null) answer(codeOf(error));
    });
  }).finally(() => socket.close());
}

/** Whom a connected socket takes for its other end. */
function peerOf(server: string): Promise<string> {
  const socket = createSocket(server.includes(":") ? "udp6" : "udp4");
  return new Promise<string>((resolve) => {
    socket.once("error", (error) => resolve(codeOf(error)));
    socket.connect(53, server, () => {
      const { address, port } = socket.remoteAddress();
      resolve(`${address} ${port}`);
    });
  }).finally(() => socket.close());
}

const AF_INET = 2;
const SOCK_RAW = 3;
const IPPROTO_ICMP = 1;

function openRaw(): string {
  const { value, errno } = syscall("socket", AF_INET, SOCK_RAW, IPPROTO_ICMP);
  return value === -1 ? errnoName(errno) : "opened";
}

/** Far longer than an answer takes on the busiest of machines. */
const PATIENCE_MS = 20_000;
let isLoading = false;
let loaded: readonly Promise<void>[] = [];
const answers = new Map<string, number>();

function load({ host, port, clients }: Extract<Order, { do: "load" }>): string {
  isLoading = true;
  answers.clear();
  loaded = Array.from({ length: clients }, async () => {
    while (isLoading) {
      const socket = connect({ host, port });
      socket.on("error", () => {});
      const answer = await echoed(socket, PATIENCE_MS);
      // No port may wait for its last packet.
      socket.resetAndDestroy();
      answers.set(answer, (answers.get(answer) ?? 0) + 1);
      // A refusal comes at once; others want the processor too.
      if (answer !== "answered") await new Promise((resolve) => setTimeout(resolve, 1));
    }
  });
  return "started";
}

async function tally(): Promise<string> {
  isLoading = false;
  await Promise.all(loaded);
  return JSON.stringify(Object.fromEntries(answers));
}

async function burst({ host, port, count }: Extract<Order, { do: "burst" }>): Promise<string> {
  const sockets = Array.from({ length: count }, () => createSocket(host.includes(":") ? "udp6" : "udp4"));
  const answered = sockets.map(
    (socket) =>
      new Promise<boolean>((resolve) => {
        const timer = setTimeout(() => resolve(false), PATIENCE_MS / 4);
        socket.once("message", () => {
          clearTimeout(timer);
          resolve(true);
        });
        socket.once("error", () => resolve(false));
      }),
  );
  for (const socket of sockets) socket.send("hello", port, host);
  const results = await Promise.all(answered);
  for (const socket of sockets) socket.close();
  return String(results.filter(Boolean).length);
}

function listenTcp(host: string, port = 0): Promise<string> {
  return new Promise((resolve) => {
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.pipe(socket);
    });
    server.on("error", (error) => resolve(codeOf(error)));
    server.listen(port, host, () => {
      const bound = server.address();
      resolve(typeof bound === "object" && bound !== null ? String(bound.port) : "none");
    });
  });
}

function listenUdp(host: string, port = 0): Promise<string> {
  const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
  socket.on("message", (message, from) => socket.send(message, from.port, from.address, () => {}));
  return bound(socket, host, port);
}

const bound = (socket: DatagramSocket, host: string, port: number): Promise<string> =>
  new Promise((resolve) => {
    socket.on("error", (error) => resolve(codeOf(error)));
    socket.bind(port, host, () => resolve(String(socket.address().port)));
  });

function callTcp({ host, port, localPort }: Extract<Order, { do: "call" }>): Promise<string> {
  const socket = connect({ host, port, ...(localPort === undefined ? {} : { localPort }) });
  socket.on("error", () => {});
  return echoed(socket).finally(() => socket.destroy());
}

function echoed(socket: Socket, patienceMs: number = WAIT_MS): Promise<string> {
  return new Promise((resolve) => {
    const answer = (text: string): void => {
      clearTimeout(timer);
      socket.off("error", onError).off("data", onData);
      resolve(text);
    };
    const onError = (error: Error): void => answer(codeOf(error));
    const onData = (): void => answer("answered");
    const timer = setTimeout(() => answer("silence"), patienceMs);
    socket.once("error", onError).once("data", onData);
    socket.write("hello");
  });
}

function callUdp({ host, port, localPort }: Extract<Order, { do: "call" }>): Promise<string> {
  const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
  return new Promise<string>((resolve) => {
    const timer = setTimeout(() => resolve("silence"), WAIT_MS);
    const answer = (text: string): void => {
      clearTimeout(timer);
      resolve(text);
    };
    socket.once("message", () => answer("answered"));
    socket.once("error", (error) => answer(codeOf(error)));
    if (localPort !== undefined) socket.bind(localPort, host);
    socket.send("hello", port, host, (error) => {
      if (error !== null) answer(codeOf(error));
    });
  }).finally(() => socket.close());
}

const codeOf = (error: Error): string => ("code" in error ? String(error.code) : error.message);

process.on("message", (message: { readonly id: number; readonly order: Order }) => {
  void obey(message.order).then((result) => process.send?.({ id: message.id, result }));
});
process.on("disconnect", () => process.exit(0));
