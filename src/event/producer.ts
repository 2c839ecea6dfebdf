/** Numbers and stamps events: every event of one process goes through one producer. */
import type { ActionEvent, DecisionEvent, GapEvent, VigilEvent } from "./event.ts";
import type { FileEvent, FindingEvent, FlowEvent, NetworkEvent, ProcessEvent } from "./runtime-event.ts";
import { uuidV7 } from "./uuid-v7.ts";

/** What a producer adds to the fields of an event. */
type Stamped = "v" | "id" | "timeNs" | "node" | "bootId" | "producer" | "seq" | "kind" | "tenant";
export type DecisionFields = Omit<DecisionEvent, Stamped> & { readonly tenant?: string };
export type ActionFields = Omit<ActionEvent, Stamped> & { readonly tenant?: string };
export type GapFields = Omit<GapEvent, Stamped>;
export type ProcessFields = Omit<ProcessEvent, Stamped> & { readonly tenant?: string };
export type FileFields = Omit<FileEvent, Stamped> & { readonly tenant?: string };
export type NetworkFields = Omit<NetworkEvent, Stamped> & { readonly tenant?: string };
export type FlowFields = Omit<FlowEvent, Stamped> & { readonly tenant?: string };
export type FindingFields = Omit<FindingEvent, Stamped> & { readonly tenant?: string };

export interface ProducerOptions {
  /** `component@version`. */
  readonly producer: string;
  readonly node: string;
  /** Differs for every start of the process, so that (bootId, seq) is unique. */
  readonly bootId: string;
  /** Default "default". */
  readonly tenant?: string;
  /** Milliseconds since the epoch, fractions allowed. */
  readonly clock: () => number;
  /** Fills the array with randomness, for many events at once. */
  readonly random: (target: Uint8Array) => void;
}

const RANDOM_BYTES = 10;
/** Drawing randomness costs more than everything else that stamping does. */
const POOLED_IDS = 256;

export class EventProducer {
  readonly #options: ProducerOptions;
  readonly #pool = new Uint8Array(RANDOM_BYTES * POOLED_IDS);
  #poolAt = 0;
  #seq = 0;

  constructor(options: ProducerOptions) {
    this.#options = options;
  }

  decision(fields: DecisionFields): DecisionEvent {
    return { ...this.#stamp(), kind: "decision", ...fields, tenant: this.#tenant(fields.tenant) };
  }

  action(fields: ActionFields): ActionEvent {
    return { ...this.#stamp(), kind: "action", ...fields, tenant: this.#tenant(fields.tenant) };
  }

  gap(fields: GapFields): GapEvent {
    return { ...this.#stamp(), kind: "gap", ...fields, tenant: this.#tenant(undefined) };
  }

  /** The gap of what was lost before it was numbered. */
  lost(count: number, reason: GapEvent["reason"], subject: string): GapEvent {
    // What is left out on purpose is no failure.
    const severity = reason === "rate_limited" || reason === "repeated" ? 1 : 4;
    return this.gap({ fromSeq: this.#seq, toSeq: this.#seq, count, reason, subject, severity });
  }

  process(fields: ProcessFields): ProcessEvent {
    return { ...this.#stamp(), kind: "process", ...fields, tenant: this.#tenant(fields.tenant) };
  }

  file(fields: FileFields): FileEvent {
    return { ...this.#stamp(), kind: "file", ...fields, tenant: this.#tenant(fields.tenant) };
  }

  network(fields: NetworkFields): NetworkEvent {
    return { ...this.#stamp(), kind: "network", ...fields, tenant: this.#tenant(fields.tenant) };
  }

  flow(fields: FlowFields): FlowEvent {
    return { ...this.#stamp(), kind: "flow", ...fields, tenant: this.#tenant(fields.tenant) };
  }

  finding(fields: FindingFields): FindingEvent {
    return { ...this.#stamp(), kind: "finding", ...fields, tenant: this.#tenant(fields.tenant) };
  }

  #tenant(tenant: string | undefined): string {
    return tenant ?? this.#options.tenant ?? "default";
  }

  #stamp(): Pick<VigilEvent, "v" | "id" | "timeNs" | "node" | "bootId" | "producer" | "seq"> {
    const { producer, node, bootId, clock } = this.#options;
    const nowMs = clock();
    this.#seq += 1;
    return {
      v: 1,
      id: uuidV7(Math.floor(nowMs), this.#nextRandom()),
      timeNs: BigInt(Math.round(nowMs * 1e3)) * 1000n,
      node,
      bootId,
      producer,
      seq: this.#seq,
    };
  }

  #nextRandom(): Uint8Array {
    if (this.#poolAt === 0) this.#options.random(this.#pool);
    const random = this.#pool.subarray(this.#poolAt, this.#poolAt + RANDOM_BYTES);
    this.#poolAt = (this.#poolAt + RANDOM_BYTES) % this.#pool.length;
    return random;
  }
}
