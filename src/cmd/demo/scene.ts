/** The scenes of the demonstration: what is done, what must come of it, and what the flows that were stored say of it. */
import { readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { FlowEvent } from "../../event/runtime-event.ts";
import { readEvents } from "../../evidence/event-reader.ts";
import { formatDuration } from "../../lib/duration.ts";
import { messageOf } from "../../lib/error.ts";
import type { Login } from "./login.ts";
import type { Shell, ShellAnswer, ShellCall, Shop } from "./shop.ts";
import { SynCounter } from "./syn-counter.ts";

/** What a scene came to. */
export interface Outcome {
  readonly what: string;
  readonly isExpected: boolean;
  /** `orders → payments  POST /refunds` */
  readonly ends: string;
  readonly verdict: string;
  readonly layer: string;
  readonly policy: string;
  /** What it took, or what was counted. */
  readonly took: string;
  /** What was seen in the place of what was expected, or a remark. */
  readonly remark: string;
}

export interface Stage {
  readonly shop: Shop;
  readonly login: Login;
  readonly front: Shell;
  readonly orders: Shell;
  readonly eventsDirectory: string;
  readonly policies: string;
  /** Of an identity that another trust domain has issued. */
  readonly stolen: string;
  /** Whether the kernel enforces here. */
  readonly hasKernel: boolean;
}

const PAYMENTS = "AccessPolicy shop/payments-callers";
const FLOW_WITHIN_MS = 30_000;
const LOOK_MS = 50;

interface WantedFlow {
  readonly verdict: FlowEvent["verdict"];
  readonly layer: FlowEvent["layer"];
  readonly from: string;
  readonly to: string;
  readonly request?: string;
}

/** The flow as it was stored since `sinceMs`; undefined when none was within a while. */
async function storedFlow({ eventsDirectory }: Stage, sinceMs: number, wanted: WantedFlow): Promise<FlowEvent | undefined> {
  const { verdict, layer, from, to, request: asked } = wanted;
  const filter = { kind: "flow", sinceNs: BigInt(Math.floor(sinceMs)) * 1_000_000n, verdict, layer, from, to } as const;
  for (const endMs = Date.now() + FLOW_WITHIN_MS; Date.now() < endMs; await pause(LOOK_MS)) {
    for (const event of readEvents(eventsDirectory, filter, 100))
      if (event.kind === "flow" && (asked === undefined || event.request === asked)) return event;
  }
  return undefined;
}

interface Result {
  /** What was seen at the ends is what must be. */
  readonly isRight: boolean;
  readonly seen: string;
  readonly took: string;
  /** The policy that must have decided. */
  readonly policy: string;
}

/** The line of a scene: what was seen at the ends, and what the stored flow says of it. */
function outcomeOf(what: string, ends: string, flow: FlowEvent | undefined, { isRight, seen, took, policy }: Result): Outcome {
  const decidedBy = flow?.policy.split(/[ /]/).at(-1) ?? "?";
  const remark = !isRight
    ? `saw ${seen}`
    : flow === undefined
      ? "no flow of it was stored"
      : flow.policy === policy
        ? ""
        : `expected ${policy} to decide: ${flow.reason}`;
  return {
    what,
    isExpected: remark === "",
    ends,
    verdict: flow?.verdict.toUpperCase() ?? "?",
    layer: flow?.layer ?? "?",
    policy: flow?.policy.startsWith("AccessPolicy ") === true ? decidedBy : (flow?.policy ?? "?"),
    took,
    remark,
  };
}

const seenOf = ({ status, error }: ShellAnswer): string => (status === undefined ? String(error) : `status ${status}`);
const decided = (flow: FlowEvent | undefined): string =>
  flow === undefined || flow.latencyUs === 0
    ? ""
    : `decided in ${flow.latencyUs < 1000 ? `${Math.round(flow.latencyUs)} µs` : `${(flow.latencyUs / 1000).toFixed(1)} ms`}, `;
const tookOf = (answer: ShellAnswer, flow: FlowEvent | undefined): string => `${decided(flow)}${formatDuration(answer.tookMs)} in all`;

/** A customer's checkout through the whole shop. */
export function checkOut(
  { shop, login }: Pick<Stage, "shop" | "login">,
  token: string = login.token({ tenant: "acme", scope: "checkout" }),
): Promise<ShellAnswer> {
  const startMs = performance.now();
  return new Promise((resolve) => {
    const end = (answer: Omit<ShellAnswer, "tookMs">): void => resolve({ ...answer, tookMs: performance.now() - startMs });
    const headers = { authorization: `Bearer ${token}`, connection: "close" };
    const sent = request(
      {
        host: "127.0.0.1",
        port: shop.ports.front,
        method: "POST",
        path: "/checkout",
        headers,
        signal: AbortSignal.timeout(CHECKOUT_WITHIN_MS),
      },
      (response) => {
        response.resume();
        response.on("end", () => end({ status: response.statusCode ?? 0 }));
        response.on("error", (error) => end({ error: error.message }));
      },
    );
    sent.on("error", (error) => end({ error: messageOf(error) }));
    sent.end(JSON.stringify({ item: "tea", tenant: "acme" }));
  });
}

export async function allowedCalls(stage: Stage): Promise<Outcome> {
  const sinceMs = Date.now();
  const answer = await checkOut(stage);
  const flow = await storedFlow(stage, sinceMs, { verdict: "allow", layer: "process", from: "orders", to: "payments" });
  const ends = "customer → front → orders → inventory, payments, mailer";
  return outcomeOf("allowed calls flow", ends, flow, {
    isRight: answer.status === 200,
    seen: seenOf(answer),
    took: tookOf(answer, flow),
    policy: PAYMENTS,
  });
}

/** In the kernel, with what left counted below it; where the kernel does not enforce, payments itself refuses. */
export async function directCall(stage: Stage): Promise<Outcome> {
  const { shop, front, orders, login, hasKernel } = stage;
  const ends = "front → payments";
  const call: ShellCall = {
    port: shop.ports.payments,
    method: "POST",
    path: "/tenants/acme/charges",
    token: login.token({ tenant: "acme", scope: "checkout" }),
  };
  if (!hasKernel) {
    const sinceMs = Date.now();
    const answer = await front.call(call);
    const flow = await storedFlow(stage, sinceMs, { verdict: "deny", layer: "process", from: "front", to: "payments" });
    const result = { isRight: answer.status === 403, seen: seenOf(answer), took: tookOf(answer, flow), policy: PAYMENTS };
    return outcomeOf("a direct call is refused", ends, flow, result);
  }
  using counter = countSyns(shop.ports.payments);
  const sinceMs = Date.now();
  const answer = await front.call(call);
  const sent = counter?.count;
  // The counter counts what the right caller sends.
  await orders.call(call);
  const allowed = counter?.count ?? 0;
  const flow = await storedFlow(stage, sinceMs, { verdict: "deny", layer: "kernel", from: "front", to: "payments" });
  const isRight = answer.error === "EPERM" && (counter === undefined || (sent === 0 && allowed > 0));
  const counted = counter === undefined ? "SYNs cannot be counted here" : `${sent} SYN of it, ${allowed} of orders`;
  const result = {
    isRight,
    seen: `${seenOf(answer)}, ${counted}`,
    took: `${answer.error ?? ""} after ${formatDuration(answer.tookMs)}, ${counted}`,
    policy: PAYMENTS,
  };
  return outcomeOf("a direct call is refused before a SYN leaves", ends, flow, result);
}

function countSyns(port: number): SynCounter | undefined {
  try {
    return new SynCounter(port);
  } catch {
    return undefined; // This kernel has no hook for it: the error of `connect` says the same.
  }
}

/** The right caller, with something about the call that is wrong. */
export async function wrongCall(stage: Stage, what: string, call: Partial<ShellCall>): Promise<Outcome> {
  const { shop, orders, login } = stage;
  const whole = {
    port: shop.ports.payments,
    method: "POST",
    path: "/tenants/acme/charges",
    token: login.token({ tenant: "acme", scope: "checkout" }),
    ...call,
  };
  const sinceMs = Date.now();
  const answer = await orders.call(whole);
  const asked = `${whole.method} ${whole.path}`;
  const flow = await storedFlow(stage, sinceMs, { verdict: "deny", layer: "process", from: "orders", to: "payments", request: asked });
  const result = { isRight: answer.status === 403, seen: seenOf(answer), took: tookOf(answer, flow), policy: PAYMENTS };
  return outcomeOf(what, `orders → payments  ${asked}`, flow, result);
}

export async function stolenCertificate(stage: Stage): Promise<Outcome> {
  const { shop, orders, stolen } = stage;
  const sinceMs = Date.now();
  const answer = await orders.call({ port: shop.ports.payments, method: "POST", path: "/tenants/acme/charges", files: stolen });
  const flow = await storedFlow(stage, sinceMs, { verdict: "deny", layer: "process", from: "world", to: "payments" });
  const result = {
    isRight: answer.status === undefined && answer.error !== undefined,
    seen: seenOf(answer),
    took: tookOf(answer, flow),
    policy: "trust bundle",
  };
  return outcomeOf("a stolen certificate of another trust domain is refused", "spiffe://other.test/shop/orders → payments", flow, result);
}

const LOAD_CLIENTS = 4;
const EDIT_WITHIN_MS = 60_000;
const MAX_UNDER_WAY = 4;
const LOAD_MS = 700;
const CALL_EVERY_MS = 25;
const CHECKOUT_WITHIN_MS = 20_000;

/** Takes the front out of those who may read the stock while customers check out, and puts it back: none of their requests may fail. */
export async function policyEdit(stage: Stage): Promise<Outcome> {
  const { front, shop, policies, login, hasKernel } = stage;
  const file = join(policies, "inventory.yaml");
  const before = readFileSync(file, "utf8");
  const after = before.replace(", { workload: front }", "");
  const call: ShellCall = {
    port: shop.ports.inventory,
    method: "GET",
    path: "/stock/tea",
    token: login.token({ tenant: "acme", scope: "checkout" }),
  };
  const counts = { served: 0, failed: 0 };
  const loading = new AbortController();
  const load = Array.from({ length: LOAD_CLIENTS }, async () => {
    while (!loading.signal.aborted) {
      const { status } = await checkOut(stage);
      counts[status === 200 ? "served" : "failed"]++;
    }
  });
  // One call may be under way when it is cut, and then it only hears silence: others begin meanwhile.
  const untilSeen = async (isSeen: (answer: ShellAnswer) => boolean): Promise<number | undefined> => {
    const startMs = performance.now();
    let seenMs: number | undefined;
    let underWay = 0;
    while (seenMs === undefined && performance.now() - startMs < EDIT_WITHIN_MS) {
      if (underWay < MAX_UNDER_WAY) {
        underWay++;
        void front.call(call).then((answer) => {
          underWay--;
          if (isSeen(answer)) seenMs ??= performance.now() - startMs;
        });
      }
      await pause(CALL_EVERY_MS);
    }
    return seenMs;
  };
  const isRefused = ({ status, error }: ShellAnswer): boolean => (hasKernel ? error === "EPERM" : status === 403);
  const sinceMs = Date.now();
  try {
    const wasAllowed = await untilSeen(({ status }) => status === 200);
    await pause(LOAD_MS);
    writeFileSync(file, after);
    const refusedMs = await untilSeen(isRefused);
    writeFileSync(file, before);
    const allowedMs = await untilSeen(({ status }) => status === 200);
    await pause(LOAD_MS);
    loading.abort();
    await Promise.all(load);
    const layer = hasKernel ? "kernel" : "process";
    const flow = await storedFlow(stage, sinceMs, { verdict: "deny", layer, from: "front", to: "inventory" });
    const isRight = [wasAllowed, refusedMs, allowedMs].every((ms) => ms !== undefined) && counts.failed === 0 && counts.served > 0;
    const requests = `${counts.served} checkouts meanwhile, ${counts.failed} failed`;
    const took = `refused ${formatDuration(refusedMs ?? 0)} after the edit, ${requests}`;
    return outcomeOf("a policy edit takes effect with no dropped request", "front → inventory", flow, {
      isRight,
      seen: took,
      took,
      policy: "AccessPolicy shop/inventory-readers",
    });
  } finally {
    loading.abort();
    writeFileSync(file, before);
    await Promise.all(load);
  }
}
