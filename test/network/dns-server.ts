/** A resolver of the tests: answers by what its zone says, by UDP and TCP. */
import { createSocket, type Socket } from "node:dgram";
import { createServer, type Server } from "node:net";
import { parseIpAddress } from "../../src/lib/ip-address.ts";
import { frame, MessageFramer } from "../../src/network/dns/message-framer.ts";

export interface ZoneRecord {
  readonly name: string;
  readonly type: "A" | "AAAA" | "CNAME";
  readonly ttlS: number;
  readonly data: string;
}

/** By name: its answer; `silence` never answers, `truncate` says by UDP that TCP has more. */
export type Zone = { readonly [name: string]: readonly ZoneRecord[] | "silence" | { readonly truncated: readonly ZoneRecord[] } };

const TYPES = { A: 1, AAAA: 28, CNAME: 5 } as const;

export function encodeName(name: string): Uint8Array {
  const labels = name === "." ? [] : name.split(".");
  return Uint8Array.from([...labels.flatMap((label) => [label.length, ...Buffer.from(label)]), 0]);
}

function encodeRecord({ name, type, ttlS, data }: ZoneRecord): Uint8Array {
  const octets = type === "CNAME" ? encodeName(data) : (parseIpAddress(data) ?? new Uint8Array());
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(TYPES[type], 0);
  fixed.writeUInt16BE(1, 2);
  fixed.writeUInt32BE(ttlS, 4);
  fixed.writeUInt16BE(octets.length, 8);
  return Buffer.concat([encodeName(name), fixed, octets]);
}

/** The response to a query with these records, or none of that name (3). */
export function encodeResponse(query: Uint8Array, records: readonly ZoneRecord[] | undefined, isTruncated: boolean = false): Uint8Array {
  const question = query.subarray(12, 12 + query.subarray(12).indexOf(0) + 5);
  const header = Buffer.alloc(12);
  header.writeUInt16BE(Buffer.from(query).readUInt16BE(0), 0);
  header.writeUInt16BE(0x8180 | (isTruncated ? 0x0200 : 0) | (records === undefined ? 3 : 0), 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(isTruncated ? 0 : (records ?? []).length, 6);
  return Buffer.concat([header, question, ...(isTruncated ? [] : (records ?? []).map(encodeRecord))]);
}

export function nameOf(query: Uint8Array): string {
  const labels: string[] = [];
  for (let at = 12; query[at] !== 0 && query[at] !== undefined; at += (query[at] ?? 0) + 1)
    labels.push(Buffer.from(query.subarray(at + 1, at + 1 + (query[at] ?? 0))).toString("latin1"));
  return labels.join(".").toLowerCase();
}

export class TestResolver implements AsyncDisposable {
  zone: Zone = {};
  /** Names that were asked for, with the protocol. */
  readonly asked: string[] = [];
  readonly #datagrams: Socket;
  readonly #connections: Server;

  constructor(address: string) {
    this.#datagrams = createSocket(address.includes(":") ? "udp6" : "udp4");
    this.#datagrams.on("message", (query, from) => {
      const answer = this.#answer(query, "udp");
      if (answer !== undefined) this.#datagrams.send(answer, from.port, from.address);
    });
    this.#connections = createServer((socket) => {
      const framer = new MessageFramer((query) => {
        const answer = this.#answer(query, "tcp");
        if (answer !== undefined) socket.write(frame(answer));
      });
      socket.on("data", (chunk) => framer.push(chunk));
      socket.on("error", () => {});
    });
  }

  static async listen(address: string, port: number = 53): Promise<TestResolver> {
    const resolver = new TestResolver(address);
    await new Promise<void>((resolve, reject) => {
      resolver.#datagrams.once("error", reject);
      resolver.#datagrams.bind(port, address, resolve);
    });
    await new Promise<void>((resolve, reject) => {
      resolver.#connections.once("error", reject);
      resolver.#connections.listen(port, address, resolve);
    });
    return resolver;
  }

  #answer(query: Uint8Array, protocol: "udp" | "tcp"): Uint8Array | undefined {
    const name = nameOf(query);
    this.asked.push(`${name} ${protocol}`);
    const found = this.zone[name];
    if (found === "silence") return undefined;
    if (found !== undefined && "truncated" in found) return encodeResponse(query, found.truncated, protocol === "udp");
    return encodeResponse(query, found);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => this.#datagrams.close(resolve));
    await new Promise((resolve) => this.#connections.close(resolve));
  }
}
