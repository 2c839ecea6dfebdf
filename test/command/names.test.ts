/** Policies that name DNS names, under `vigil up`: questions are read, and what is not an allowed answer is not reached. Needs root. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TestResolver } from "../network/dns-server.ts";
import { type Service, startVigil, vigil } from "./run-vigil.ts";

const RESOLVER = `127.54.${process.pid % 200}.1`;
const FILES = {
  "workloads/shop.yaml": `
apiVersion: vigil.dev/v1alpha1
kind: Workload
metadata: { name: orders, namespace: shop }
spec: { selectors: ["vigil:workload:shop/orders"] }
`,
  "policies/bank.yaml": `
apiVersion: vigil.dev/v1alpha1
kind: AccessPolicy
metadata: { name: bank, namespace: shop }
spec:
  from: [{ workload: orders }]
  to: [{ dns: api.bank.test }]
  ports: [443]
`,
  "vigil.yaml": `
identity: { registrations: [workloads] }
network: { resolvers: ["${RESOLVER}"] }
`,
};

/** Asks for names, then tries addresses; EPERM is the kernel's refusal, anything else is not. */
const PROGRAM = `
const { Resolver } = require("dns").promises;
const { connect } = require("net");
const resolver = new Resolver({ timeout: 4000, tries: 1 });
resolver.setServers(["${RESOLVER}"]);
const ask = (name) => resolver.resolve4(name).then((all) => all.join(), (error) => error.code);
const reach = (host) => new Promise((resolve) => {
  const socket = connect(443, host);
  const end = (what) => { socket.destroy(); resolve(what); };
  setTimeout(() => end("tried"), 300);
  socket.on("error", (error) => end(error.code === "EPERM" ? "EPERM" : "tried"));
  socket.on("connect", () => end("tried"));
});
(async () => {
  const before = await reach("203.0.113.7");
  const told = await ask("api.bank.test");
  console.log(JSON.stringify({ before, told, after: await reach("203.0.113.7"), other: await reach("203.0.113.8"), evil: await ask("evil.test") }));
})();`;

let folder: string;
let up: Service;
let resolver: TestResolver;
const words = (): readonly string[] => ["--state", join(folder, "state")];

beforeAll(async () => {
  resolver = await TestResolver.listen(RESOLVER);
  resolver.zone = {
    "api.bank.test": [{ name: "api.bank.test", type: "A", ttlS: 60, data: "203.0.113.7" }],
    "evil.test": [{ name: "evil.test", type: "A", ttlS: 60, data: "203.0.113.8" }],
  };
  folder = mkdtempSync(join(tmpdir(), "vigil-names-"));
  for (const name of ["policies", "workloads"]) mkdirSync(join(folder, name));
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(folder, name), text);
  const config = join(folder, "vigil.yaml");
  up = startVigil(["up", ...words(), "--listen", "127.0.0.1:0", "--policy", join(folder, "policies"), "--config", config]);
  await up.until(/Ctrl-C/);
}, 120_000);

afterAll(async () => {
  await up.stop("SIGTERM");
  await resolver[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

test("the ready screen says where names are read", () => {
  expect(up.stdout()).toMatch(/names +DNS questions of workloads are read at 127\.86\.73\.71:\d+/);
});

test("a workload reaches what an allowed name answered, and is told no other name", { timeout: 60_000 }, async () => {
  const program = startVigil(["run", "--as", "orders", ...words(), "--", process.execPath, "-e", PROGRAM]);
  await program.until(/\{.*\}/);
  const [line = ""] = /\{.*\}/.exec(program.stdout()) ?? [];
  expect(JSON.parse(line)).toEqual({ before: "EPERM", told: "203.0.113.7", after: "tried", other: "EPERM", evil: "EREFUSED" });
  expect(resolver.asked).toEqual(["api.bank.test udp"]);
  await program.stop("SIGTERM");
});

test("flows tell of questions", { timeout: 60_000 }, async () => {
  interface Told {
    readonly [field: string]: string;
  }
  const told = (): readonly string[] =>
    (JSON.parse(vigil(["flows", ...words(), "-o", "json"]).stdout) as readonly Told[])
      .filter(({ request = "" }) => request.startsWith("DNS"))
      .map(({ verdict, request, srcName, policy, reason }) => [verdict, request, srcName, policy, reason].join(" | "))
      .toSorted();
  const expected = [
    "allow | DNS A api.bank.test | shop/orders | AccessPolicy shop/bank | is 203.0.113.7",
    "deny | DNS A evil.test | shop/orders | AccessPolicy shop/bank | no policy allows this name here",
  ];
  while (told().length < expected.length) await new Promise((resolve) => setTimeout(resolve, 300));
  expect(told()).toEqual(expected);
});
