/** Calls that were seen, from flow events as `vigil flows` and `vigil events` print them for programs: one JSON object a line. */
import type { Diagnostic } from "../../lib/diagnostic.ts";
import { parseIpAddress } from "../../lib/ip-address.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../lib/json.ts";
import { type Call, type CallRequest, type Endpoint, EXTERNAL, endpoint } from "../../policy/access/endpoint.ts";
import { PROTOCOLS } from "../../resource/port-spec.ts";
import { parseSpiffeId, trustDomainOf } from "../../spiffe/spiffe-id.ts";

export type SeenCallsErrorCode = "FLOWS_UNREADABLE" | "FLOWS_TOO_MANY";

export interface SeenCalls {
  /** Each once. */
  readonly calls: readonly Call[];
  readonly diagnostics: readonly Diagnostic[];
}

/** Distinct calls; more are not needed to see which policies are used, and would have to be decided one by one. */
const MAX_CALLS = 100_000;
/** Mistakes that are told; a file that is no such file has one in each line. */
const MAX_MISTAKES = 10;
const LINE_FEED = /\r?\n/;

// UNTRUSTED: names in flows come from processes and from the network; they are looked up in maps and shown, nothing else.
export function readSeenCalls(text: string, file: string, workloads: readonly Endpoint[]): SeenCalls {
  const known = new KnownEnds(workloads);
  const calls = new Map<string, Call>();
  const diagnostics: Diagnostic[] = [];
  for (const [index, line] of text.split(LINE_FEED).entries()) {
    if (line.trim() === "") continue;
    const value = parsed(line);
    const call = value === undefined ? undefined : value["kind"] === "flow" ? callOf(value, known) : "other";
    if (call === "other") continue;
    if (call === undefined) {
      diagnostics.push(mistake("FLOWS_UNREADABLE", "expected a flow event as JSON on one line", { file, line: index + 1 }));
      if (diagnostics.length >= MAX_MISTAKES) break;
      continue;
    }
    calls.set(keyOf(call), call);
    if (calls.size <= MAX_CALLS) continue;
    diagnostics.push(mistake("FLOWS_TOO_MANY", `more than ${MAX_CALLS} different calls`, { file, line: index + 1 }));
    break;
  }
  return { calls: [...calls.values()], diagnostics };
}

const mistake = (code: SeenCallsErrorCode, message: string, place: { readonly file: string; readonly line: number }): Diagnostic => ({
  severity: "error",
  code,
  message,
  ...place,
  column: 1,
  length: 1,
  hint: code === "FLOWS_UNREADABLE" ? "`vigil flows --format json` writes them" : "leave out what is older",
});

function parsed(line: string): JsonObject | undefined {
  try {
    const value = JSON.parse(line) as JsonValue; // JSON.parse makes nothing else
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

const textIn = (value: JsonObject, field: string): string => {
  const found = Object.hasOwn(value, field) ? value[field] : undefined;
  return typeof found === "string" ? found : "";
};

function callOf(flow: JsonObject, known: KnownEnds): Call | undefined {
  const proto = textIn(flow, "proto");
  const port = flow["dstPort"];
  const protocol = PROTOCOLS.find((each) => each === proto);
  if (protocol === undefined || typeof port !== "number" || !Number.isInteger(port) || port < 0 || port > 65_535) return undefined;
  const source = known.end(textIn(flow, "srcId"), textIn(flow, "srcName"));
  const destination = known.end(textIn(flow, "dstId"), textIn(flow, "dstName"));
  if (source === undefined || destination === undefined) return undefined;
  return {
    source,
    destination,
    sourceAddress: addressOf(textIn(flow, "srcIp")),
    destinationAddress: addressOf(textIn(flow, "dstIp")),
    destinationNames: [],
    protocol,
    port,
    request: requestOf(textIn(flow, "request")),
    claims: {},
    tenant: "",
    permissions: [],
  };
}

const NO_ADDRESS = Uint8Array.of(0, 0, 0, 0);
const addressOf = (text: string): Uint8Array => parseIpAddress(text) ?? NO_ADDRESS;

/** `GET /orders`; headers are not recorded. */
function requestOf(text: string): CallRequest | undefined {
  const [, method, path] = /^([A-Z]+) (\/.*)$/.exec(text) ?? [];
  return method === undefined || path === undefined ? undefined : { method, path, host: "", headers: {}, query: {}, params: {} };
}

const keyOf = ({ source, destination, sourceAddress, destinationAddress, protocol, port, request }: Call): string =>
  JSON.stringify([
    endKey(source, sourceAddress),
    endKey(destination, destinationAddress),
    protocol,
    port,
    request === undefined ? "" : `${request.method} ${request.path}`,
  ]);

/** Whoever is outside is told apart by the address, as policies do. */
const endKey = ({ kind, namespace, name, spiffeId }: Endpoint, address: Uint8Array): string =>
  JSON.stringify([kind, namespace, name, spiffeId, kind === "external" ? [...address] : []]);

/** Ends by the names that events give them; the same object for the same name. */
class KnownEnds {
  readonly #byId: ReadonlyMap<string, Endpoint>;
  readonly #byName: ReadonlyMap<string, Endpoint>;
  readonly #others = new Map<string, Endpoint>();

  constructor(workloads: readonly Endpoint[]) {
    this.#byId = new Map(workloads.flatMap((workload) => (workload.spiffeId === "" ? [] : [[workload.spiffeId, workload] as const])));
    this.#byName = new Map(workloads.map((workload) => [`${workload.namespace}/${workload.name}`, workload]));
  }

  /** Undefined when the event says nothing of who it was. */
  end(id: string, name: string): Endpoint | undefined {
    const found = this.#byId.get(id) ?? this.#byName.get(name);
    if (found !== undefined) return found;
    const key = JSON.stringify([id, name]);
    const other = this.#others.get(key) ?? otherEnd(id, name);
    if (other !== undefined) this.#others.set(key, other);
    return other;
  }
}

function otherEnd(id: string, title: string): Endpoint | undefined {
  if (id === "world") return EXTERNAL;
  // A process of this machine that is no workload.
  if (id === "host" || id.startsWith("unresolved:")) return endpoint("host");
  if (id === "node") return endpoint("node");
  const [namespace = "", name = ""] = title.includes("/") ? title.split("/", 2) : ["", title];
  const parsedId = parseSpiffeId(id);
  if (parsedId.ok) return endpoint("workload", { name, namespace, spiffeId: parsedId.value, trustDomain: trustDomainOf(parsedId.value) });
  return name === "" ? undefined : endpoint("workload", { name, namespace });
}
