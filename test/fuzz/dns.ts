/** Messages of DNS from workloads and resolvers: read or refused, in bounded time, and never more than what they hold. */
import { encodeQuery, parseAnswer, parseQuery } from "../../src/network/dns/message.ts";
import { encodeName, encodeResponse, type ZoneRecord } from "../network/dns-server.ts";
import { mutatedBytes, type UpTo } from "./mutation.ts";
import { type FuzzTarget, threadMs } from "./target.ts";

const MAX_MS = 250;
const NAMES = ["a.test", "api.bank.test", "x", "aa.bb.cc.dd.ee.ff", "."];

function queryOf(random: () => number): Uint8Array {
  const name = NAMES[Math.floor(random() * NAMES.length)] ?? ".";
  const hasEdns = random() < 0.5;
  const opt = hasEdns ? [0, 0, 41, 0x10, 0, 0, 0, 0x80, 0, 0, 0] : [];
  return Uint8Array.from([1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, hasEdns ? 1 : 0, ...encodeName(name), 0, random() < 0.5 ? 1 : 28, 0, 1, ...opt]);
}

function recordsOf(random: () => number): readonly ZoneRecord[] {
  const any = (): string => NAMES[Math.floor(random() * NAMES.length)] ?? "x";
  return Array.from({ length: Math.floor(random() * 6) }, () =>
    random() < 0.5
      ? { name: any(), type: "CNAME", ttlS: Math.floor(random() * 2 ** 32), data: any() }
      : { name: any(), type: "A", ttlS: Math.floor(random() * 100), data: "192.0.2.1" },
  );
}

export const dnsFuzz: FuzzTarget = {
  name: "dns",
  run(random) {
    const upTo: UpTo = (limit) => Math.floor(random() * limit);
    const plain = queryOf(random);
    const known = parseQuery(plain);
    if (!known.ok) throw new Error(`a good query is refused: ${known.error.message}`);
    const begun = threadMs();
    const asked = mutatedBytes(plain, upTo);
    const query = parseQuery(asked);
    if (query.ok) {
      const again = parseQuery(encodeQuery(query.value, query.value.id));
      if (!again.ok || again.value.question.name !== query.value.question.name)
        throw new Error(`a query is sent on as another one: ${Buffer.from(asked).toString("hex")}`);
    }
    const told = mutatedBytes(encodeResponse(plain, recordsOf(random)), upTo);
    const answer = parseAnswer(told, known.value.question);
    if (answer.ok) {
      const { addresses, ttls } = answer.value;
      if (addresses.length > ttls.length || ttls.some(({ at }) => at + 4 > told.length))
        throw new Error(`an answer has more than it holds: ${Buffer.from(told).toString("hex")}`);
    }
    const tookMs = threadMs() - begun;
    if (tookMs > MAX_MS) throw new Error(`${tookMs} ms for ${Buffer.from(told).toString("hex")}`);
  },
};
