import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { VigilError } from "../lib/error.ts";
import { askManagement } from "./management-client.ts";
import { type Routes, serveManagement } from "./management-server.ts";

const ROUTES: Routes = {
  "GET /v1/status": () => ({ state: "fine", count: 12n }),
  "POST /v1/echo": (body) => ({ body }),
  "DELETE /v1/echo": (body) => ({ body }),
  "POST /v1/refuse": () => {
    throw new VigilError("NOT_NOW", "come again", { hint: "tomorrow" });
  },
  "POST /v1/fail": () => Promise.reject(new Error("broken")),
};

let folder: string;
let server: Server | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "vigil-management-"));
});
afterEach(() => {
  server?.close();
  rmSync(folder, { recursive: true, force: true });
});

describe("the management API", () => {
  test("answers on a socket that only its owner can open, in the place of an older one", async () => {
    (await serveManagement(folder, {})).close();
    server = await serveManagement(folder, ROUTES);
    expect(statSync(join(folder, "vigil.sock")).mode & 0o777).toBe(0o600);
    expect(await askManagement(folder, "GET /v1/status")).toEqual({ state: "fine", count: "12" });
  });

  test.each(["POST", "DELETE"])("takes and gives JSON with %s", async (method) => {
    server = await serveManagement(folder, ROUTES);
    expect(await askManagement(folder, `${method} /v1/echo`, { text: "schön", list: [1, null] })).toEqual({
      body: { text: "schön", list: [1, null] },
    });
  });

  test("lives in directories whose path is longer than a socket's may be", async () => {
    const deep = join(folder, "d".repeat(200));
    mkdirSync(deep);
    server = await serveManagement(deep, ROUTES);
    expect(await askManagement(deep, "GET /v1/status")).toMatchObject({ state: "fine" });
  });

  test.each([
    ["POST /v1/refuse", {}, { code: "NOT_NOW", message: "come again", hint: "tomorrow" }],
    ["POST /v1/fail", {}, { code: "MANAGEMENT_FAILED", message: "broken" }],
    ["GET /v1/nothing", undefined, { code: "MANAGEMENT_ROUTE" }],
    ["GET /v1/constructor", undefined, { code: "MANAGEMENT_ROUTE" }],
    ["POST /v1/echo", "x".repeat(70_000), { code: "MANAGEMENT_BODY" }],
  ])("passes on why `%s` is refused", async (route, body, refusal) => {
    server = await serveManagement(folder, ROUTES);
    await expect(askManagement(folder, route, body)).rejects.toMatchObject(refusal);
  });

  test("says so when nobody answers", async () => {
    await expect(askManagement(folder, "GET /v1/status")).rejects.toMatchObject({ code: "MANAGEMENT_UNREACHABLE" });
    await expect(askManagement(join(folder, "nowhere"), "GET /v1/status")).rejects.toMatchObject({ code: "MANAGEMENT_UNREACHABLE" });
  });
});
