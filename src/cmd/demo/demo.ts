/** `vigil up --demo`: a shop of five services that shows what an access policy does at each layer. */
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { isWithin, PRIVATE_DIRECTORIES } from "../../confine/launch-plan.ts";
import { cgroup2Path } from "../../linux/mounts.ts";
import { EXIT, type ExitCode, type Invocation } from "../command.ts";
import { EVENTS_FOLDER } from "../events/store.ts";
import { instanceOf } from "../installation-instance.ts";
import { removeLaunchedDirectories } from "../network/inventory.ts";
import type { ReadyReport } from "../process-message.ts";
import { programName } from "../program-name.ts";
import type { SettingSources } from "../settings.ts";
import type { Terminal } from "../terminal.ts";
import { PACKAGE_ROOT } from "../version.ts";
import { startLogin } from "./login.ts";
import { allowedCalls, checkOut, directCall, type Outcome, policyEdit, type Stage, stolenCertificate, wrongCall } from "./scene.ts";
import { Shop } from "./shop.ts";
import { writeStolenIdentity } from "./stolen-identity.ts";

export const DEMO_TRUST_DOMAIN = "shop.test";

/** Where the demonstration keeps everything; gone with it. */
export interface DemoDirectories extends Disposable {
  readonly state: string;
  readonly policies: string;
  readonly workloads: string;
  readonly socket: string;
  readonly other: string;
}

export function prepareDemo(): DemoDirectories {
  const root = mkdtempSync(join(tmpdir(), "vigil-demo-"));
  // Services that run as other users must come as far as their socket; the state itself is private.
  chmodSync(root, 0o711);
  const inside = (name: string): string => join(root, name);
  for (const name of ["run", "shop", "other"]) mkdirSync(inside(name), { mode: 0o755 });
  const source = join(PACKAGE_ROOT, "examples/shop");
  cpSync(join(source, "policies"), inside("shop/policies"), { recursive: true });
  mkdirSync(inside("shop/workloads"));
  cpSync(join(source, "workloads.yaml"), inside("shop/workloads/workloads.yaml"));
  return {
    state: inside("state"),
    policies: inside("shop/policies"),
    workloads: inside("shop/workloads"),
    socket: inside("run/agent.sock"),
    other: inside("other"),
    [Symbol.dispose]: () => {
      // A Ctrl-C ends Vigil beside the services, which were still in their cgroups then.
      removeLaunchedDirectories(cgroup2Path(), instanceOf(inside("state")));
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** What `vigil up` is told, beside what the user says. */
export function demoSettings({ state, policies, workloads, socket }: DemoDirectories): SettingSources["flags"] {
  const stated = <V>(value: V): { readonly flag: string; readonly value: V } => ({ flag: "demo", value });
  return {
    policies: stated([policies]),
    "admission.listen": stated("127.0.0.1:0"),
    "state.directory": stated(state),
    "identity.trustDomain": stated(DEMO_TRUST_DOMAIN),
    "identity.registrations": stated([workloads]),
    "identity.socket": stated(socket),
    "network.mode": stated("enforce"),
    "network.keep": stated("never"),
    "runtime.rules": stated(["none"]),
  };
}

/** Between checkouts, once the scenes are over. */
const TRAFFIC_MS = 1_000;

/** Shows the scenes. Returns 0 when everything came as it must, and 1 otherwise; goes on until it is interrupted unless `once`. */
export async function runDemo(
  { terminal, environment }: Pick<Invocation, "terminal" | "environment">,
  directories: DemoDirectories,
  { report, once, signal }: { readonly report: ReadyReport; readonly once: boolean; readonly signal: AbortSignal },
): Promise<ExitCode> {
  await using owned = new AsyncDisposableStack();
  const hasKernel = report.on.some(({ what }) => what === "network");
  terminal.note("starting the shop: front, orders, payments, inventory and mailer, each as a workload …");
  const login = await startLogin(join(directories.other, "login"));
  owned.defer(() => login.close());
  const stolen = join(directories.other, "stolen");
  const trusted = readFileSync(report.facts["trustBundle"] ?? "", "utf8");
  writeStolenIdentity(stolen, "spiffe://other.test/shop/orders", { trustDomain: DEMO_TRUST_DOMAIN, trusted });
  const shop = owned.use(
    await Shop.open({
      stateDirectory: directories.state,
      scratchDirectory: directories.other,
      environment,
      readable: hiddenPaths([PACKAGE_ROOT, directories.policies, directories.workloads, stolen]),
      policies: directories.policies,
      workloads: directories.workloads,
      login,
      onError: (name, line) => terminal.note(`${name}: ${line}`),
    }),
  );
  const [front, orders] = await Promise.all([shop.breakInto("front"), shop.breakInto("orders")]);
  const stage: Stage = {
    shop,
    login,
    front,
    orders,
    eventsDirectory: join(directories.state, EVENTS_FOLDER),
    policies: directories.policies,
    stolen,
    hasKernel,
  };
  printHead(stage, report, terminal);
  // The first call fetches the keys of the login, which is no part of what is shown.
  await checkOut(stage);
  const outcomes: Outcome[] = [];
  for (const scene of scenes(stage)) {
    if (signal.aborted) return EXIT.interrupted;
    const outcome = await scene();
    outcomes.push(outcome);
    terminal.print(lineOf(outcome, terminal));
  }
  const right = outcomes.filter(({ isExpected }) => isExpected).length;
  terminal.print("");
  terminal.print(`${right} of ${outcomes.length} as expected${hasKernel ? "" : ", without the kernel's part"}`);
  if (!once) {
    terminal.print(`\nThe shop stays open, with a checkout every second. See its flows, and ask why:\n`);
    terminal.print(`  ${programName()} flows --follow --state ${directories.state}`);
    terminal.print(`  ${programName()} events why last --state ${directories.state}\n`);
    terminal.print(`Change the policies in ${directories.policies}. Ctrl-C ends everything.`);
    while (!signal.aborted) {
      await checkOut(stage);
      await pause(TRAFFIC_MS, undefined, { signal }).catch(() => undefined);
    }
  }
  return right === outcomes.length ? EXIT.yes : EXIT.no;
}

const scenes = (stage: Stage): readonly (() => Promise<Outcome>)[] => [
  () => allowedCalls(stage),
  () => directCall(stage),
  () => wrongCall(stage, "the right caller with the wrong method is refused", { method: "GET" }),
  () => wrongCall(stage, "… with the wrong path", { path: "/tenants/acme/refunds" }),
  () => wrongCall(stage, "… with the wrong claim", { token: stage.login.token({ tenant: "acme", scope: "browse" }) }),
  () => wrongCall(stage, "… for the wrong tenant", { token: stage.login.token({ tenant: "umbra", scope: "checkout" }) }),
  () => stolenCertificate(stage),
  () => policyEdit(stage),
];

function printHead({ shop, hasKernel }: Stage, { off }: ReadyReport, terminal: Terminal): void {
  terminal.print(
    `${terminal.style("bold", "The shop is open")}: five services with mutual TLS, default deny${shop.unconfinedBecause === undefined ? ", confined" : ""}\n`,
  );
  if (shop.unconfinedBecause !== undefined) terminal.note(`note: not confined: ${shop.unconfinedBecause}`);
  const kernel = off.find(({ what }) => what === "network");
  if (hasKernel || kernel === undefined) return;
  terminal.print(`  ${terminal.style("dim", "off: kernel")}  ${kernel.why}`);
  if (kernel.how !== undefined) terminal.print(`       ${kernel.how}`);
  terminal.print("");
}

function lineOf({ what, isExpected, ends, verdict, layer, policy, took, remark }: Outcome, terminal: Terminal): string {
  const mark = terminal.style(isExpected ? "green" : "red", isExpected ? "✓" : "✗");
  const judged = terminal.style(verdict === "ALLOW" ? "green" : "red", verdict.padEnd(5));
  return [
    `${mark} ${terminal.style("bold", what)}`,
    `    ${judged}  ${ends}  ${policy}  ${layer}  ${took}`,
    ...(remark === "" ? [] : [`    ${remark}`]),
  ].join("\n");
}

/** Of what lies below directories that confined programs have for themselves. */
const hiddenPaths = (paths: readonly string[]): readonly string[] =>
  paths.filter((path) => PRIVATE_DIRECTORIES.some((directory) => isWithin(path, directory)));
