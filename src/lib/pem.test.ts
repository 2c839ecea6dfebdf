import fc from "fast-check";
import { expect, test } from "vitest";
import { encodePem, MAX_PEM_BYTES, parsePem } from "./pem.ts";

const block = fc.record({
  label: fc.constantFrom("CERTIFICATE", "PRIVATE KEY", "X"),
  der: fc.uint8Array({ minLength: 1, maxLength: 300 }),
});

test("what is encoded is parsed back, whatever stands between the blocks", () => {
  fc.assert(
    fc.property(fc.array(block, { minLength: 1, maxLength: 5 }), fc.constantFrom("", "\n", "# a comment\r\n"), (blocks, between) => {
      const result = parsePem(blocks.map((each) => between + encodePem(each)).join(""));
      expect(result.ok && result.value.map(({ label, der }) => ({ label, der: new Uint8Array(der) }))).toEqual(blocks);
    }),
  );
});

const VALID = encodePem({ label: "CERTIFICATE", der: Uint8Array.of(1, 2, 3, 4) });

test.each([
  ["an empty text", "", "PEM_INVALID"],
  ["a block that does not end", VALID.split("-----END")[0] ?? "", "PEM_INVALID"],
  ["labels that differ", VALID.replace("END CERTIFICATE", "END X"), "PEM_INVALID"],
  ["a block within a block", VALID.replace("AQID", "-----BEGIN X-----\nAQID"), "PEM_INVALID"],
  ["headers", VALID.replace("AQID", "Proc-Type: 4,ENCRYPTED\n\nAQID"), "PEM_INVALID"],
  ["base64 that is not canonical", VALID.replace("BA==", "BB=="), "PEM_INVALID"],
  ["an empty block", "-----BEGIN X-----\n-----END X-----\n", "PEM_INVALID"],
  ["a text that is too long", " ".repeat(MAX_PEM_BYTES + 1), "PEM_LIMIT"],
  ["too many blocks", VALID.repeat(1025), "PEM_LIMIT"],
])("refuses %s", (_, text, code) => {
  const result = parsePem(text);
  expect(result.ok ? "parsed" : result.error.code).toBe(code);
});
