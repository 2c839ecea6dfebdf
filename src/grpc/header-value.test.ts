/** Everything that stands in headers and trailers: timeouts, status messages, details, metadata. */
import { create } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeCallTimeout, MAX_TIMER_MS, parseCallTimeout } from "./call-timeout.ts";
import { decodeStatusDetails, encodeStatusDetails, GrpcError } from "./grpc-error.ts";
import { binaryMetadata, encodeMetadataValue } from "./metadata.ts";
import { decodeStatusMessage, encodeStatusMessage, failureOfHttpStatus, failureOfReset, GRPC_STATUS, statusNameOf } from "./status.ts";

describe("timeouts", () => {
  test.each([
    ["1H", 3_600_000],
    ["2M", 120_000],
    ["3S", 3000],
    ["4m", 4],
    ["5000u", 5],
    ["6000000n", 6],
    ["0n", 0],
    ["99999999H", MAX_TIMER_MS],
  ])("%s is %d ms", (text, ms) => expect(parseCallTimeout(text)).toBe(ms));

  test.each(["", "1", "S", "-1S", "1.5S", "123456789S", "1s", " 1S", "1S ", "1e3S", "٣S"])("`%s` is none", (text) =>
    expect(parseCallTimeout(text)).toBeUndefined(),
  );

  test("are at least as long when they are read again, and hardly longer", () => {
    fc.assert(
      fc.property(fc.double({ min: -10, max: MAX_TIMER_MS, noNaN: true }), (ms) => {
        const again = parseCallTimeout(encodeCallTimeout(ms)) ?? Number.NaN;
        expect(again).toBeGreaterThanOrEqual(Math.max(1, ms));
        expect(again - Math.max(1, ms)).toBeLessThanOrEqual(1000);
      }),
    );
  });
});

describe("status messages", () => {
  test("survive, as printable ASCII", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (message) => {
        const encoded = encodeStatusMessage(message);
        expect(encoded).toMatch(/^[ -~]*$/);
        expect(decodeStatusMessage(encoded)).toBe(message);
      }),
    );
  });

  test.each([
    ["%", "%"],
    ["100%", "100%"],
    ["%zz", "%zz"],
    ["%4", "%4"],
    ["a%20b%", "a b%"],
    ["%FF", "\ufffd"],
  ])("`%s`, encoded by somebody else, reads as `%s`", (encoded, message) => expect(decodeStatusMessage(encoded)).toBe(message));
});

test("details survive; what is none is none", () => {
  const details = [create(AnySchema, { typeUrl: "type.googleapis.com/x", value: Buffer.of(1, 2) })];
  const encoded = encodeStatusDetails(new GrpcError("ABORTED", "m", { details }));
  expect(decodeStatusDetails(encoded)).toEqual(details);
  expect(encodeStatusDetails(new GrpcError("ABORTED", "m"))).toBeUndefined();
  expect([decodeStatusDetails(undefined), decodeStatusDetails("////"), decodeStatusDetails("!")]).toEqual([[], [], []]);
});

describe("statuses", () => {
  test("have the name of their number; any other number is UNKNOWN", () => {
    expect(Object.entries(GRPC_STATUS).map(([name, code]) => statusNameOf(code) === name)).not.toContain(false);
    expect([17, -1, 1.5, Number.NaN].map(statusNameOf)).toEqual(["UNKNOWN", "UNKNOWN", "UNKNOWN", "UNKNOWN"]);
  });

  test("have stand-ins in HTTP", () => {
    expect([400, 401, 403, 404, 429, 503, 500, 302].map(failureOfHttpStatus)).toEqual([
      ...["INTERNAL", "UNAUTHENTICATED", "PERMISSION_DENIED", "UNIMPLEMENTED", "UNAVAILABLE", "UNAVAILABLE", "UNKNOWN", "UNKNOWN"],
    ]);
    expect([2, 7, 8, 11, 12].map(failureOfReset)).toEqual([
      "INTERNAL",
      "UNAVAILABLE",
      "CANCELLED",
      "RESOURCE_EXHAUSTED",
      "PERMISSION_DENIED",
    ]);
  });
});

describe("metadata", () => {
  test("octets survive", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (octets) => {
        expect(binaryMetadata({ "x-bin": encodeMetadataValue("x-bin", octets) }, "x-bin")).toEqual(Buffer.from(octets));
      }),
    );
  });

  test.each([
    ["Upper", "a"],
    ["", "a"],
    [":path", "a"],
    ["grpc-status", "0"],
    ["a b", "a"],
    ["x", "line\nbreak"],
    ["x", "ü"],
    ["x-bin", "text"],
    ["x", new Uint8Array(1)],
  ])("%j: %j cannot be sent", (name, value) => expect(() => encodeMetadataValue(name, value)).toThrow(TypeError));
});
