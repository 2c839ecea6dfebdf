import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { frameMessage, MessageReader } from "./message-frame.ts";

/** The messages that come out when octets go in, in pieces of these sizes. */
function read(
  octets: Uint8Array,
  sizes: readonly number[],
  maxBytes = 1000,
): { readonly messages: readonly string[]; readonly isInside: boolean } {
  const reader = new MessageReader(maxBytes);
  const messages: string[] = [];
  const sink = { take: (message: Uint8Array) => messages.push(Buffer.from(message).toString("hex")) };
  let at = 0;
  for (const size of sizes) {
    reader.push(octets.subarray(at, at + size), sink);
    at = Math.min(octets.length, at + size);
  }
  reader.push(octets.subarray(at), sink);
  return { messages, isInside: reader.isInside };
}

const messages = fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 8 });
const sizes = fc.array(fc.nat(40), { maxLength: 30 });

describe("messages", () => {
  test("come out as they went in, however they are cut", () => {
    fc.assert(
      fc.property(messages, sizes, (given, cuts) => {
        const octets = Buffer.concat(given.map(frameMessage));
        expect(read(octets, cuts)).toEqual({ messages: given.map((message) => Buffer.from(message).toString("hex")), isInside: false });
      }),
    );
  });

  test("that are not complete do not come out, and are noticed", () => {
    fc.assert(
      fc.property(messages, fc.uint8Array({ minLength: 1, maxLength: 60 }), sizes, fc.nat(), (given, last, cuts, cut) => {
        const framed = frameMessage(last);
        const octets = Buffer.concat([...given.map(frameMessage), framed.subarray(0, 1 + (cut % (framed.length - 1)))]);
        expect(read(octets, cuts)).toMatchObject({ messages: { length: given.length }, isInside: true });
      }),
    );
  });

  test.each([
    { what: "a length beyond the limit", octets: [0, 0, 0, 3, 233], status: "RESOURCE_EXHAUSTED" },
    { what: "the greatest length", octets: [0, 255, 255, 255, 255], status: "RESOURCE_EXHAUSTED" },
    { what: "a compressed message", octets: [1, 0, 0, 0, 0], status: "UNIMPLEMENTED" },
    { what: "another flag", octets: [2, 0, 0, 0, 0], status: "INTERNAL" },
  ])("$what is refused as soon as the prefix is there", ({ octets, status }) => {
    for (let cut = 0; cut <= octets.length; cut++)
      expect(() => read(Uint8Array.from(octets), [cut])).toThrow(expect.objectContaining({ status }));
  });

  test("of exactly the limit are taken", () => {
    expect(read(frameMessage(new Uint8Array(1000)), []).messages).toHaveLength(1);
  });
});
