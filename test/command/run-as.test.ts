/** Programs that `vigil up` knows as workloads: their identity, what the kernel lets them do, and what is told of it; also after kill -9. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { ROOT } from "../source-tree.ts";
import { type Service, startVigil, vigil } from "./run-vigil.ts";

/** The whole of Vigil starts, dies and starts again: on a busy machine that takes a while. */
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const NAMES = ["front", "orders", "payments"] as const;

const workload = (name: string): string => `
apiVersion: vigil.dev/v1alpha1
kind: Workload
metadata: { name: ${name}, namespace: shop }
spec: { selectors: ["vigil:workload:shop/${name}"] }
---`;

const callers = (...names: readonly string[]): string => `
apiVersion: vigil.dev/v1alpha1
kind: AccessPolicy
metadata: { name: payments-callers, namespace: shop }
spec:
  to: [{ workload: payments }]
  from: [${names.map((name) => `{ workload: ${name} }`).join(", ")}]
`;

/** Listens, says where, and echoes. */
const SERVER = `
const server = require("net").createServer((socket) => socket.on("error", () => {}).pipe(socket));
server.listen(0, "127.0.0.1", () => console.log("port " + server.address().port));`;

/** Connects again and again, and counts what came of it; \`say\` on standard input prints the counts. */
const CALLER = `
const { connect } = require("net");
const seen = {};
let isOver = false;
const once = () => new Promise((resolve) => {
  const socket = connect(Number(process.argv[1]), "127.0.0.1");
  const end = (what) => { socket.destroy(); resolve(what); };
  socket.setTimeout(5000, () => end("silence"));
  socket.on("error", (error) => end(error.code));
  socket.on("data", () => end("answered"));
  socket.write("hello");
});
process.on("SIGTERM", () => { isOver = true; });
(async () => {
  while (!isOver) {
    const what = await once();
    seen[what] = (seen[what] ?? 0) + 1;
    if (seen[what] === 3) console.log("seen " + what);
    // A refusal comes at once, without a turn of the event loop.
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  console.log("all " + JSON.stringify(seen));
})();`;

let folder: string;
let state: string;
let up: Service;
const running: Service[] = [];

const words = (): readonly string[] => ["--state", state];
const start = (...parts: readonly string[]): Service => {
  const service = startVigil(parts);
  running.push(service);
  return service;
};
const startUp = async (): Promise<void> => {
  const config = join(folder, "vigil.yaml");
  up = startVigil(["up", ...words(), "--listen", "127.0.0.1:0", "--policy", join(folder, "policies"), "--config", config]);
  await up.until(/Ctrl-C/);
};
const until = async (isTrue: () => boolean): Promise<void> => {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 100));
};
const writePolicy = (text: string): void => writeFileSync(join(folder, "policies/payments.yaml"), text);
const call = (name: string, port: string): Service => start("run", "--as", name, ...words(), "--", process.execPath, "-e", CALLER, port);
const statusOf = (name: string): { readonly pid: number; readonly state: string } =>
  JSON.parse(vigil(["status", ...words(), "-o", "json"]).stdout).processes.find((each: { readonly name: string }) => each.name === name);
const processOf = (name: string): number => statusOf(name).pid;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "vigil-as-"));
  state = join(folder, "state");
  for (const name of ["policies", "workloads"]) mkdirSync(join(folder, name));
  writeFileSync(join(folder, "workloads/shop.yaml"), NAMES.map(workload).join("\n"));
  writeFileSync(join(folder, "vigil.yaml"), `identity: { registrations: [workloads] }\n`);
  writePolicy(callers("orders"));
  await startUp();
});

afterAll(async () => {
  await Promise.all(running.map((service) => service.stop("SIGKILL")));
  await up.stop("SIGTERM");
  rmSync(folder, { recursive: true, force: true });
});

describe("vigil run --as", () => {
  test("says that policies are in the kernel", () => expect(up.stdout()).toMatch(/network +access policies in the kernel \(1\)/));

  test("gives the program the identity of the workload, and no other", () => {
    const show = ["identity", "show", "-o", "json"];
    const { stdout } = vigil([
      "run",
      "--as",
      "orders",
      ...words(),
      // A checkout in /tmp is hidden from confined programs.
      "--read",
      ROOT,
      "--",
      process.execPath,
      join(ROOT, "src/cmd/main.ts"),
      ...show,
    ]);
    const ids = JSON.parse(stdout).identities.map(({ spiffeId }: { readonly spiffeId: string }) => spiffeId);
    expect(ids).toEqual(["spiffe://vigil.local/shop/orders"]);
  });

  test("passes the exit code on, confined or not", () => {
    for (const more of [[], ["--unconfined"]])
      expect(vigil(["run", "--as", "shop/front", ...more, ...words(), "--", "sh", "-c", "exit 7"]).status).toBe(7);
  });

  test.each([
    [["run", "--as", "nobody"], "no workload `nobody` is registered"],
    [["run", "--unconfined"], "`--unconfined` goes with `--as` alone"],
  ])("refuses %j", (wrong, said) => {
    const { status, stderr } = vigil([...wrong, ...words(), "--", "true"]);
    expect({ status, stderr }).toEqual({ status: 125, stderr: expect.stringContaining(said) });
  });

  test("says when nobody is up", () => {
    const { status, stderr } = vigil(["run", "--as", "orders", "--state", join(folder, "nothing"), "--", "true"]);
    expect({ status, stderr }).toEqual({ status: 125, stderr: expect.stringContaining("`vigil up` does not run") });
  });
});

describe("flows, and the death of the control plane", () => {
  let port: string;
  let front: Service;
  let orders: Service;

  beforeAll(async () => {
    const payments = start("run", "--as", "payments", ...words(), "--", process.execPath, "-e", SERVER);
    await payments.until(/port \d+/);
    port = /port (\d+)/.exec(payments.stdout())?.[1] ?? "";
    front = call("front", port);
    orders = call("orders", port);
    await Promise.all([front.until(/seen EPERM/), orders.until(/seen answered/)]);
  });

  const flows = (...more: readonly string[]): readonly Record<string, unknown>[] =>
    JSON.parse(vigil(["flows", ...words(), "-o", "json", ...more]).stdout);

  test("are shown with who, whom, verdict, layer and policy, and can be explained", async () => {
    await until(
      () => flows("--from", "front", "--verdict", "deny").length > 0 && flows("--from", "orders", "--verdict", "allow").length > 0,
    );
    const [denied] = flows("--from", "front", "--last", "1");
    expect(denied).toMatchObject({
      verdict: "deny",
      layer: "kernel",
      srcName: "shop/front",
      dstName: "shop/payments",
      srcId: "spiffe://vigil.local/shop/front",
      dstPort: Number(port),
      policy: "AccessPolicy shop/payments-callers",
      reason: expect.stringContaining("refused before a packet was sent"),
    });
    expect(
      flows("--to", "payments", "--from", "shop/orders", "--port", port, "--policy", "payments-callers", "--layer", "kernel")[0],
    ).toMatchObject({
      verdict: "allow",
      srcName: "shop/orders",
    });
    expect(flows("--port", "1")).toEqual([]);
    expect(vigil(["flows", ...words(), "--verdict", "deny"]).stdout).toMatch(
      /DENY +front → payments:\d+ {2}tcp +payments-callers .*kernel/,
    );
    const why = vigil(["events", "why", String(denied?.["id"]), ...words()]);
    expect(why.stdout).toMatch(/^DENY front → payments:\d+ {2}tcp\n {2}because +no rule allows it/);
    expect(why.stdout).toMatch(/written in +\S+payments\.yaml:\d+:\d+/);
  });

  test("a broken file keeps the last good set; a change takes effect without a failed call", async () => {
    writeFileSync(join(folder, "policies/broken.yaml"), "kind: [");
    await until(() => up.stderr().includes("broken.yaml:1:"));
    rmSync(join(folder, "policies/broken.yaml"));
    writePolicy(callers("orders", "front"));
    await front.until(/seen answered/);
    writePolicy(callers("orders"));
  });

  test("kill -9 of the network process: denied stays denied, allowed goes on, and the next process takes over", async () => {
    const pid = processOf("network");
    process.kill(pid, "SIGKILL");
    await until(() => statusOf("network").pid !== pid && statusOf("network").state === "ready");
    const during = call("front", port);
    await during.until(/seen EPERM/);
    // The next process puts a change in force.
    writePolicy(callers("orders", "front"));
    await during.until(/seen answered/);
    writePolicy(callers("orders"));
  });

  test("kill -9 of everything: what is in force stays until the next `vigil up` takes over", async () => {
    // The policy of the test before is in force again.
    const probe = call("front", port);
    await probe.until(/seen EPERM/);
    const denied = call("front", port);
    await denied.until(/seen EPERM/);
    const names = ["authority", "agent", "control", "network"].map(processOf);
    for (const pid of [Number(readFileSync(join(state, "lock.pid"), "utf8")), ...names]) process.kill(pid, "SIGKILL");
    await up.stop("SIGKILL");
    await startUp();
    await denied.stop("SIGTERM");
    await orders.stop("SIGTERM");
    const counts = (service: Service): Record<string, number> => JSON.parse(/all (\{.*\})/.exec(service.stdout())?.[1] ?? "{}");
    expect(Object.keys(counts(denied))).toEqual(["EPERM"]);
    expect(Object.keys(counts(orders))).toEqual(["answered"]);
    expect(counts(orders)["answered"]).toBeGreaterThan(3);
    const last = call("front", port);
    await last.until(/seen EPERM/);
  });
});
