/** Asks a resolver, in bounded time. */
import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { connect } from "node:net";
import { formatIpAddress } from "../../lib/ip-network.ts";
import { type DnsAnswer, type DnsQuery, encodeQuery, parseAnswer } from "./message.ts";
import { frame, MessageFramer } from "./message-framer.ts";

export interface Resolver {
  readonly address: Uint8Array;
  readonly port: number;
}

/** What a resolver said, as it is and as it was understood. */
export interface Told {
  readonly octets: Uint8Array;
  readonly answer: DnsAnswer;
}

/** Why there is no answer, in words. */
export type Failure = string;

/**
 * The answer to a query, or why there is none. By UDP it is sent from a port of its own under a number of its own, twice if need be, and what
 * does not answer this question is waited over; `timeoutMs` is for each try.
 */
export async function askResolver(
  query: DnsQuery,
  resolver: Resolver,
  protocol: "udp" | "tcp",
  timeoutMs: number,
): Promise<Told | Failure> {
  const id = randomInt(0x1_0000);
  const message = encodeQuery(query, id);
  const understand = (octets: Uint8Array): Told | Failure => {
    const parsed = parseAnswer(octets, query.question);
    if (!parsed.ok) return parsed.error.message;
    return parsed.value.id === id ? { octets, answer: parsed.value } : "an answer under another number";
  };
  return protocol === "udp" ? askByUdp(message, resolver, timeoutMs, understand) : askByTcp(message, resolver, timeoutMs, understand);
}

const TRIES = 2;

function askByUdp(
  message: Uint8Array,
  { address, port }: Resolver,
  timeoutMs: number,
  understand: (octets: Uint8Array) => Told | Failure,
): Promise<Told | Failure> {
  return new Promise((resolve) => {
    const socket = createSocket(address.length === 4 ? "udp4" : "udp6");
    let left = TRIES;
    let last: Failure = "no answer in time";
    const end = (outcome: Told | Failure): void => {
      clearTimeout(timer);
      socket.removeAllListeners();
      // What comes after the end is nobody's.
      socket.on("error", () => {});
      socket.close();
      resolve(outcome);
    };
    const send = (): void => {
      left--;
      socket.send(message);
    };
    const onTime = (): void => {
      if (left > 0) {
        send();
        timer = setTimeout(onTime, timeoutMs);
      } else end(last);
    };
    let timer = setTimeout(onTime, timeoutMs);
    socket.once("error", (error) => end(error.message));
    socket.on("message", (octets) => {
      const told = understand(octets);
      if (typeof told === "string") last = told;
      else end(told);
    });
    // Connected, so that only this resolver is heard, and its host can say that nobody is there.
    socket.connect(port, formatIpAddress(address), send);
  });
}

function askByTcp(
  message: Uint8Array,
  { address, port }: Resolver,
  timeoutMs: number,
  understand: (octets: Uint8Array) => Told | Failure,
): Promise<Told | Failure> {
  return new Promise((resolve) => {
    const socket = connect({ host: formatIpAddress(address), port });
    const end = (outcome: Told | Failure): void => {
      clearTimeout(timer);
      socket.removeAllListeners();
      socket.on("error", () => {});
      socket.destroy();
      resolve(outcome);
    };
    const timer = setTimeout(() => end("no answer in time"), timeoutMs * TRIES);
    const framer = new MessageFramer((octets) => end(understand(octets)));
    socket.once("error", (error) => end(error.message));
    socket.once("end", () => end("the resolver closed the connection"));
    socket.on("data", (chunk) => framer.push(chunk));
    socket.write(frame(message));
  });
}
