import { describe, expect, test } from "vitest";
import type { Decision } from "../policy/decision.ts";
import { encodeAllowed, encodeAllowedWithWarning, encodeDecision, encodeDenied } from "./admission-response.ts";

const ALLOWED: Decision = {
  allowed: true,
  code: 200,
  message: "",
  reason: "",
  verdicts: [],
  warnings: [],
  auditAnnotations: {},
  patch: [],
  snapshotId: "s",
  durationUs: 1,
};
const UID = 'a"b';

const responseOf = (text: string): Record<string, unknown> => {
  const review = JSON.parse(text);
  expect(review).toEqual({ apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", response: expect.anything() });
  return review.response;
};

test("an allowed review answers with its uid and nothing else", () => {
  expect(responseOf(encodeAllowed(UID))).toEqual({ uid: UID, allowed: true });
  expect(responseOf(encodeDecision(UID, ALLOWED, "validate"))).toEqual({ uid: UID, allowed: true });
  expect(responseOf(encodeAllowedWithWarning(UID, "careful"))).toEqual({ uid: UID, allowed: true, warnings: ["careful"] });
});

test("a denial carries code, reason and message as a Status", () => {
  const denied = { ...ALLOWED, allowed: false, code: 422, reason: "Invalid", message: "no" };
  const status = { metadata: {}, status: "Failure", message: "no", reason: "Invalid", code: 422 };
  expect(responseOf(encodeDecision(UID, denied, "validate"))).toEqual({ uid: UID, allowed: false, status });
  expect(responseOf(encodeDenied(UID, 422, "Invalid", "no"))).toEqual({ uid: UID, allowed: false, status });
});

describe("a patch", () => {
  const patch = [
    { op: "add", path: "/spec/replicas", value: 9_007_199_254_740_993n },
    { op: "remove", path: "/x" },
    { op: "copy", from: "/a", path: "/b" },
    { op: "add", path: "/n", value: null },
  ] as const;
  test("is base64 of JSON Patch, exact to the last digit", () => {
    const { patchType, patch: encoded } = responseOf(encodeDecision(UID, { ...ALLOWED, patch }, "mutate"));
    expect(patchType).toBe("JSONPatch");
    expect(Buffer.from(String(encoded), "base64").toString()).toBe(
      '[{"op":"add","path":"/spec/replicas","value":9007199254740993},{"op":"remove","path":"/x"},{"op":"copy","path":"/b","from":"/a"},{"op":"add","path":"/n","value":null}]',
    );
  });
  test.each([
    ["validating", encodeDecision(UID, { ...ALLOWED, patch }, "validate")],
    ["denied", encodeDecision(UID, { ...ALLOWED, patch, allowed: false, code: 403 }, "mutate")],
    ["empty", encodeDecision(UID, ALLOWED, "mutate")],
  ])("is left out when %s: the API server would refuse the answer", (_, text) => {
    expect(responseOf(text)).not.toHaveProperty("patch");
    expect(responseOf(text)).not.toHaveProperty("patchType");
  });
});

const warningsOf = (...warnings: readonly string[]): unknown =>
  responseOf(encodeDecision(UID, { ...ALLOWED, warnings }, "validate"))["warnings"];

test("warnings are on one line, without doubles, and cut within a character's bounds", () => {
  expect(warningsOf("a\n\tb\u0007", "a b", "", "c")).toEqual(["a b", "c"]);
  expect(warningsOf(`${"x".repeat(254)}😀😀`)).toEqual([`${"x".repeat(254)}…`]);
});

test("warnings end where the API server would drop them all", () => {
  const many = Array.from({ length: 30 }, (_, index) => String(index).padStart(3, "0").repeat(80));
  const kept = warningsOf(...many);
  expect(Array.isArray(kept) && kept.join("").length).toBe(4096);
});

test("audit annotations get keys that the API server takes, and bounded values", () => {
  const auditAnnotations = { "policy/key one": "v", "...": "w", [`${"k".repeat(100)}-end`]: "x".repeat(20_000) };
  const annotations = responseOf(encodeDecision(UID, { ...ALLOWED, auditAnnotations }, "validate"))["auditAnnotations"] as Record<
    string,
    string
  >;
  expect(Object.keys(annotations)).toEqual(["policy.key.one", "annotation", `${"k".repeat(59)}-end`]);
  expect(Object.values(annotations).map((value) => value.length)).toEqual([1, 1, 10 * 1024]);
});
