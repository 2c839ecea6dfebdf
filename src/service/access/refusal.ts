/** Why a call is not let through: for the log of the service, never for the caller. */
import { err } from "../../lib/result.ts";

/** What was wrong. `peer`: its certificate, before it could ask for anything. `policy`: the policies do not allow it. `failure`: it could not be judged. */
export type RefusalKind =
  | "peer"
  | "target"
  | "method"
  | "host"
  | "header"
  | "route"
  | "token"
  | "context"
  | "tenant"
  | "policy"
  | "failure";

export interface Refusal {
  readonly kind: RefusalKind;
  /** Of the answer: 400 what is ambiguous or malformed, 401 who brings no proof that counts, 403 the rest. */
  readonly status: 400 | 401 | 403;
  /** Lower case, without a secret. */
  readonly detail: string;
}

const STATUS: { readonly [K in RefusalKind]: Refusal["status"] } = {
  peer: 403,
  target: 400,
  method: 400,
  host: 400,
  header: 400,
  route: 403,
  token: 401,
  context: 403,
  tenant: 403,
  policy: 403,
  failure: 403,
};

export const refusal = (kind: RefusalKind, detail: string): Refusal => ({ kind, status: STATUS[kind], detail });

export const refuseCall = (kind: RefusalKind, detail: string): { readonly ok: false; readonly error: Refusal } =>
  err(refusal(kind, detail));
