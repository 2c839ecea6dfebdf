/** No route is open without a policy, and none of the usual tricks gets around one (issue 5, acceptance 6). */
import { createServer } from "node:http";
import { connect as connectHttp2, createServer as createHttp2 } from "node:http2";
import { text } from "node:stream/consumers";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  type AccessDecision,
  AccessGate,
  type AccessGateOptions,
  parseAccessPolicies,
  protectServer,
} from "../../src/service/access/index.ts";
import { ask, DOORS, openHttp2, send } from "./access-doors.ts";
import { portOf } from "./listening.ts";

const ROUTES = ["/", "GET /orders/{id}", "/admin", "/files/{path...}", "/{page}"];
const SELF = "spiffe://shop.test/shop";

/** Everything but the admin page, and orders only to be read. */
const POLICIES = `
apiVersion: vigil.dev/v1alpha1
kind: AccessPolicy
metadata: { name: public }
spec:
  to: [{ spiffeId: "${SELF}" }]
  from: [{ entity: any }]
  when: request.path == "/" || request.path.startsWith("/files/") || request.path == "/about" || request.path == "/admin" || request.params.id == "7"
---
apiVersion: vigil.dev/v1alpha1
kind: AccessPolicy
metadata: { name: no-admin }
spec:
  action: Deny
  to: [{ spiffeId: "${SELF}" }]
  from: [{ entity: any }]
  when: request.path.startsWith("/admin") || request.method != "GET" || request.headers[?"x-team"].orValue("") == "red" || request.query[?"debug"].orValue("") == "1"
`;

function gateOf(policies: string, options: Partial<AccessGateOptions> = {}): AccessGate {
  return new AccessGate({ self: SELF, policies: parseAccessPolicies(policies), routes: ROUTES, ...options });
}

const REQUESTS = ["/", "/orders/7", "/admin", "/files/a/b", "/about", "/nowhere/at/all", "/admin/", "//", "/%2e", "*", "/?a=1"];

describe.each(DOORS)("$name", ({ open }) => {
  test("is open nowhere without a policy, whatever the method", async () => {
    const port = await open(gateOf(""));
    for (const target of REQUESTS)
      for (const method of ["GET", "HEAD", "POST", "OPTIONS", "DELETE", "TRACE"]) {
        const { status, body } = await ask(port, method, target);
        expect({ method, target, status: status >= 400, body: body.includes("served") }).toEqual({
          method,
          target,
          status: true,
          body: false,
        });
      }
  });

  test("serves what a policy allows", async () => {
    const port = await open(gateOf(POLICIES));
    expect(await ask(port, "GET", "/orders/7")).toMatchObject({ status: 200 });
    expect((await ask(port, "GET", "/about?a=1&b=%C3%A4")).body).toContain("served GET");
    expect((await ask(port, "HEAD", "/about")).status).toBe(200);
  });

  test.each([
    ["another parameter", "GET /orders/8"],
    ["a path that no policy names", "GET /other"],
    ["the path that is denied", "GET /admin"],
    ["a slash at the end", "GET /admin/"],
    ["a repeated slash", "GET //admin"],
    ["a repeated slash inside", "GET /files//admin"],
    ["a dot segment", "GET /files/../admin"],
    ["a dot segment at the end", "GET /files/a/.."],
    ["an encoded dot segment", "GET /files/%2e%2e/admin"],
    ["an encoded letter", "GET /%61dmin"],
    ["an encoded slash", "GET /files%2f..%2fadmin"],
    ["an encoded backslash", "GET /files/..%5cadmin"],
    ["a backslash", "GET /files/..\\admin"],
    ["encoded twice", "GET /%2561dmin"],
    ["upper case", "GET /ADMIN"],
    ["a matrix parameter", "GET /admin;a=b"],
    ["a fragment", "GET /about#/../admin"],
    ["a fragment after the query", "GET /about?x#/admin"],
    ["an encoding that is none", "GET /files/%zz"],
    ["an encoding that is cut", "GET /files/%e"],
    ["octets that are not UTF-8", "GET /files/%ff"],
    ["an overlong slash", "GET /files/%c0%af"],
    ["an encoded NUL", "GET /about%00"],
    ["an encoded line feed", "GET /about%0a"],
    ["the absolute form", "GET http://shop.test/about"],
    ["the absolute form of another scheme", "GET file:///about"],
    ["a method that is denied", "POST /orders/7"],
    ["HEAD of what may not be got", "HEAD /admin"],
    ["a repeated parameter of the query", "GET /about?debug=0&debug=1"],
    ["a parameter with brackets", "GET /about?debug[]=1"],
    ["an encoded parameter", "GET /about?%64ebug=1"],
    ["a parameter that is a prototype", "GET /about?__proto__=1"],
  ])("%s does not get around a policy", async (_, line) => {
    const [method = "", target = ""] = line.split(" ");
    const { status, body } = await ask(await open(gateOf(POLICIES)), method, target);
    expect({ isRefused: status >= 400 && status < 500, body: body.includes("served") }).toEqual({ isRefused: true, body: false });
  });

  test.each([
    ["a denied header", ["X-Team: red"]],
    ["a header twice", ["X-Team: blue", "X-Team: red"]],
    ["a header twice, in other letters", ["x-team: blue", "X-TEAM: blue"]],
    ["two hosts", ["Host: other.test"]],
    ["a header that is a prototype", ["__proto__: red"]],
    ["two lengths", ["Content-Length: 0", "Content-Length: 1"]],
  ])("%s is refused", async (_, headers) => {
    const { status, body } = await ask(await open(gateOf(POLICIES)), "GET", "/about", ...headers);
    expect({ isRefused: status >= 400 && status < 500, body: body.includes("served") }).toEqual({ isRefused: true, body: false });
  });

  test("headers that override the method neither open nor change anything", async () => {
    const port = await open(gateOf(POLICIES));
    for (const name of ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"]) {
      expect((await ask(port, "POST", "/about", `${name}: GET`, "Content-Length: 0")).status).toBe(403);
      expect((await ask(port, "GET", "/about", `${name}: DELETE`)).body).toContain("served GET");
    }
  });

  test("lists may repeat", async () => {
    const port = await open(gateOf(POLICIES));
    expect((await ask(port, "GET", "/about", "Accept: a/b", "Accept: c/d", "Cookie: a=1", "Cookie: b=2")).status).toBe(200);
  });

  test("tells the log why, and the caller nothing", async () => {
    const decisions: AccessDecision[] = [];
    const port = await open(gateOf(POLICIES, { onDecision: (decision) => decisions.push(decision) }));
    const { status, body } = await ask(port, "GET", "/admin");
    expect({ status, body }).toEqual({ status: 403, body: "forbidden\n" });
    expect(decisions).toMatchObject([
      { verdict: "deny", policy: "AccessPolicy no-admin", refusal: { kind: "policy" }, method: "GET", path: "/admin" },
    ]);
  });

  test("a log that fails closes the door", async () => {
    const onDecision = (): never => {
      throw new Error("the disk is full");
    };
    expect((await ask(await open(gateOf(POLICIES, { onDecision })), "GET", "/about")).status).toBe(403);
  });

  test("in audit mode it lets through what policies refuse, and not what is malformed", async () => {
    const decisions: AccessDecision[] = [];
    const port = await open(gateOf(POLICIES, { mode: "audit", onDecision: (decision) => decisions.push(decision) }));
    expect((await ask(port, "GET", "/admin")).status).toBe(200);
    expect((await ask(port, "GET", "/files/%2e%2e/admin")).status).toBe(400);
    expect(decisions.map(({ verdict }) => verdict)).toEqual(["audited", "deny"]);
  });
});

test("an upgrade is judged like any request, and CONNECT never passes", async () => {
  const server = createServer().on("upgrade", (_, socket) => socket.end("HTTP/1.1 101 served\r\n\r\n"));
  server.on("connect", (_, socket) => socket.end("HTTP/1.1 200 served\r\n\r\n"));
  const port = await portOf(protectServer(server, gateOf(POLICIES)));
  const upgrade = ["Host: shop.test", "Connection: Upgrade", "Upgrade: websocket"];
  expect((await send(port, "GET /about HTTP/1.1", ...upgrade)).status).toBe(101);
  expect(await send(port, "GET /admin HTTP/1.1", ...upgrade)).toEqual({ status: 403, body: "forbidden\n" });
  expect((await send(port, "GET /%61bout HTTP/1.1", ...upgrade)).status).toBe(400);
  expect((await send(port, "CONNECT shop.test:443 HTTP/1.1", "Host: shop.test:443")).status).toBe(403);
});

test("a listener that comes later is behind the gate too", async () => {
  const server = protectServer(createServer(), gateOf(POLICIES));
  server.on("request", (_, response) => response.end("served"));
  const port = await portOf(server);
  expect((await ask(port, "GET", "/about")).body).toContain("served");
  expect(await ask(port, "GET", "/admin")).toEqual({ status: 403, body: "forbidden\n" });
});

describe("HTTP/2", () => {
  async function askHttp2(gate: AccessGate, headers: Record<string, string | string[]>): Promise<number | "reset"> {
    const client = connectHttp2(`http://127.0.0.1:${await openHttp2(gate)}`);
    client.on("error", () => {});
    onTestFinished(() => client.destroy());
    const stream = client.request({ ":authority": "shop.test", ...headers });
    return new Promise((resolve) => {
      let status = 0;
      stream.on("response", (answer) => {
        status = answer[":status"] ?? 0;
      });
      stream.on("error", () => resolve("reset"));
      text(stream).then(
        (body) => resolve(body.includes("served") ? status : status || "reset"),
        () => resolve("reset"),
      );
    });
  }

  test("is open nowhere without a policy", async () => {
    for (const path of ["/", "/admin", "/about", "/nowhere"])
      expect(await askHttp2(gateOf(""), { ":path": path })).toBeGreaterThanOrEqual(400);
  });

  test("serves what a policy allows", async () => {
    expect(await askHttp2(gateOf(POLICIES), { ":path": "/about" })).toBe(200);
    expect(await askHttp2(gateOf(POLICIES), { ":path": "/about", host: "shop.test" })).toBe(200);
  });

  test.each<[string, Record<string, string | string[]>]>([
    ["the denied path", { ":path": "/admin" }],
    ["a path that is a URL", { ":path": "http://shop.test/about" }],
    ["a path without a slash", { ":path": "admin" }],
    ["an empty path", { ":path": "" }],
    ["a dot segment", { ":path": "/files/../admin" }],
    ["a method in lower case", { ":path": "/about", ":method": "get" }],
    ["another method", { ":path": "/about", ":method": "POST" }],
    ["another host beside the authority", { ":path": "/about", host: "other.test" }],
    ["an authority that is none", { ":path": "/about", ":authority": "shop.test/admin" }],
    ["a header twice", { ":path": "/about", "x-team": ["blue", "blue"] }],
  ])("%s does not get around a policy", async (_, headers) => {
    const outcome = await askHttp2(gateOf(POLICIES), headers);
    expect(outcome === "reset" || outcome >= 400).toBe(true);
  });

  test("raw streams are judged before their listeners see them, and once", async () => {
    const decisions: AccessDecision[] = [];
    const seen: unknown[] = [];
    const server = createHttp2((_, response) => response.end("served"));
    server.on("stream", (_, headers) => seen.push(headers[":path"]));
    const port = await portOf(protectServer(server, gateOf(POLICIES, { onDecision: (decision) => decisions.push(decision) })));
    const client = connectHttp2(`http://127.0.0.1:${port}`);
    onTestFinished(() => client.destroy());
    expect(await text(client.request({ ":path": "/about" }))).toBe("served");
    expect(await text(client.request({ ":path": "/admin" }))).toBe("forbidden\n");
    expect(seen).toEqual(["/about"]);
    expect(decisions.map(({ path, verdict }) => `${verdict} ${path}`)).toEqual(["allow /about", "deny /admin"]);
  });
});
