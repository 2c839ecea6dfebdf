/** What enforcement costs on the way of packets, against no policy, and beside the same rules in nftables. */
import { type ChildProcess, execFileSync, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { enableStatistics, listPrograms } from "../../src/ebpf/index.ts";
import { openNetworkEnforcement } from "../../src/network/enforcement.ts";
import { TestCgroup } from "../../test/network/workload.ts";
import { median } from "../measure.ts";
import type { TrafficOrder } from "../network-traffic.ts";
import { addressOf, callText, policyText, resourcesOf, serviceOf, setOf } from "../network-workload.ts";
import { comeFirst, sharedNote } from "../priority.ts";
import type { Section, Target } from "../report.ts";

const PEERS = 500;
const POLICIES = 1000;
const ROUNDS = 11;
const TRIPS = 5000;
const BULK_MESSAGES = 2000;
const BULK_BYTES = 65_536;
const DIALS = 20_000;
const REQUESTS_SECONDS = 1;
const CPU = 1;
const NGINX_PORT = 34_080;
const NGINX_ROUNDS = 5;

/** Two processes that talk to each other; what is between them differs. */
class Pair implements AsyncDisposable {
  readonly name: string;
  readonly server: ChildProcess;
  readonly client: ChildProcess;
  readonly #children: readonly ChildProcess[];

  constructor(name: string) {
    this.name = name;
    const start = (): ChildProcess => fork(join(import.meta.dirname, "../network-traffic.ts"));
    [this.server, this.client] = [start(), start()];
    this.#children = [this.server, this.client];
  }

  async ask(child: ChildProcess, order: TrafficOrder): Promise<number> {
    const answered = once(child, "message");
    child.send(order);
    const [value] = await answered;
    return value as number; // it answers every order with a number
  }

  async connect(): Promise<number> {
    for (const child of this.#children) await this.ask(child, { do: "pin", cpu: CPU });
    const port = await this.ask(this.server, { do: "listen" });
    await Promise.all([this.ask(this.server, { do: "accept" }), this.ask(this.client, { do: "connect", port })]);
    return port;
  }

  /** Nanoseconds of CPU of both ends per message. */
  async cost(count: number, sizeBytes: number): Promise<number> {
    const spent = await Promise.all([
      this.ask(this.server, { do: "answer", count, sizeBytes }),
      this.ask(this.client, { do: "ask", count, sizeBytes }),
    ]);
    return spent.reduce((sum, each) => sum + each, 0) / count;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    }
  }
}

const enter = (path: string, pid: number | undefined): void => writeFileSync(join(path, "cgroup.procs"), String(pid));

/** Replies pass, and connections between known peers on their ports: a map, as somebody who cares for speed would write it. */
function nftables(): string {
  const elements = Array.from({ length: POLICIES }, (_, index) => {
    const [a, b] = [addressOf(index % PEERS), addressOf((index * 31) % PEERS)];
    return `${a.join(".")} . ${b.join(".")} . ${8000 + (index % 50)} : accept`;
  });
  const open = `127.0.0.1 . 127.0.0.1 . 1-65535 : accept`;
  return `table inet bench {
  map allowed {
    type ipv4_addr . ipv4_addr . inet_service : verdict
    flags interval
    elements = { ${[...new Set(elements), open].join(", ")} }
  }
  chain input {
    type filter hook input priority 0; policy drop;
    ct state established,related accept
    ip saddr . ip daddr . tcp dport vmap @allowed
  }
  chain output {
    type filter hook output priority 0; policy drop;
    ct state established,related accept
    ip saddr . ip daddr . tcp dport vmap @allowed
  }
}
`;
}

const inNamespace = (pid: number | undefined, command: readonly string[], input = ""): void =>
  void execFileSync("nsenter", [`--net=/proc/${pid}/ns/net`, ...command], { input, encoding: "utf8" });

interface Site {
  readonly pair: Pair;
  readonly port: number;
  /** How programs are started there. */
  readonly prefix: readonly string[];
}

/** A web server there, and how much CPU a request takes it. */
class Nginx implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #site: Site;
  readonly #port: number;
  readonly #directory = mkdtempSync(join(tmpdir(), "vigil-bench-nginx-"));
  readonly #cgroupPath: string | undefined;
  readonly #clientPath: string | undefined;

  constructor(site: Site, port: number, paths?: { readonly server: string; readonly client: string }) {
    this.#site = site;
    this.#port = port;
    this.#cgroupPath = paths?.server;
    this.#clientPath = paths?.client;
    mkdirSync(join(this.#directory, "html"));
    writeFileSync(join(this.#directory, "html/index.html"), "x".repeat(512));
    writeFileSync(
      join(this.#directory, "nginx.conf"),
      `daemon off; master_process off; worker_processes 1; pid ${this.#directory}/pid; error_log /dev/null; events { worker_connections 512; }
http { access_log off; keepalive_requests 1000000; client_body_temp_path ${this.#directory}/b; proxy_temp_path ${this.#directory}/p; fastcgi_temp_path ${this.#directory}/f; uwsgi_temp_path ${this.#directory}/u; scgi_temp_path ${this.#directory}/s;
server { listen 127.0.0.1:${port}; root ${this.#directory}/html; } }`,
    );
    this.#child = this.#start(this.#cgroupPath, ["taskset", "-c", String(CPU), "nginx", "-c", join(this.#directory, "nginx.conf")]);
  }

  #start(cgroupPath: string | undefined, command: readonly string[]): ChildProcess {
    const join = cgroupPath === undefined ? "" : `echo $$ > ${cgroupPath}/cgroup.procs; `;
    return spawn("sh", ["-c", `${join}exec "$@"`, "sh", ...this.#site.prefix, ...command], { stdio: ["ignore", "pipe", "inherit"] });
  }

  /** Resolves once it has opened its port. */
  async listening(): Promise<void> {
    const port = `:${this.#port.toString(16).toUpperCase().padStart(4, "0")} `;
    for (let tries = 0; tries < 200; tries++) {
      if (readFileSync(`/proc/${this.#child.pid}/net/tcp`, "utf8").includes(port)) return;
      await wait(100);
    }
    throw new Error(`nginx does not listen on ${this.#port}`);
  }

  /** Nanoseconds of CPU of the server per request. */
  async cost(): Promise<number> {
    const spent = (): number => Number(readFileSync(`/proc/${this.#child.pid}/schedstat`, "utf8").split(" ")[0]);
    const before = spent();
    const load = this.#start(this.#clientPath, [
      "taskset",
      "-c",
      "0",
      "wrk",
      "-t1",
      "-c8",
      `-d${REQUESTS_SECONDS}s`,
      `http://127.0.0.1:${this.#port}/`,
    ]);
    let text = "";
    load.stdout?.on("data", (chunk) => {
      text += chunk;
    });
    await once(load, "close");
    const requests = Number(/(\d+) requests in/.exec(text)?.[1] ?? 0);
    if (requests === 0) throw new Error(`no request was answered: ${text}`);
    return (spent() - before) / requests;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await ended;
    rmSync(this.#directory, { recursive: true });
  }
}

/** Nanoseconds per run of the programs at `connect`, as the kernel counts them. */
async function connectVerdict({ pair, port }: Site): Promise<number> {
  const runs = (): { readonly ns: number; readonly count: number } => {
    const own = listPrograms().filter(({ name, runCount }) => name === "vigil_connect4" && runCount > 0n);
    return {
      ns: own.reduce((sum, { runTimeNs }) => sum + Number(runTimeNs), 0),
      count: own.reduce((sum, { runCount }) => sum + Number(runCount), 0),
    };
  };
  const samples: number[] = [];
  using _statistics = enableStatistics();
  for (let round = 0; round < ROUNDS; round++) {
    const before = runs();
    await pair.ask(pair.client, { do: "dial", port, count: DIALS / ROUNDS });
    const after = runs();
    samples.push((after.ns - before.ns) / (after.count - before.count));
  }
  return median(samples);
}

export async function networkPath(): Promise<Section> {
  using _priority = comeFirst();
  await using owned = new AsyncDisposableStack();
  const root = owned.use(new TestCgroup(`vigil-bench-path-${process.pid}`));
  const groups = [0, 1].map((index) => owned.use(new TestCgroup(`svc${index}`, root.path)));
  const [callers, servers] = groups as [TestCgroup, TestCgroup];
  const enforcement = owned.use(openNetworkEnforcement({ cgroupRoot: root.path }));
  const others = Array.from({ length: PEERS - 2 }, (_, index) => ({ endpoint: serviceOf(index + 2), addresses: [addressOf(index + 2)] }));
  enforcement.setInventory([
    { endpoint: serviceOf(0), cgroupPath: callers.path },
    { endpoint: serviceOf(1), cgroupPath: servers.path },
    ...others,
  ]);
  const policies = Array.from({ length: POLICIES - 1 }, (_, index) => resourcesOf(policyText(index, PEERS))).flat();
  enforcement.setPolicies(setOf([...policies, ...resourcesOf(callText("measured", 0, 1))]));

  const [bare, governed, filtered] = ["no policy", "Vigil", "nftables"].map((name) => owned.use(new Pair(name))) as [Pair, Pair, Pair];
  enter(callers.path, governed.client.pid);
  enter(servers.path, governed.server.pid);
  await filtered.ask(filtered.server, { do: "unshare" });
  const prefix = ["nsenter", `--net=/proc/${filtered.server.pid}/ns/net`];
  inNamespace(filtered.server.pid, ["ip", "link", "set", "lo", "up"]);
  await filtered.ask(filtered.client, { do: "join", pid: filtered.server.pid ?? 0 });
  inNamespace(filtered.server.pid, ["nft", "-f", "-"], nftables());
  const sites: Site[] = [];
  for (const pair of [bare, governed, filtered]) sites.push({ pair, port: await pair.connect(), prefix: pair === filtered ? prefix : [] });

  const [trips, bulk, requests] = [new Map<string, number[]>(), new Map<string, number[]>(), new Map<string, number[]>()];
  const note = (into: Map<string, number[]>, { pair: { name } }: Site, value: number): void =>
    void into.set(name, [...(into.get(name) ?? []), value]);
  for (let round = -1; round < ROUNDS; round++) {
    for (const site of sites) {
      const [trip, message] = [await site.pair.cost(TRIPS, 1), await site.pair.cost(BULK_MESSAGES, BULK_BYTES)];
      if (round < 0) continue;
      note(trips, site, trip);
      note(bulk, site, message);
    }
  }
  const governedSite = sites[1] as Site;
  const verdictNs = await connectVerdict(governedSite);
  const webs = sites.map((site, index) => {
    const paths = site.pair === governed ? { server: servers.path, client: callers.path } : undefined;
    return { site, nginx: owned.use(new Nginx(site, NGINX_PORT + index, paths)) };
  });
  for (const { nginx } of webs) await nginx.listening();
  for (let round = -1; round < NGINX_ROUNDS; round++) {
    for (const { site, nginx } of webs) {
      const cost = await nginx.cost();
      if (round >= 0) note(requests, site, cost);
    }
  }
  const costOf = (costs: ReadonlyMap<string, readonly number[]>, name: string): number => median(costs.get(name) ?? []);
  const added = (costs: ReadonlyMap<string, readonly number[]>, name: string): number =>
    (costOf(costs, name) / costOf(costs, "no policy") - 1) * 100;
  const row = (what: string, costs: ReadonlyMap<string, readonly number[]>): readonly string[] => [
    what,
    costOf(costs, "no policy").toFixed(0),
    ...["Vigil", "nftables"].map((name) => `${costOf(costs, name).toFixed(0)} (${added(costs, name).toFixed(1)} %)`),
  ];
  const target = (what: string, costs: ReadonlyMap<string, readonly number[]>): Target => {
    const value = added(costs, "Vigil");
    return { what: `${what}: added by Vigil, in %`, goal: "≤ 5", value, met: value <= 5 };
  };
  return {
    title: "Access policies in the kernel: cost on the way",
    notes: [
      `${PEERS} peers and ${POLICIES} policies; nftables has a map of as many rules after one for established connections, in a network namespace of its own.`,
      `CPU of both ends, on one processor, in turns, median of ${ROUNDS} rounds: ${TRIPS.toLocaleString("en")} round trips of a byte, ${BULK_MESSAGES.toLocaleString("en")} messages of 64 KiB; of nginx alone per request, median of ${NGINX_ROUNDS} seconds in turns, eight connections, kept alive.`,
      sharedNote(),
      `*Verdict*: run time of the program at \`connect\` by the kernel's own statistics, ${DIALS.toLocaleString("en")} connections.`,
    ],
    columns: ["ns of CPU", "no policy", "Vigil", "nftables"],
    rows: [
      ["verdict at `connect`", "", verdictNs.toFixed(0), ""],
      row("TCP round trip", trips),
      row("64 KiB by TCP", bulk),
      row("request to nginx", requests),
    ],
    targets: [
      { what: "verdict at `connect`, in ns", goal: "≤ 300", value: verdictNs, met: verdictNs <= 300 },
      target("TCP round trip", trips),
      target("bulk by TCP", bulk),
      target("request to nginx", requests),
    ],
    versions: { nftables: execFileSync("nft", ["--version"], { encoding: "utf8" }).split(" ")[1] ?? "" },
  };
}
