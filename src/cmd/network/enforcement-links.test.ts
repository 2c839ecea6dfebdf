import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { domainOf } from "../../../test/spiffe/trust-fixture.ts";
import type { WorkloadAttestor } from "../../identity/attestation/attestor.ts";
import type { Entry } from "../../identity/authority/entry.ts";
import { compileRegistrations } from "../../identity/authority/registrations.ts";
import { readDocuments } from "../../resource/document.ts";
import type { AccessDecision } from "../../service/access/access-gate.ts";
import { openEnforcementLink } from "../../service/access/enforcement-link.ts";
import type { ServiceError } from "../../service/service-error.ts";
import { EnforcementLinks, type ToldDecision } from "./enforcement-links.ts";

const DECISION: AccessDecision = {
  verdict: "deny",
  refusal: { kind: "policy", status: 403, detail: "denied by the isolation tier" },
  policy: "AccessPolicy shop/orders",
  rule: "",
  source: "orders.yaml:1:1",
  auditedBy: "",
  caller: "spiffe://shop.test/shop/front",
  method: "POST",
  path: "/orders",
  address: "127.0.0.1",
  port: 8443,
  latencyUs: 12.5,
};

function ordersEntry(): Entry {
  const yaml = `
apiVersion: vigil.dev/v1alpha1
kind: Workload
metadata: { name: orders, namespace: shop }
spec: { selectors: ["vigil:workload:shop/orders"] }
`;
  const { registrations } = compileRegistrations(readDocuments(yaml, "w.yaml").documents, {
    trustDomain: domainOf("shop.test"),
    builtIn: [],
  });
  const entry = registrations.entries.get("shop/orders");
  if (entry === undefined) throw new Error("expected an entry");
  return entry;
}

/** As which workload the next process is attested: this one connects for all of them. */
let attested: string;
let folder: string;
let path: string;
let links: EnforcementLinks;
let decisions: ToldDecision[];
let lost: number;
let changes: string[][];

const attestor: WorkloadAttestor = { name: "vigil", attest: () => ({ kind: "selectors", selectors: [attested] }) };

async function open(): Promise<void> {
  const entry = ordersEntry();
  links = new EnforcementLinks({
    path,
    attestors: [attestor],
    workloadOf: (selectors) => (entry.selectors.every((wanted) => selectors.has(wanted)) ? entry : undefined),
    onDecision: (decision) => decisions.push(decision),
    onLoss: (count) => {
      lost += count;
    },
    onChange: () => changes.push([...links.enforcing]),
    log: () => {},
  });
  await links.listen();
}

const until = async (isTrue: () => boolean): Promise<void> => {
  while (!isTrue()) await pause(5);
};

beforeEach(async () => {
  attested = "vigil:workload:shop/orders";
  folder = mkdtempSync(join(tmpdir(), "vigil-links-"));
  path = join(folder, "enforcement.sock");
  [decisions, lost, changes] = [[], 0, []];
  await open();
});
afterEach(() => {
  links.close();
  rmSync(folder, { recursive: true, force: true });
});

test("a service enforces as long as its link stands, and what it decides is told", async () => {
  const link = openEnforcementLink({ socket: path });
  await link.ready;
  expect(changes.at(-1)).toEqual(["shop/orders"]);
  link.report(DECISION);
  link.reportRefusal({ message: "the certificate is of another trust domain" } as ServiceError, 8443);
  await until(() => decisions.length === 2);
  expect(decisions[0]).toMatchObject({
    workload: { name: "shop/orders" },
    verdict: "deny",
    policy: "AccessPolicy shop/orders",
    method: "POST",
    path: "/orders",
    latencyUs: 12.5,
    reason: "denied by the isolation tier",
  });
  expect(decisions[1]).toMatchObject({ method: "TLS", policy: "trust bundle", reason: "the certificate is of another trust domain" });
  link.close();
  await until(() => changes.at(-1)?.length === 0);
});

test("a link is made again when Vigil has been away, and what was decided meanwhile is told", async () => {
  const problems: string[] = [];
  const link = openEnforcementLink({ socket: path, onProblem: ({ code }) => problems.push(code) });
  await link.ready;
  links.close();
  await pause(150);
  link.report(DECISION);
  await open();
  await until(() => decisions.length === 1);
  expect(links.enforcing).toEqual(new Set(["shop/orders"]));
  expect(new Set(problems)).toEqual(new Set(problems.length === 0 ? [] : ["SERVICE_ENFORCEMENT_LINK"]));
  link.close();
});

test("more decisions than can wait are counted", async () => {
  const link = openEnforcementLink({ socket: path });
  await link.ready;
  for (let count = 0; count < 5_000; count++) link.report(DECISION);
  await until(() => decisions.length + lost === 5_000);
  expect(lost).toBeGreaterThan(0);
  link.close();
});

test("a process that is no registered workload is told so, and nothing rests on it", async () => {
  attested = "vigil:launched:no";
  const problem = new Promise<ServiceError>((resolve) => {
    const link = openEnforcementLink({
      socket: path,
      onProblem: (error) => {
        link.close();
        resolve(error);
      },
    });
  });
  expect((await problem).message).toContain("not one registered workload");
  expect(changes.flat()).toEqual([]);
});

test.each([
  ["no JSON", "hello\n"],
  ["another first message", `${JSON.stringify({ kind: "decision", ...DECISION })}\n`],
  ["another version", `{"kind":"enforcing","version":2}\n`],
  ["a list", "[]\n"],
])("%s is refused", async (_, sent) => {
  const socket = connect(path);
  socket.write(sent);
  expect(await text(socket)).toContain(`"kind":"refused"`);
  expect({ changes: changes.flat(), decisions }).toEqual({ changes: [], decisions: [] });
});

test("one user cannot keep the others away by connections that say nothing", async () => {
  const silent = Array.from({ length: 40 }, () => connect(path).on("error", () => {}));
  const answers = await Promise.race([...silent.map((socket) => text(socket)), pause(3_000, "")]);
  expect(answers).toContain("too many connections");
  for (const socket of silent) socket.destroy();
  await pause(50);
  const link = openEnforcementLink({ socket: path });
  await link.ready;
  link.close();
});

test("a line without an end is cut off", async () => {
  const socket = connect(path);
  socket.on("error", () => {});
  socket.write("x".repeat(64 * 1024));
  await new Promise((resolve) => socket.once("close", resolve));
  expect(changes.flat()).toEqual([]);
});

test("fields that a registered service makes up are left out or cut", async () => {
  const socket = connect(path);
  socket.write(`{"kind":"enforcing","version":1}\n`);
  await until(() => changes.flat().length === 1);
  socket.write(`${JSON.stringify({ kind: "decision", verdict: "perhaps" })}\n`);
  socket.write(`${JSON.stringify({ kind: "lost", count: -3 })}\n{"kind":"decision"\n`);
  socket.write(
    `${JSON.stringify({ kind: "decision", verdict: "allow", path: "p".repeat(5_000), port: "x", latencyUs: -1, refusal: 7 })}\n`,
  );
  await until(() => decisions.length === 1);
  expect(decisions[0]).toMatchObject({ verdict: "allow", path: "p".repeat(2_048), port: 0, latencyUs: 0, reason: "" });
  expect(lost).toBe(0);
  socket.destroy();
});
