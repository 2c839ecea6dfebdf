/**
 * The DNS proxy: reads the questions of workloads about whose names policies speak. The kernel sends them here whichever resolver they mean; what
 * an answer says is in force before the workload has it, so that its first packet never comes too early.
 */
import { createSocket, type Socket as DatagramSocket } from "node:dgram";
import { createServer, type Server, type Socket } from "node:net";
import { messageOf, VigilError } from "../../lib/error.ts";
import { parseIpAddress } from "../../lib/ip-address.ts";
import { formatIpAddress } from "../../lib/ip-network.ts";
import type { NetworkEnforcement } from "../enforcement.ts";
import type { NetworkErrorCode } from "../network-error.ts";
import { frame, MessageFramer } from "./message-framer.ts";
import { type AnswererOptions, QuestionAnswerer } from "./question-answerer.ts";
import type { ProxyAddress } from "./question-gate.ts";
import { ResolverFile } from "./resolver-file.ts";

export interface DnsProxyOptions extends Partial<AnswererOptions> {
  /** Where it listens: one that workloads can reach, in their network too. Default: a loopback address that nobody else uses. */
  readonly address4?: string;
  /** Default `::1`; where that cannot be, questions by IPv6 are decided without reading them. */
  readonly address6?: string;
  /** Ports to try, in this order. Those below 1024 cannot be taken over by who is not root. */
  readonly ports?: readonly number[];
  /** Connections at once. Default 256. */
  readonly connections?: number;
  /** Told when addresses that are over cannot be taken out of the kernel yet; it is tried again. Must not throw. */
  readonly onProblem?: (message: string) => void;
}

const ADDRESS4 = "127.86.73.71";
const ADDRESS6 = "::1";
const PORTS = [53, 530, 531, 532, 533];
const EXPIRE_EVERY_MS = 1_000;
const IDLE_MS = 10_000;
/** Questions of one connection that are not answered yet. */
const MAX_PIPELINED = 64;

export const DEFAULT_DNS_OPTIONS: Omit<AnswererOptions, "resolvers" | "onLookup" | "now"> = {
  minTtlMs: 5_000,
  maxTtlMs: 3_600_000,
  graceMs: 30_000,
  timeoutMs: 2_000,
  questions: 1_024,
  questionsPerWorkload: 128,
  refusedAs: "refused",
  isAudit: false,
};

interface Listening {
  readonly at: ProxyAddress;
  readonly datagrams: DatagramSocket;
  readonly connections: Server;
}

export class DnsProxy implements AsyncDisposable {
  readonly #enforcement: NetworkEnforcement;
  readonly #listening: readonly Listening[];
  readonly #sockets = new Set<Socket>();
  readonly #expiring: NodeJS.Timeout;
  #isClosed = false;

  /** `openDnsProxy` makes it. */
  constructor(enforcement: NetworkEnforcement, listening: readonly Listening[], options: DnsProxyOptions) {
    this.#enforcement = enforcement;
    this.#listening = listening;
    const { onLookup = () => {}, now = Date.now } = options;
    const resolvers =
      options.resolvers ??
      (
        (file: ResolverFile) => () =>
          file.addresses()
      )(new ResolverFile(undefined, now));
    const answerer = new QuestionAnswerer(
      enforcement,
      listening.map(({ at }) => at),
      { ...DEFAULT_DNS_OPTIONS, ...options, resolvers, onLookup, now },
    );
    for (const { datagrams, connections } of listening) {
      datagrams.on("message", (message, from) => void this.#answerDatagram(answerer, datagrams, message, from));
      connections.maxConnections = options.connections ?? 256;
      connections.on("connection", (socket) => this.#serve(answerer, socket));
    }
    this.#expiring = setInterval(() => {
      try {
        enforcement.names.expire();
      } catch (thrown) {
        options.onProblem?.(messageOf(thrown));
      }
    }, EXPIRE_EVERY_MS);
    this.#expiring.unref();
  }

  /** Where it listens. */
  get addresses(): readonly ProxyAddress[] {
    return this.#listening.map(({ at }) => at);
  }

  async #answerDatagram(
    answerer: QuestionAnswerer,
    socket: DatagramSocket,
    message: Uint8Array,
    from: { readonly address: string; readonly port: number },
  ): Promise<void> {
    const address = parseIpAddress(from.address);
    const id = message.length < 2 ? 0 : ((message[0] ?? 0) << 8) | (message[1] ?? 0);
    const asked = address === undefined ? undefined : this.#enforcement.questions.take("udp", address, from.port, id);
    const answer = await answerer.answer(message, "udp", asked);
    // Who asked may be gone by now.
    if (answer !== undefined && !this.#isClosed) socket.send(answer, from.port, from.address, () => {});
  }

  #serve(answerer: QuestionAnswerer, socket: Socket): void {
    const address = parseIpAddress(socket.remoteAddress ?? "");
    const asked = address === undefined ? undefined : this.#enforcement.questions.take("tcp", address, socket.remotePort ?? 0, 0);
    if (asked === undefined) return void socket.destroy();
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    let waiting = 0;
    const framer = new MessageFramer((message) => {
      if (++waiting > MAX_PIPELINED) return void socket.destroy();
      void answerer.answer(message, "tcp", asked).then((answer) => {
        waiting--;
        if (answer !== undefined && !socket.destroyed) socket.write(frame(answer));
      });
    });
    socket.on("data", (chunk) => framer.push(chunk));
  }

  /** Ends. Questions are decided without reading them from now on; with `keepOpen` they go to the next proxy, and to nobody until then. */
  async close({ keepOpen = false }: { readonly keepOpen?: boolean } = {}): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearInterval(this.#expiring);
    if (!keepOpen) this.#enforcement.questions.close();
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(this.#listening.map(stop));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Listens, and has the kernel send questions here. Throws `NETWORK_DNS` where no port is to be had. */
export async function openDnsProxy(enforcement: NetworkEnforcement, options: DnsProxyOptions = {}): Promise<DnsProxy> {
  const { address4 = ADDRESS4, address6 = ADDRESS6, ports = PORTS } = options;
  const v4 = await listen(address4, ports);
  const v6 = await listen(address6, ports).catch(async (thrown: unknown) => {
    // A host without IPv6 has no questions by it; whoever names an address means it.
    if (options.address6 === undefined) return undefined;
    await stop(v4);
    throw thrown;
  });
  const proxy = new DnsProxy(enforcement, v6 === undefined ? [v4] : [v4, v6], options);
  enforcement.questions.open(v4.at, v6?.at);
  return proxy;
}

async function listen(address: string, ports: readonly number[]): Promise<Listening> {
  const octets = parseIpAddress(address);
  if (octets === undefined) throw new TypeError(`expected an IP address, got \`${address}\``);
  let cause: unknown;
  for (const port of ports) {
    const datagrams = octets.length === 4 ? createSocket("udp4") : createSocket({ type: "udp6", ipv6Only: true });
    const connections = createServer();
    const listening: Listening = { at: { address: octets, port }, datagrams, connections };
    try {
      await bind(datagrams, port, address);
      await accept(connections, port, address);
      return listening;
    } catch (thrown) {
      cause = thrown;
      await stop(listening);
    }
  }
  throw new VigilError<NetworkErrorCode>(
    "NETWORK_DNS",
    `the DNS proxy cannot listen at ${formatIpAddress(octets)}, port ${ports.join(" or ")}: ${messageOf(cause)}`,
    { hint: "without it, names are only reached by addresses that are known already", cause },
  );
}

const bind = (socket: DatagramSocket, port: number, address: string): Promise<void> =>
  new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.bind({ port, address, exclusive: true }, () => {
      socket.off("error", reject);
      // A client that is gone is no reason to end.
      socket.on("error", () => {});
      resolve();
    });
  });

const accept = (server: Server, port: number, host: string): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, host, exclusive: true, ipv6Only: true }, () => {
      server.off("error", reject);
      resolve();
    });
  });

async function stop({ datagrams, connections }: Listening): Promise<void> {
  await new Promise<void>((resolve) => {
    try {
      datagrams.close(() => resolve());
    } catch {
      // It was never bound.
      resolve();
    }
  });
  await new Promise<void>((resolve) => connections.close(() => resolve()));
}
