/** Answers questions of workloads: judges them, asks the resolver that was meant, and has the answer learned before it is handed out. */
import { formatIpAddress, sameAddress } from "../../lib/ip-network.ts";
import type { AccessSet } from "../../policy/access/access-set.ts";
import { LookupJudge, type LookupVerdict } from "../../policy/access/decide-lookup.ts";
import type { Endpoint } from "../../policy/access/endpoint.ts";
import type { NameLimits } from "./learned-names.ts";
import { type DnsQuery, EXTENDED_ERROR, encodeFault, encodeRefusal, PLAIN_UDP_BYTES, parseQuery, RCODE, readdressed } from "./message.ts";
import type { Asked, ProxyAddress } from "./question-gate.ts";
import { askResolver, type Told } from "./upstream.ts";

/** Who asks and who is asked, as the enforcement knows them. */
export interface AskedWorld {
  readonly policies: AccessSet | undefined;
  workloadOf(cgroupId: bigint): Endpoint | undefined;
  ownerOf(address: Uint8Array): Endpoint;
  readonly names: {
    learn(
      asker: string,
      name: string,
      answered: readonly { readonly address: Uint8Array; readonly untilMs: number }[],
    ): keyof NameLimits | undefined;
  };
}

/** A question of a workload, and what came of it. */
export interface NameLookup {
  readonly source: Endpoint;
  readonly name: string;
  /** As IANA numbers them: 1 is A, 28 AAAA. */
  readonly type: number;
  readonly protocol: "udp" | "tcp";
  readonly resolver: string;
  readonly port: number;
  readonly verdict: LookupVerdict["verdict"];
  readonly audited: LookupVerdict["audited"];
  readonly ground: LookupVerdict["ground"];
  /** As IANA numbers them: 0 is an answer, 2 a failure, 3 no such name, 5 refused. */
  readonly rcode: number;
  /** What the answer says; learned unless `failure` says otherwise. */
  readonly addresses: readonly string[];
  /** Why there was no answer, in words; empty where there was one. */
  readonly failure: string;
  readonly durationMs: number;
}

export interface AnswererOptions {
  /** How long an address counts at least, whatever the answer says. */
  readonly minTtlMs: number;
  /** And at most; answers that live longer are shortened, so that who asked asks again in time. */
  readonly maxTtlMs: number;
  /** So long after its time, an address still counts: programs connect a little later than they ask. */
  readonly graceMs: number;
  /** Of each of two tries. */
  readonly timeoutMs: number;
  /** Under way at once, of all workloads and of one. */
  readonly questions: number;
  readonly questionsPerWorkload: number;
  /**
   * How a question that no policy allows is answered. Programs that add search domains to short names stop at `refused`, and go on with the next
   * domain after `nameError` (no such name).
   */
  readonly refusedAs: "refused" | "nameError";
  /** Answers what policies would refuse, and reports it. */
  readonly isAudit: boolean;
  readonly resolvers: () => readonly Uint8Array[];
  readonly onLookup: (lookup: NameLookup) => void;
  readonly now: () => number;
}

interface Outcome {
  readonly octets: Uint8Array;
  readonly rcode: number;
  readonly addresses: readonly Uint8Array[];
  readonly failure: string;
}

export class QuestionAnswerer {
  readonly #world: AskedWorld;
  readonly #options: AnswererOptions;
  /** Where the proxy itself listens. */
  readonly #own: readonly ProxyAddress[];
  readonly #underWay = new Map<bigint, number>();
  #total = 0;
  /** Of the set that is in force. */
  #judge: { readonly set: AccessSet; readonly judge: LookupJudge } | undefined;

  constructor(world: AskedWorld, own: readonly ProxyAddress[], options: AnswererOptions) {
    this.#world = world;
    this.#own = own;
    this.#options = options;
  }

  /** What to send back; undefined for what deserves no answer. UNTRUSTED: `message`. */
  async answer(message: Uint8Array, protocol: "udp" | "tcp", asked: Asked | undefined): Promise<Uint8Array | undefined> {
    const parsed = parseQuery(message);
    if (!parsed.ok) return parsed.error.id === undefined ? undefined : encodeFault(parsed.error.id, parsed.error.rcode);
    const query = parsed.value;
    const source = asked === undefined ? undefined : this.#world.workloadOf(asked.cgroupId);
    const { policies } = this.#world;
    const isItself =
      asked !== undefined && this.#own.some(({ address, port }) => port === asked.port && sameAddress(address, asked.resolver));
    // Nobody whom the kernel has sent here.
    if (asked === undefined || source === undefined || policies === undefined || isItself)
      return encodeRefusal(query, { rcode: RCODE.refused });
    const begunMs = this.#options.now();
    const resolvers = this.#options.resolvers();
    const judged = this.#judgeOf(policies).decide(
      {
        source,
        resolver: this.#world.ownerOf(asked.resolver),
        resolverAddress: asked.resolver,
        protocol,
        port: asked.port,
        name: query.question.name,
        isTrusted: resolvers.some((address) => sameAddress(address, asked.resolver)),
      },
      { nowMs: begunMs },
    );
    const isSpared = this.#options.isAudit && judged.verdict === "deny";
    const verdict: LookupVerdict = isSpared ? { ...judged, verdict: "allow", audited: judged.ground } : judged;
    const outcome = await this.#outcome(query, protocol, asked, verdict);
    this.#options.onLookup({
      source,
      name: query.question.name,
      type: query.question.type,
      protocol,
      resolver: formatIpAddress(asked.resolver),
      port: asked.port,
      verdict: verdict.verdict,
      audited: verdict.audited,
      ground: verdict.ground,
      rcode: outcome.rcode,
      addresses: outcome.addresses.map(formatIpAddress),
      failure: outcome.failure,
      durationMs: this.#options.now() - begunMs,
    });
    return protocol === "udp" ? fitting(query, outcome.octets) : outcome.octets;
  }

  #judgeOf(set: AccessSet): LookupJudge {
    if (this.#judge?.set !== set) this.#judge = { set, judge: new LookupJudge(set) };
    return this.#judge.judge;
  }

  async #outcome(query: DnsQuery, protocol: "udp" | "tcp", asked: Asked, verdict: LookupVerdict): Promise<Outcome> {
    if (verdict.verdict === "deny")
      return refusal(query, RCODE[this.#options.refusedAs], EXTENDED_ERROR.blocked, "no policy allows this name here");
    const own = this.#underWay.get(asked.cgroupId) ?? 0;
    if (this.#total >= this.#options.questions || own >= this.#options.questionsPerWorkload)
      return refusal(query, RCODE.serverFailure, EXTENDED_ERROR.other, "too many questions at once");
    this.#total++;
    this.#underWay.set(asked.cgroupId, own + 1);
    try {
      const told = await askResolver(query, { address: asked.resolver, port: asked.port }, protocol, this.#options.timeoutMs);
      if (typeof told === "string") return refusal(query, RCODE.serverFailure, EXTENDED_ERROR.networkError, told);
      return this.#learned(query, told, asked, verdict);
    } finally {
      this.#total--;
      const left = (this.#underWay.get(asked.cgroupId) ?? 1) - 1;
      if (left > 0) this.#underWay.set(asked.cgroupId, left);
      else this.#underWay.delete(asked.cgroupId);
    }
  }

  #learned(query: DnsQuery, { octets, answer }: Told, asked: Asked, { isLearned }: LookupVerdict): Outcome {
    const { minTtlMs, maxTtlMs, graceMs, now } = this.#options;
    const addresses = answer.addresses.map(({ address }) => address);
    if (isLearned && addresses.length > 0) {
      const nowMs = now();
      const answered = answer.addresses.map(({ address, ttlS }) => ({
        address,
        untilMs: nowMs + Math.min(Math.max(ttlS * 1_000, minTtlMs), maxTtlMs) + graceMs,
      }));
      let failure: string | undefined;
      try {
        const limit = this.#world.names.learn(String(asked.cgroupId), query.question.name, answered);
        failure = limit === undefined ? undefined : `the limit of \`${limit}\` is reached`;
      } catch (thrown) {
        failure = thrown instanceof Error ? thrown.message : String(thrown);
      }
      // Who is told an address that the kernel does not know would only be refused there.
      if (failure !== undefined) return { ...refusal(query, RCODE.serverFailure, EXTENDED_ERROR.other, failure), addresses };
    }
    const shortened = readdressed(octets, query.id, answer.ttls, Math.floor(maxTtlMs / 1_000));
    return { octets: shortened, rcode: answer.rcode, addresses, failure: "" };
  }
}

const refusal = (query: DnsQuery, rcode: number, reason: number, text: string): Outcome => ({
  octets: encodeRefusal(query, { rcode, reason, text }),
  rcode,
  addresses: [],
  failure: text,
});

/** What is larger than who asked takes by UDP becomes an invitation to ask by TCP. */
function fitting(query: DnsQuery, octets: Uint8Array): Uint8Array {
  const limit = query.edns?.payloadBytes ?? PLAIN_UDP_BYTES;
  return octets.length <= limit ? octets : encodeRefusal(query, { rcode: RCODE.noError, isTruncated: true });
}
