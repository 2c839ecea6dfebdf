import { expect, test } from "vitest";
import type { Diagnostic } from "../lib/diagnostic.ts";
import { ActiveSnapshot } from "./active-snapshot.ts";

const diagnostic = (severity: Diagnostic["severity"]): Diagnostic => ({
  code: "X",
  severity,
  message: "m",
  file: "f",
  line: 1,
  column: 1,
  length: 1,
});

test("what does not compile leaves the last good snapshot in force and says why", () => {
  const active = new ActiveSnapshot<{ readonly id: string }>();
  expect(active.current).toBeUndefined();
  expect(active.offer({ snapshot: { id: "a" }, diagnostics: [diagnostic("warning")] }, 2)).toBe("activated");
  expect(active.status).toEqual({ id: "a", activatedAtMs: 2, diagnostics: [diagnostic("warning")], refused: undefined });
  expect(active.offer({ snapshot: { id: "bad" }, diagnostics: [diagnostic("error")] }, 3)).toBe("refused");
  expect(active.current).toEqual({ id: "a" });
  expect(active.status).toMatchObject({ id: "a", activatedAtMs: 2, refused: { atMs: 3, diagnostics: [diagnostic("error")] } });
});

test("the same policies again are not a change, but end a refusal and come with the objects of now", () => {
  const active = new ActiveSnapshot<{ readonly id: string; readonly world?: string }>();
  active.offer({ snapshot: { id: "a" }, diagnostics: [] }, 1);
  active.offer({ snapshot: { id: "b" }, diagnostics: [diagnostic("error")] }, 2);
  const again = { id: "a", world: "new" };
  expect(active.offer({ snapshot: again, diagnostics: [] }, 3)).toBe("unchanged");
  expect(active.current).toBe(again);
  expect(active.status).toEqual({ id: "a", activatedAtMs: 1, diagnostics: [], refused: undefined });
});

test("the first snapshot comes into force whatever is wrong with it", () => {
  const active = new ActiveSnapshot<{ readonly id: string }>();
  expect(active.offer({ snapshot: { id: "a" }, diagnostics: [diagnostic("error")] }, 1)).toBe("activated");
  expect(active.status).toEqual({ id: "a", activatedAtMs: 1, diagnostics: [diagnostic("error")], refused: undefined });
});
