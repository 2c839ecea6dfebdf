import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { accessSet, workload } from "../../../test/access-fixture.ts";
import { encodeName, TestResolver } from "../../../test/network/dns-server.ts";
import { EXTERNAL } from "../../policy/access/endpoint.ts";
import { DEFAULT_DNS_OPTIONS } from "./dns-proxy.ts";
import type { NameLimits } from "./learned-names.ts";
import { parseAnswer, parseQuery } from "./message.ts";
import { type AnswererOptions, type NameLookup, QuestionAnswerer } from "./question-answerer.ts";

const LOOPBACK = Uint8Array.of(127, 0, 0, 1);
const PORT = 12_000 + (process.pid % 10_000);
const POLICY = `
apiVersion: vigil.dev/v1alpha1
kind: AccessPolicy
metadata: { name: bank, namespace: shop }
spec: { from: [{ workload: orders }], to: [{ dns: api.bank.test }, { cidr: 127.0.0.1 }], ports: [${PORT}/udp, ${PORT}] }
`;
const set = accessSet(POLICY);
let resolver: TestResolver;
const lookups: NameLookup[] = [];
const learned: [name: string, untilMs: number][] = [];
let limit: keyof NameLimits | undefined;

beforeAll(async () => {
  resolver = await TestResolver.listen("127.0.0.1", PORT);
});
afterAll(() => resolver[Symbol.asyncDispose]());
beforeEach(() => {
  lookups.length = 0;
  learned.length = 0;
  resolver.asked.length = 0;
  limit = undefined;
  resolver.zone = { "api.bank.test": [{ name: "api.bank.test", type: "A", ttlS: 90_000, data: "192.0.2.1" }] };
});

const answerer = (options: Partial<AnswererOptions> = {}, policies: typeof set = set): QuestionAnswerer =>
  new QuestionAnswerer(
    {
      policies,
      workloadOf: (id) => (id === 1n ? workload("orders") : undefined),
      ownerOf: () => EXTERNAL,
      names: {
        learn: (_asker, name, answered) => {
          for (const { untilMs } of answered) learned.push([name, untilMs]);
          return limit;
        },
      },
    },
    [{ address: Uint8Array.of(127, 0, 0, 9), port: 53 }],
    {
      ...DEFAULT_DNS_OPTIONS,
      timeoutMs: 100,
      resolvers: () => [LOOPBACK],
      onLookup: (lookup) => void lookups.push(lookup),
      now: () => 1_000_000,
      ...options,
    },
  );

const asked = { cgroupId: 1n, resolver: LOOPBACK, port: PORT };
const query = (name: string): Uint8Array => Uint8Array.from([0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...encodeName(name), 0, 1, 0, 1]);

async function ask(own: QuestionAnswerer, name: string, from: typeof asked | "nobody" = asked): Promise<string> {
  const octets = await own.answer(query(name), "udp", from === "nobody" ? undefined : from);
  const question = parseQuery(query(name));
  if (octets === undefined || !question.ok) return "nothing";
  const answer = parseAnswer(octets, question.value.question);
  return answer.ok
    ? `${answer.value.id} ${answer.value.rcode} ${answer.value.addresses.map(({ ttlS }) => ttlS).join()}`
    : answer.error.message;
}

test("an answer is learned before it is handed out, under the number of who asked, and lives no longer than it counts", async () => {
  expect(await ask(answerer(), "api.bank.test")).toBe("7 0 3600");
  expect(learned).toEqual([["api.bank.test", 1_000_000 + 3_600_000 + 30_000]]);
  expect(lookups).toMatchObject([{ verdict: "allow", failure: "", addresses: ["192.0.2.1"] }]);
});

test("a short life is made longer where addresses are learned", async () => {
  resolver.zone = { "api.bank.test": [{ name: "api.bank.test", type: "A", ttlS: 0, data: "192.0.2.1" }] };
  expect(await ask(answerer(), "api.bank.test")).toBe("7 0 0");
  expect(learned).toEqual([["api.bank.test", 1_000_000 + 5_000 + 30_000]]);
});

test("what cannot be learned is not told", async () => {
  limit = "addresses";
  expect(await ask(answerer(), "api.bank.test")).toBe("7 2 ");
  expect(lookups).toMatchObject([{ failure: "the limit of `addresses` is reached" }]);
});

test("who was not sent by the kernel, who is no workload, and who means the proxy itself is refused", async () => {
  const own = answerer();
  expect(await ask(own, "api.bank.test", "nobody")).toBe("7 5 ");
  expect(await ask(own, "api.bank.test", { ...asked, cgroupId: 2n })).toBe("7 5 ");
  expect(await ask(own, "api.bank.test", { ...asked, resolver: Uint8Array.of(127, 0, 0, 9), port: 53 })).toBe("7 5 ");
  expect(resolver.asked).toEqual([]);
});

const NAMES_ONLY = accessSet(`
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: names, namespace: shop }
spec: { endpointSelector: {}, egress: [{ toCIDR: [127.0.0.1/32], toPorts: [{ ports: [{ port: "53" }], rules: { dns: [{ matchName: api.bank.test }] } }] }] }`);

test("a refusal is what the setting says, and in audit it is an answer that is reported", async () => {
  expect(await ask(answerer({}, NAMES_ONLY), "evil.test", { ...asked, port: 53 })).toBe("7 5 ");
  expect(await ask(answerer({ refusedAs: "nameError" }, NAMES_ONLY), "evil.test", { ...asked, port: 53 })).toBe("7 3 ");
  resolver.zone = { "evil.test": [{ name: "evil.test", type: "A", ttlS: 60, data: "192.0.2.2" }] };
  expect(await ask(answerer({ isAudit: true }, NAMES_ONLY), "evil.test")).toBe("7 0 60");
  expect(lookups.at(-1)).toMatchObject({ verdict: "allow", audited: { tier: "isolation" } });
});

test("more questions at once than a workload may have are a failure at once, and later ones are answered again", async () => {
  resolver.zone = { "slow.test": "silence", "api.bank.test": [] };
  const own = answerer({ questionsPerWorkload: 2 });
  const slow = [ask(own, "slow.test"), ask(own, "slow.test")];
  expect(await ask(own, "api.bank.test")).toBe("7 2 ");
  expect(lookups).toMatchObject([{ failure: "too many questions at once" }]);
  expect(await Promise.all(slow)).toEqual(["7 2 ", "7 2 "]);
  expect(await ask(own, "api.bank.test")).toBe("7 0 ");
});

test("an answer that is larger than who asked takes becomes an invitation to ask by TCP", async () => {
  resolver.zone = {
    "api.bank.test": Array.from({ length: 40 }, (_, index) => ({ name: "api.bank.test", type: "A", ttlS: 60, data: `192.0.2.${index}` })),
  };
  const own = answerer();
  const octets = await own.answer(query("api.bank.test"), "udp", asked);
  expect(octets?.length).toBeLessThan(512);
  expect(((octets ?? [])[2] ?? 0) & 2).toBe(2);
  expect((await own.answer(query("api.bank.test"), "tcp", asked))?.length).toBeGreaterThan(512);
});

test("what is no query is answered by what it can be, or not at all", async () => {
  const own = answerer();
  expect(await own.answer(Uint8Array.of(1, 2, 3), "udp", asked)).toBeUndefined();
  expect([...((await own.answer(query("a.test").subarray(0, 14), "udp", asked)) ?? [])].slice(0, 4)).toEqual([0, 7, 0x80, 1]);
});
