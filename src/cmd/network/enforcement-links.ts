/**
 * The socket where services of this machine say that they enforce, and tell what they decided. Who is at the other end is known by its cgroup or
 * its launch, as for its identity; a link stands for its workload as long as it is open.
 */
import { chmodSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { AttestedConnection } from "../../identity/attestation/attested-connection.ts";
import type { WorkloadAttestor } from "../../identity/attestation/attestor.ts";
import type { Entry } from "../../identity/authority/entry.ts";
import { messageOf } from "../../lib/error.ts";
import { isJsonObject, type JsonObject } from "../../lib/json.ts";
import { parseStrictJson } from "../../lib/strict-json.ts";
import type { LinkAnswer } from "../../service/access/enforcement-link.ts";
import type { Log } from "../log.ts";

/** One decision of a process, as far as it can be believed: the process may say of its own calls what it likes, and of no other's. */
export interface ToldDecision {
  readonly workload: Entry;
  readonly verdict: "allow" | "deny" | "audited";
  readonly policy: string;
  readonly rule: string;
  readonly source: string;
  readonly auditedBy: string;
  /** SPIFFE ID of the caller; empty without. */
  readonly caller: string;
  readonly method: string;
  readonly path: string;
  readonly address: string;
  readonly port: number;
  readonly latencyUs: number;
  /** Empty when it was allowed. */
  readonly reason: string;
}

export interface EnforcementLinksOptions {
  readonly path: string;
  readonly attestors: readonly WorkloadAttestor[];
  /** The workload with all of these selectors; undefined when there is none, or more than one. */
  readonly workloadOf: (selectors: ReadonlySet<string>) => Entry | undefined;
  readonly onDecision: (decision: ToldDecision) => void;
  readonly onLoss: (count: number) => void;
  /** The names (`shop/orders`) of workloads with an open link have changed. Takes effect before the service is told. */
  readonly onChange: () => void;
  readonly log: Log;
}

const MAX_LINKS = 1_024;
/** Connections of one user that have not said yet who they are. */
const MAX_STRANGERS_PER_USER = 32;
/** Decisions of one link in a second; more are counted. */
const MAX_DECISIONS_PER_SECOND = 5_000;
/** Of one line. UNTRUSTED: what services send. */
const MAX_LINE_CHARACTERS = 16 * 1024;
const MAX_TEXT_CHARACTERS = 2_048;
const FIRST_MESSAGE_MS = 5_000;
const OPEN_TO_ALL = 0o666;

export class EnforcementLinks {
  readonly #options: EnforcementLinksOptions;
  readonly #server: Server;
  readonly #links = new Map<Socket, string>();
  /** By user. */
  readonly #strangers = new Map<number, number>();
  readonly #sockets = new Set<Socket>();

  constructor(options: EnforcementLinksOptions) {
    this.#options = options;
    this.#server = createServer((socket) => this.#accept(socket));
    this.#server.maxConnections = MAX_LINKS;
  }

  /** Names (`shop/orders`) of workloads of which a process enforces now. */
  get enforcing(): ReadonlySet<string> {
    return new Set(this.#links.values());
  }

  async listen(): Promise<void> {
    const { path } = this.#options;
    rmSync(path, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(path, resolve);
    });
    // Who may say what is decided by who it is, not by who can connect.
    chmodSync(path, OPEN_TO_ALL);
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    rmSync(this.#options.path, { force: true });
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.setTimeout(FIRST_MESSAGE_MS, () => {
      if (!this.#links.has(socket)) socket.destroy();
    });
    const caller = this.#open(socket);
    let entry: Entry | undefined;
    let rest = "";
    const pace = new Pace(MAX_DECISIONS_PER_SECOND);
    let last: Promise<void> = Promise.resolve();
    socket.setEncoding("utf8");
    socket.on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      if (rest.length > MAX_LINE_CHARACTERS || lines.some((line) => line.length > MAX_LINE_CHARACTERS)) return void socket.destroy();
      // The first line asks who it is, which takes a moment; the others follow in their order.
      socket.pause();
      last = last
        .then(async () => {
          for (const line of lines) {
            if (entry === undefined) entry = await this.#register(socket, caller, line);
            else if (pace.allows(performance.now())) this.#hear(entry, line);
            else this.#options.onLoss(1);
          }
        })
        .catch((error) => this.#refuse(socket, messageOf(error)))
        .finally(() => socket.resume());
    });
    socket.on("close", () => {
      this.#sockets.delete(socket);
      caller?.[Symbol.dispose]();
      if (this.#links.delete(socket)) this.#options.onChange();
      else if (caller !== undefined) this.#countStranger(caller, -1);
    });
  }

  #countStranger({ credentials: { uid } }: AttestedConnection, change: 1 | -1): number {
    const count = (this.#strangers.get(uid) ?? 0) + change;
    if (count <= 0) this.#strangers.delete(uid);
    else this.#strangers.set(uid, count);
    return count;
  }

  #open(socket: Socket): AttestedConnection | undefined {
    try {
      const caller = AttestedConnection.open(socket, this.#options.attestors);
      if (this.#countStranger(caller, 1) > MAX_STRANGERS_PER_USER) this.#refuse(socket, "too many connections of this user ask at once");
      return caller;
    } catch (error) {
      this.#refuse(socket, messageOf(error));
      return undefined;
    }
  }

  async #register(socket: Socket, caller: AttestedConnection | undefined, line: string): Promise<Entry | undefined> {
    const message = readMessage(line);
    if (caller === undefined || message?.["kind"] !== "enforcing" || message["version"] !== 1) {
      this.#refuse(socket, "expected a service that says that it enforces");
      return undefined;
    }
    const { selectors } = await caller.attest();
    const entry = this.#options.workloadOf(new Set(selectors));
    if (entry === undefined) {
      this.#refuse(socket, "the process is not one registered workload: start it with `vigil run --as`");
      return undefined;
    }
    if (socket.destroyed || socket.writableEnded) return undefined;
    this.#countStranger(caller, -1);
    this.#links.set(socket, entry.name);
    // The kernel lets through what only the process can judge from now on, not before.
    this.#options.onChange();
    say(socket, { kind: "registered", workload: entry.name });
    return entry;
  }

  #refuse(socket: Socket, message: string): void {
    if (socket.destroyed || socket.writableEnded) return;
    say(socket, { kind: "refused", message });
    socket.end();
  }

  #hear(workload: Entry, line: string): void {
    const message = readMessage(line);
    if (message?.["kind"] === "lost") this.#options.onLoss(numberIn(message, "count"));
    if (message?.["kind"] !== "decision") return;
    const { verdict, refusal } = message;
    if (verdict !== "allow" && verdict !== "deny" && verdict !== "audited") return;
    this.#options.onDecision({
      workload,
      verdict,
      policy: textIn(message, "policy"),
      rule: textIn(message, "rule"),
      source: textIn(message, "source"),
      auditedBy: textIn(message, "auditedBy"),
      caller: textIn(message, "caller"),
      method: textIn(message, "method"),
      path: textIn(message, "path"),
      address: textIn(message, "address"),
      port: numberIn(message, "port"),
      latencyUs: numberIn(message, "latencyUs"),
      reason: isJsonObject(refusal) ? textIn(refusal, "detail") : "",
    });
  }
}

/** So many in each second. */
class Pace {
  readonly #limit: number;
  #count = 0;
  #second = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  allows(nowMs: number): boolean {
    const second = Math.floor(nowMs / 1_000);
    if (second !== this.#second) this.#count = 0;
    this.#second = second;
    return ++this.#count <= this.#limit;
  }
}

const say = (socket: Socket, answer: LinkAnswer): void => void socket.write(`${JSON.stringify(answer)}\n`);

function readMessage(line: string): JsonObject | undefined {
  const parsed = parseStrictJson(Buffer.from(line));
  return parsed.ok && isJsonObject(parsed.value) ? parsed.value : undefined;
}

function textIn(message: JsonObject, name: string): string {
  const value = message[name];
  return typeof value === "string" ? value.slice(0, MAX_TEXT_CHARACTERS) : "";
}

function numberIn(message: JsonObject, name: string): number {
  const value = message[name];
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : 0;
}
