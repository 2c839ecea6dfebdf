/**
 * Flows on their way to the store: told one by one as long as they come slowly enough, beyond that alike ones as one with their count, and
 * those for which there is no room as a counted gap.
 */
import type { FlowFields } from "../../event/producer.ts";

export interface FlowAggregateOptions {
  readonly emit: (flow: FlowFields) => void;
  /** So many were neither told nor counted with others. */
  readonly onGap: (count: number) => void;
  /** Told one by one in each interval. Default 200. */
  readonly singles?: number;
  /** Different ones that are counted in each interval. Default 2,000. */
  readonly kinds?: number;
}

const DEFAULT_SINGLES = 200;
const DEFAULT_KINDS = 2_000;

type Sum = { -readonly [K in keyof FlowFields]: FlowFields[K] };

export class FlowAggregate {
  readonly #options: FlowAggregateOptions;
  readonly #singles: number;
  readonly #kinds: number;
  #told = 0;
  #sums = new Map<string, Sum>();
  #missed = 0;

  constructor(options: FlowAggregateOptions) {
    this.#options = options;
    this.#singles = options.singles ?? DEFAULT_SINGLES;
    this.#kinds = options.kinds ?? DEFAULT_KINDS;
  }

  add(flow: FlowFields): void {
    if (this.#told < this.#singles) {
      this.#told++;
      this.#options.emit(flow);
      return;
    }
    const key = keyOf(flow);
    const sum = this.#sums.get(key);
    if (sum !== undefined) addTo(sum, flow);
    else if (this.#sums.size < this.#kinds) this.#sums.set(key, { ...flow });
    else this.#missed += flow.count;
  }

  /** Counts flows that were lost before they came here. */
  miss(count: number): void {
    this.#missed += count;
  }

  /** Ends the interval: tells what was counted. To be called about once a second. */
  flush(): void {
    const sums = this.#sums;
    const missed = this.#missed;
    this.#sums = new Map();
    this.#missed = 0;
    this.#told = 0;
    for (const sum of sums.values()) this.#options.emit(sum);
    if (missed > 0) this.#options.onGap(missed);
  }
}

/** Flows that people would not tell apart. */
const keyOf = (flow: FlowFields): string =>
  JSON.stringify([
    flow.verdict,
    flow.layer,
    flow.direction,
    flow.proto,
    flow.srcId,
    flow.dstId,
    flow.dstPort,
    flow.request,
    flow.policy,
    flow.rule,
    flow.endTime === "",
    // What is known by nothing else is told apart by its address.
    flow.srcId === "world" ? flow.srcIp : "",
    flow.dstId === "world" ? flow.dstIp : "",
  ]);

function addTo(sum: Sum, flow: FlowFields): void {
  sum.count += flow.count;
  sum.bytesSent += flow.bytesSent;
  sum.bytesReceived += flow.bytesReceived;
  sum.latencyUs = Math.max(sum.latencyUs, flow.latencyUs);
  // Ports of single connections mean nothing of a sum.
  sum.srcPort = 0;
  if (flow.endTime !== "") sum.endTime = flow.endTime;
}
