/** The kernel's side of the DNS proxy: where it listens, whose questions it reads, and who asked whom. */
import { type Collection, codecOf, KeyedMap, RingReader } from "../../ebpf/index.ts";
import { formatIpAddress } from "../../lib/ip-network.ts";
import { PROTOCOL_NUMBER } from "../kernel-maps.ts";
import { addressOfHalves, halvesOf } from "./address-halves.ts";
import { ASKED_RECORD, type AskedRecord, type DnsMaps } from "./dns-maps.ts";

export interface ProxyAddress {
  /** 4 octets in `v4`, 16 in `v6`. */
  readonly address: Uint8Array;
  readonly port: number;
}

/** A question, or a connection, on its way to the proxy. */
export interface Asked {
  /** Of the workload. */
  readonly cgroupId: bigint;
  /** Whom it meant. */
  readonly resolver: Uint8Array;
  readonly port: number;
}

/** Those that never arrived are forgotten. */
const MAX_WAITING = 8_192;
const NONE = { isOn: 0, port4: 0, port6: 0, low4: 0n, high6: 0n, low6: 0n };

export class QuestionGate implements Disposable {
  readonly #maps: DnsMaps;
  readonly #loaded: Collection;
  readonly #codec = codecOf(ASKED_RECORD);
  /** By protocol, address, port and number, in the order in which they were sent. */
  readonly #waiting = new Map<string, Asked[]>();
  #clients: ReadonlySet<bigint> | undefined;
  #reader: RingReader | undefined;

  constructor(maps: DnsMaps, loaded: Collection) {
    this.#maps = maps;
    this.#loaded = loaded;
  }

  /** From now on questions of clients go there. IPv6 where there is an address for it. */
  open(v4: ProxyAddress, v6: ProxyAddress | undefined): void {
    this.#reader ??= new RingReader([
      { map: this.#loaded.map(this.#maps.asked), onRecord: (view, offset) => this.#note(this.#codec.decode(view, offset)) },
    ]);
    const six = v6 === undefined ? { high: 0n, low: 0n } : halvesOf(v6.address);
    new KeyedMap(this.#loaded.map(this.#maps.proxy)).set(0, {
      isOn: 1,
      port4: v4.port,
      port6: v6?.port ?? 0,
      low4: halvesOf(v4.address).low,
      high6: six.high,
      low6: six.low,
    });
  }

  /** Questions go where they are meant again, as far as policies let them. */
  close(): void {
    new KeyedMap(this.#loaded.map(this.#maps.proxy)).set(0, NONE);
  }

  /** Whose questions are read, by id of the cgroup. Throws `LINUX_CALL` when there are too many. */
  setClients(ids: ReadonlySet<bigint>): void {
    const map = new KeyedMap(this.#loaded.map(this.#maps.clients));
    const before = this.#clients ?? new Set([...map.entries()].map(([id]) => id));
    map.setAll([...ids].filter((id) => !before.has(id)).map((id) => [id, 1] as const));
    map.deleteAll([...before].filter((id) => !ids.has(id)));
    this.#clients = ids;
  }

  get clients(): ReadonlySet<bigint> {
    return this.#clients ?? new Set();
  }

  /** Who sent what has arrived from there; undefined when it came to the proxy by itself. */
  take(protocol: "udp" | "tcp", address: Uint8Array, port: number, id: number): Asked | undefined {
    const key = waitingKey(PROTOCOL_NUMBER[protocol], address, port, id);
    const waiting = this.#first(key);
    if (waiting !== undefined) return waiting;
    this.#reader?.drain();
    return this.#first(key);
  }

  #first(key: string): Asked | undefined {
    const list = this.#waiting.get(key);
    const found = list?.shift();
    if (list?.length === 0) this.#waiting.delete(key);
    return found;
  }

  #note({ cgroup, ownHigh, ownLow, meantHigh, meantLow, ownPort, meantPort, protocol, id }: AskedRecord): void {
    const key = waitingKey(protocol, addressOfHalves({ high: ownHigh, low: ownLow }), ownPort, id);
    const list = this.#waiting.get(key) ?? [];
    list.push({ cgroupId: cgroup, resolver: addressOfHalves({ high: meantHigh, low: meantLow }), port: meantPort });
    // The newest last.
    this.#waiting.delete(key);
    this.#waiting.set(key, list.slice(-MAX_SAME));
    for (const oldest of this.#waiting.keys()) {
      if (this.#waiting.size <= MAX_WAITING) break;
      this.#waiting.delete(oldest);
    }
  }

  [Symbol.dispose](): void {
    this.#reader?.[Symbol.dispose]();
  }
}

/** Of one socket under one number: a question and what is sent again. */
const MAX_SAME = 16;

const waitingKey = (protocol: number, address: Uint8Array, port: number, id: number): string =>
  `${protocol} ${formatIpAddress(address)} ${port} ${id}`;
