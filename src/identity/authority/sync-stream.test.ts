import { fromBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { registrationsOf, testAuthority, trustDomainOf, workloadYaml } from "../../../test/identity/authority-in-process.ts";
import { AgentState } from "../agent/agent-state.ts";
import { type SyncResponse, SyncResponseSchema } from "../generated/vigil/authority/v1/authority_pb.ts";
import { entryMessage } from "./authority-message.ts";
import { syncStream } from "./sync-stream.ts";

const AGENT = "spiffe://example.org/vigil/agent/a";
const FRAME_HEADER_BYTES = 5;
const CLIENT_LIMIT_BYTES = 4 * 1024 * 1024;

const manyWorkloads = (count: number): string =>
  Array.from({ length: count }, (_, index) =>
    workloadYaml(`w${index}`, `{selectors: ['unix:uid:${index}', 'unix:path:/${"x".repeat(900)}']}`),
  ).join("");

/** Messages up to the end of a state. */
async function nextState(stream: AsyncGenerator<{ readonly framed: Uint8Array }>): Promise<readonly SyncResponse[]> {
  const parts: SyncResponse[] = [];
  for (;;) {
    const { value, done } = await stream.next();
    if (done === true) return parts;
    expect(value.framed.length).toBeLessThan(CLIENT_LIMIT_BYTES);
    parts.push(fromBinary(SyncResponseSchema, value.framed.subarray(FRAME_HEADER_BYTES)));
    if (parts.at(-1)?.continues !== true) return parts;
  }
}

test("a state that is too large for a message comes in several, and so does its end", async () => {
  const { authority, register } = await testAuthority({ resources: manyWorkloads(6_000) });
  const stop = new AbortController();
  const stream = syncStream(authority, AGENT, stop.signal);
  const first = await nextState(stream);
  expect(first.length).toBeGreaterThan(2);
  expect(first.map(({ isFull }) => isFull)).toEqual(first.map((_, index) => index === 0));
  expect(first[0]?.bundles?.trustDomain).toBe("example.org");
  const state = new AgentState();
  for (const part of first) state.apply({ ...part, isFull: false });
  expect(state.entryCount).toBe(6_000);
  register(workloadYaml("w5999", "{selectors: ['unix:uid:1']}"));
  const second = await nextState(stream);
  expect(second.flatMap(({ removedEntryIds }) => removedEntryIds)).toHaveLength(5_999);
  expect(second.flatMap(({ entries }) => entries.map(({ id }) => id))).toEqual(["default/w5999"]);
  stop.abort();
  expect(await nextState(stream)).toEqual([]);
});

test("a revision stands for a content: an authority that starts again repeats it, and one with other selectors does not", () => {
  const revisionOf = (spec: string): bigint => {
    const [entry] = registrationsOf(workloadYaml("web", spec), trustDomainOf("example.org")).entries.values();
    return entry === undefined ? 0n : entryMessage(entry).revision;
  };
  expect(revisionOf("{selectors: ['unix:uid:1']}")).toBe(revisionOf("{selectors: ['unix:uid:1']}"));
  expect(revisionOf("{selectors: ['unix:uid:1']}")).not.toBe(revisionOf("{selectors: ['unix:uid:2']}"));
});
