/** What the agent tells whoever runs it: for logs, for the event store, for people who ask what happened. */

/** The process that asked, or for which somebody did. */
export interface CallerFacts {
  readonly pid: number;
  readonly uid: number;
  readonly executablePath: string;
  /** The SPIFFE ID of the broker that asked for the process. */
  readonly broker?: string;
}

export type AgentEvent =
  /** A workload was given an identity, or a renewed one. */
  | {
      readonly kind: "issued";
      readonly what: "x509" | "jwt" | "wit";
      readonly spiffeId: string;
      readonly caller: CallerFacts;
      /** Serial number of a certificate, audiences of a token. */
      readonly detail: string;
      readonly expiresAtMs: number;
    }
  | {
      readonly kind: "refused";
      readonly method: string;
      /** The gRPC status. */
      readonly status: string;
      readonly caller: CallerFacts;
      readonly message: string;
      readonly selectors: readonly string[];
    }
  | { readonly kind: "authority lost"; readonly message: string; readonly firstExpiryMs: number | undefined }
  | { readonly kind: "authority back"; readonly awayMs: number }
  /** The authority is out of reach, and of the held identity that expires first so much is left: once for each step down. */
  | { readonly kind: "time left"; readonly leftMs: number }
  | { readonly kind: "identity expired"; readonly count: number }
  /** The clock was set, or the machine slept. */
  | { readonly kind: "clock jumped"; readonly byMs: number }
  /** The authority refuses to renew an identity, or cannot. */
  | { readonly kind: "renewal failed"; readonly spiffeId: string; readonly status: string; readonly message: string }
  | { readonly kind: "unreadable"; readonly message: string };
