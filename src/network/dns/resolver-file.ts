/** The resolvers that this host is configured with. */
import { readFileSync, statSync } from "node:fs";
import { parseIpAddress } from "../../lib/ip-address.ts";

const MAX_BYTES = 1 << 16;
const LOOK_AGAIN_MS = 1_000;

/** Addresses of `nameserver` lines (resolv.conf(5)); zones of link-local addresses are left out. */
export function parseResolvers(text: string): readonly Uint8Array[] {
  return text.split("\n").flatMap((line) => {
    const [, address = ""] = /^\s*nameserver\s+(\S+)/.exec(line) ?? [];
    return parseIpAddress(address.split("%")[0] ?? "") ?? [];
  });
}

/** Reads the file again when it has changed. One that is not there names nobody; one that cannot be read means what it said before. */
export class ResolverFile {
  readonly #path: string;
  readonly #now: () => number;
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #version = "";
  #addresses: readonly Uint8Array[] = [];

  constructor(path: string = "/etc/resolv.conf", now: () => number = Date.now) {
    this.#path = path;
    this.#now = now;
  }

  addresses(): readonly Uint8Array[] {
    const now = this.#now();
    if (now - this.#lookedAtMs < LOOK_AGAIN_MS) return this.#addresses;
    this.#lookedAtMs = now;
    try {
      this.#look();
    } catch {
      // It is being replaced: it is looked at again in a second.
    }
    return this.#addresses;
  }

  #look(): void {
    const facts = statSync(this.#path, { throwIfNoEntry: false });
    const version = `${facts?.ino} ${facts?.mtimeMs} ${facts?.size}`;
    if (version === this.#version) return;
    this.#addresses = facts === undefined || facts.size > MAX_BYTES ? [] : parseResolvers(readFileSync(this.#path, "utf8"));
    this.#version = version;
  }
}
