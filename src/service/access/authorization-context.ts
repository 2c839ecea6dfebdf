/** On whose behalf work is done: made once where it enters the process, and carried along by Node from there. */
import { AsyncLocalStorage } from "node:async_hooks";
import { ServiceError } from "../service-error.ts";

export interface AuthorizationContext {
  /** Empty: none. */
  readonly tenant: string;
  /** `sub` of the verified token, else the SPIFFE ID of the caller; empty without both. */
  readonly subject: string;
  /** As `orders:read`. */
  readonly permissions: readonly string[];
  /** SPIFFE ID of the workload that called; empty without. */
  readonly caller: string;
  /** SPIFFE IDs of the workloads that the work came through before the caller, the first one first. None unless it was carried here. */
  readonly hops?: readonly string[] | undefined;
}

const CURRENT = new AsyncLocalStorage<AuthorizationContext>();
const BY_REQUEST = new WeakMap<object, AuthorizationContext>();

/**
 * Does `work`, and all that it starts, under a context: for entries that no gate guards, such as consumers of queues and scheduled jobs.
 * The context is copied, so that nobody changes it later.
 */
export function runAuthorized<T>(context: AuthorizationContext, work: () => T): T {
  return CURRENT.run(frozen(context), work);
}

/** Copies are known, so that one which was copied already stays the same object: tokens that carry it are kept by it. */
const FROZEN = new WeakSet<AuthorizationContext>();

function frozen(context: AuthorizationContext): AuthorizationContext {
  if (FROZEN.has(context)) return context;
  const { tenant, subject, permissions, caller, hops } = context;
  const copy: AuthorizationContext = Object.freeze({
    tenant,
    subject,
    permissions: Object.freeze([...permissions]),
    caller,
    ...(hops === undefined || hops.length === 0 ? {} : { hops: Object.freeze([...hops]) }),
  });
  FROZEN.add(copy);
  return copy;
}

/** Work that nobody called for, such as that of a schedule. */
export interface Job {
  /** As `nightly-invoices`: the subject is `job:nightly-invoices`. */
  readonly name: string;
  readonly tenant: string;
  /** As `orders:read`. */
  readonly permissions: readonly string[];
}

/** Does the work of a job, and all that it starts, for its tenant. Throws a ServiceError with `SERVICE_NO_TENANT` for a job without one. */
export function runJob<T>({ name, tenant, permissions }: Job, work: () => T): T {
  if (tenant === "")
    throw new ServiceError("SERVICE_NO_TENANT", `the job \`${name}\` has no tenant`, {
      hint: "run it once for each tenant that it serves",
    });
  return runAuthorized({ tenant, subject: `job:${name}`, permissions, caller: "" }, work);
}

/** The context of this work. Throws a ServiceError with `SERVICE_NO_CONTEXT` where it did not come in through a gate or `runAuthorized`. */
export function currentAuthorization(): AuthorizationContext {
  const context = CURRENT.getStore();
  if (context !== undefined) return context;
  throw new ServiceError("SERVICE_NO_CONTEXT", "nobody is known on whose behalf this is done", {
    hint: "put the gate before the handler, or begin the work with `runAuthorized`",
  });
}

/** The tenant of this work. Throws a ServiceError with `SERVICE_NO_TENANT` where there is none, and as `currentAuthorization`. */
export function currentTenant(): string {
  const { tenant } = currentAuthorization();
  if (tenant !== "") return tenant;
  throw new ServiceError("SERVICE_NO_TENANT", "this work belongs to no tenant");
}

/** Whether this work may: its context has the permission, by exactly this name. Throws as `currentAuthorization`. */
export const mayCurrently = (permission: string): boolean => currentAuthorization().permissions.includes(permission);

/** Keeps the context of a request: listeners to its body are called by the socket, which is older than the request and knows no context. */
export const keepContext = (request: object, context: AuthorizationContext): void => void BY_REQUEST.set(request, frozen(context));

/** Goes on with a request under the context that was kept for it. */
export function resumeRequest(request: object, work: () => void): void {
  const context = BY_REQUEST.get(request);
  if (context === undefined) work();
  else runAuthorized(context, work);
}

/** The context of a request that the gate let through, also inside a listener to its body; undefined for others. */
export const authorizationOf = (request: object): AuthorizationContext | undefined => BY_REQUEST.get(request);
