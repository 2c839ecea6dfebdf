/** The DNS proxy of the network process: there while policies speak of names. */

import { messageOf } from "../../lib/error.ts";
import { parseIpAddress } from "../../lib/ip-address.ts";
import { formatIpAddress } from "../../lib/ip-network.ts";
import { type DnsProxy, openDnsProxy } from "../../network/dns/dns-proxy.ts";
import type { NameLookup } from "../../network/dns/question-answerer.ts";
import type { NetworkEnforcement } from "../../network/enforcement.ts";
import type { AccessSet } from "../../policy/access/access-set.ts";
import { speaksOfNames } from "../../policy/access/decide-lookup.ts";
import type { Log } from "../log.ts";
import type { Settings } from "../settings.ts";

export interface NameProxyOptions {
  readonly configuration: Pick<Settings, "network.mode" | "network.resolvers" | "network.refusedNames">;
  readonly onLookup: (lookup: NameLookup) => void;
  readonly log: Log;
}

export class NameProxy {
  readonly #options: NameProxyOptions;
  #proxy: DnsProxy | undefined;
  /** Changes are made one after the other. */
  #working: Promise<void> = Promise.resolve();
  #problem = "";

  constructor(options: NameProxyOptions) {
    this.#options = options;
  }

  /** Where it listens, for people; empty while it does not. */
  get where(): string {
    return (this.#proxy?.addresses ?? [])
      .map(({ address, port }) => (address.length === 4 ? `${formatIpAddress(address)}:${port}` : `[${formatIpAddress(address)}]:${port}`))
      .join(", ");
  }

  /** Why names are not read although policies speak of them; empty otherwise. */
  get problem(): string {
    return this.#problem;
  }

  /** Opens or ends it, as the policies need. Never rejects: what fails is told, and names stay closed. */
  follow(enforcement: NetworkEnforcement, set: AccessSet): Promise<void> {
    this.#working = this.#working.then(async () => {
      try {
        if (!speaksOfNames(set)) await this.#end(false);
        else this.#proxy ??= await openDnsProxy(enforcement, this.#proxyOptions());
        this.#tell("");
      } catch (error) {
        this.#tell(messageOf(error));
      }
    });
    return this.#working;
  }

  /** With `keep`, questions go to nobody until the next process takes over. */
  close({ keep }: { readonly keep: boolean }): Promise<void> {
    this.#working = this.#working.then(() => this.#end(keep));
    return this.#working;
  }

  async #end(keepOpen: boolean): Promise<void> {
    const proxy = this.#proxy;
    this.#proxy = undefined;
    await proxy?.close({ keepOpen });
  }

  #proxyOptions(): Parameters<typeof openDnsProxy>[1] {
    const { configuration, onLookup, log } = this.#options;
    const onProblem = (message: string): void => log("error", `addresses of names that are over are still in force: ${message}`);
    const resolvers = configuration["network.resolvers"].flatMap((text) => parseIpAddress(text) ?? []);
    const refusedAs = configuration["network.refusedNames"] === "no-such-name" ? "nameError" : "refused";
    const isAudit = configuration["network.mode"] === "audit";
    return { onLookup, onProblem, refusedAs, isAudit, ...(resolvers.length > 0 && { resolvers: () => resolvers }) };
  }

  #tell(problem: string): void {
    if (problem !== "" && problem !== this.#problem) this.#options.log("error", `names of access policies are not read: ${problem}`);
    this.#problem = problem;
  }
}
