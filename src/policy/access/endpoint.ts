/** The two ends of a call, and the call, as access policies see them. */
import type { Protocol } from "../../resource/port-spec.ts";

/** One end: a workload that Vigil knows, this host outside of workloads, a node of the cluster, or anything else. */
export interface Endpoint {
  readonly kind: "workload" | "host" | "node" | "external";
  /** Empty where it has none. */
  readonly name: string;
  readonly namespace: string;
  readonly labels: { readonly [key: string]: string };
  readonly namespaceLabels: { readonly [key: string]: string };
  readonly serviceAccount: string;
  /** Verified, or known from the workload's registration; empty where there is none. */
  readonly spiffeId: string;
  /** Empty where there is none. */
  readonly trustDomain: string;
  /** Ports that have names here. */
  readonly namedPorts: readonly NamedPort[];
}

export interface NamedPort {
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
}

/** What every layer can see of a call. */
export interface Connection {
  readonly source: Endpoint;
  readonly destination: Endpoint;
  /** 4 or 16 octets; IPv4-mapped addresses have been unwrapped. */
  readonly sourceAddress: Uint8Array;
  readonly destinationAddress: Uint8Array;
  /** Names that the destination's address was the answer to, lower case. */
  readonly destinationNames: readonly string[];
  readonly protocol: Protocol;
  /** The destination's port; for ICMP the type. */
  readonly port: number;
}

/** What is seen by who understands the protocol. */
export interface CallRequest {
  readonly method: string;
  /** Decoded and normalised: no query, no dot segments, no repeated slashes. */
  readonly path: string;
  readonly host: string;
  /** By name in lower case. */
  readonly headers: { readonly [name: string]: string };
  readonly query: { readonly [name: string]: string };
  /** What the route that matched took from the path, by name. */
  readonly params: { readonly [name: string]: string };
}

/** A call with all that the process knows of it. */
export interface Call extends Connection {
  /** Undefined where there is no request: a bare connection. */
  readonly request: CallRequest | undefined;
  /** Claims of the verified token; empty without one. */
  readonly claims: { readonly [name: string]: unknown };
  /** Empty: none. */
  readonly tenant: string;
  /** What the subject of the token or the caller may do: `orders:read`. */
  readonly permissions: readonly string[];
}

const NOTHING: Readonly<Record<string, never>> = {};

/** An end with what is given, and nothing else. */
export const endpoint = (kind: Endpoint["kind"], known: Partial<Omit<Endpoint, "kind">> = {}): Endpoint => ({
  kind,
  name: "",
  namespace: "",
  labels: NOTHING,
  namespaceLabels: NOTHING,
  serviceAccount: "",
  spiffeId: "",
  trustDomain: "",
  namedPorts: [],
  ...known,
});

/** Whatever is not a known workload, node or host. */
export const EXTERNAL: Endpoint = endpoint("external");
