/**
 * Sends AdmissionReviews to a webhook over TLS with keep-alive, in a process of its own. One JSON line on standard input says what:
 * `{"url","ca","rate","connections","seconds"}`; rate 0 means as fast as the connections allow. One JSON line is the answer.
 * Latency counts from when a request was due, not from when it was sent: a server that stalls cannot hide it.
 */
import { Agent, request } from "node:https";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { admissionReview } from "./review-body.ts";

export interface LoadOrder {
  readonly url: string;
  readonly ca: string;
  readonly rate: number;
  readonly connections: number;
  readonly seconds: number;
}

export interface LoadResult {
  readonly requests: number;
  readonly failures: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

const BODIES = Array.from({ length: 64 }, (_, i) => Buffer.from(JSON.stringify(admissionReview(i))));

function send(order: LoadOrder, agent: Agent, i: number): Promise<boolean> {
  const body = BODIES[i % BODIES.length] ?? Buffer.alloc(0);
  return new Promise((resolve) => {
    const headers = { "content-type": "application/json", "content-length": body.length };
    const outgoing = request(order.url, { method: "POST", agent, headers }, (response) => {
      let text = "";
      response.on("data", (chunk) => {
        text += chunk;
      });
      response.on("end", () => resolve(response.statusCode === 200 && text.includes('"uid"')));
    });
    outgoing.on("error", () => resolve(false));
    outgoing.end(body);
  });
}

async function run(order: LoadOrder): Promise<LoadResult> {
  const agent = new Agent({ keepAlive: true, maxSockets: order.connections, ca: order.ca });
  const latencies: number[] = [];
  let failures = 0;
  const start = performance.now();
  const endMs = start + order.seconds * 1000;
  const one = async (i: number, dueMs: number): Promise<void> => {
    if (await send(order, agent, i)) latencies.push(performance.now() - dueMs);
    else failures++;
  };
  if (order.rate > 0) await openLoop(order, start, endMs, one);
  else await Promise.all(Array.from({ length: order.connections }, (_, lane) => closedLoop(lane, order.connections, endMs, one)));
  const seconds = (performance.now() - start) / 1000;
  agent.destroy();
  latencies.sort((a, b) => a - b);
  const quantile = (q: number): number => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * q))] ?? Number.NaN;
  return {
    requests: latencies.length + failures,
    failures,
    perSecond: latencies.length / seconds,
    p50Ms: quantile(0.5),
    p99Ms: quantile(0.99),
    maxMs: quantile(1),
  };
}

type One = (i: number, dueMs: number) => Promise<void>;

async function openLoop({ rate }: LoadOrder, start: number, endMs: number, one: One): Promise<void> {
  const pending: Promise<void>[] = [];
  for (let i = 0; ; i++) {
    const dueMs = start + (i * 1000) / rate;
    if (dueMs >= endMs) break;
    const waitMs = dueMs - performance.now();
    if (waitMs > 1) await sleep(waitMs);
    pending.push(one(i, dueMs));
  }
  await Promise.all(pending);
}

async function closedLoop(lane: number, lanes: number, endMs: number, one: One): Promise<void> {
  for (let i = lane; performance.now() < endMs; i += lanes) await one(i, performance.now());
}

for await (const line of createInterface({ input: process.stdin })) console.log(JSON.stringify(await run(JSON.parse(line))));
