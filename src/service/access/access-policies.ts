/** The access policies of a process, compiled; replaced as a whole by one assignment. */
import type { CelValue } from "../../cel/value.ts";
import { type Diagnostic, renderDiagnostic, sortDiagnostics } from "../../lib/diagnostic.ts";
import { compileAccessSet } from "../../policy/access/access-set.ts";
import { CompiledAccess } from "../../policy/access/compiled-access.ts";
import { type Endpoint, endpoint } from "../../policy/access/endpoint.ts";
import { roleResourceOf, roleSubjectOf } from "../../policy/access/role-library.ts";
import type { RoleTable } from "../../policy/access/role-table.ts";
import { type AccessResource, parseAccessResource } from "../../resource/access-resource.ts";
import { watchManifests } from "../../resource/directory-source.ts";
import { type Document, readDocuments } from "../../resource/document.ts";
import { parseIdentityResource } from "../../resource/identity-resource.ts";
import type { Workload } from "../../resource/workload.ts";
import { parseSpiffeId, trustDomainOf } from "../../spiffe/spiffe-id.ts";
import { ServiceError } from "../service-error.ts";

/** What is in force at one moment. Immutable but for the ends that it remembers. */
export class AccessSnapshot {
  readonly access: CompiledAccess;
  readonly roles: RoleTable;
  /** Workloads by SPIFFE ID: those of `Workload` resources, and others as they call. */
  readonly #known: ReadonlyMap<string, Endpoint>;
  #strangers = new Map<string, Endpoint>();

  constructor(access: CompiledAccess, roles: RoleTable, known: ReadonlyMap<string, Endpoint>) {
    this.access = access;
    this.roles = roles;
    this.#known = known;
  }

  /** The end with a verified SPIFFE ID; the same object for the same ID. Name and labels are those of its `Workload`, if there is one. */
  endpointOf(spiffeId: string): Endpoint {
    const known = this.#known.get(spiffeId) ?? this.#strangers.get(spiffeId);
    if (known !== undefined) return known;
    if (this.#strangers.size >= MAX_STRANGERS) this.#strangers = new Map();
    const stranger = endpoint("workload", idOf(spiffeId));
    this.#strangers.set(spiffeId, stranger);
    return stranger;
  }
}

const MAX_STRANGERS = 10_000;

function idOf(spiffeId: string): { readonly spiffeId: string; readonly trustDomain: string } {
  const id = parseSpiffeId(spiffeId);
  if (!id.ok) throw id.error;
  return { spiffeId, trustDomain: trustDomainOf(id.value) };
}

type Attributes = { readonly [name: string]: unknown };

export interface AccessPoliciesOptions {
  /** A change that cannot be used: what was in force stays. Must not throw. */
  readonly onProblem?: (error: ServiceError) => void;
  /** The policies were replaced. Must not throw. */
  readonly onChange?: () => void;
}

/** Policies that can be replaced while they are in use: a call is judged by one set or by the other, never by half of one. */
export class AccessPolicies {
  #current: AccessSnapshot;
  readonly #options: AccessPoliciesOptions;

  /** Throws a ServiceError with `SERVICE_POLICIES` when one of the documents is wrong; its hint lists what. */
  constructor(documents: readonly Document[], options: AccessPoliciesOptions = {}) {
    this.#current = compileSnapshot(documents, []);
    this.#options = options;
  }

  get current(): AccessSnapshot {
    return this.#current;
  }

  /**
   * Whether a role grants a permission now, as `roles.can` in conditions: for handlers, which know a resource once they have read it. The subject is
   * the name of a user, or verified claims; without a resource only what is granted everywhere counts.
   */
  can(subject: string | Attributes, permission: string, resource?: Attributes): boolean {
    const who = roleSubjectOf(subject as CelValue); // JSON is a CEL value as it is
    const what = resource === undefined ? undefined : roleResourceOf(resource as CelValue);
    return who !== undefined && this.#current.roles.can(who, permission, what, Date.now());
  }

  /** Puts other policies into force. When one is wrong it throws as the constructor does, and what is in force stays. */
  replace(documents: readonly Document[], diagnostics: readonly Diagnostic[] = []): void {
    this.#current = compileSnapshot(documents, diagnostics);
    this.#options.onChange?.();
  }

  /** As `replace`, with YAML or JSON. */
  replaceText(text: string, file: string = "<policies>"): void {
    const read = readDocuments(text, file);
    this.replace(read.documents, read.diagnostics);
  }
}

/** The policies of a text, YAML or JSON: `AccessPolicy`, network policies, and the `Workload`s that they name. */
export function parseAccessPolicies(text: string, options: AccessPoliciesOptions = {}): AccessPolicies {
  const policies = new AccessPolicies([], options);
  policies.replaceText(text);
  return policies;
}

export interface OpenPoliciesOptions extends AccessPoliciesOptions {
  /** Ends the watching; what is in force stays. */
  readonly signal: AbortSignal;
}

/**
 * The policies in these files and directories, put into force again whenever they change. Rejects with `SERVICE_POLICIES` when they are
 * wrong at first; later such a change goes to `onProblem`, and what was in force stays.
 */
export async function openAccessPolicies(paths: readonly string[], { signal, ...options }: OpenPoliciesOptions): Promise<AccessPolicies> {
  const trees = watchManifests(paths, { signal });
  const first = await trees.next();
  if (first.done === true) throw new ServiceError("SERVICE_CLOSED", "the watching of policies was ended before it began");
  const policies = new AccessPolicies([], options);
  try {
    policies.replace(first.value.documents, first.value.diagnostics);
  } catch (thrown) {
    await trees.return();
    throw thrown;
  }
  const follow = async (): Promise<void> => {
    for await (const { documents, diagnostics } of trees) {
      try {
        policies.replace(documents, diagnostics);
      } catch (thrown) {
        options.onProblem?.(problemOf(thrown));
      }
    }
  };
  // What remains in force is the last good set, whatever ends the watching.
  follow().catch((thrown: unknown) => options.onProblem?.(problemOf(thrown)));
  return policies;
}

const problemOf = (thrown: unknown): ServiceError =>
  thrown instanceof ServiceError ? thrown : new ServiceError("SERVICE_POLICIES", "the policies cannot be followed", { cause: thrown });

function compileSnapshot(documents: readonly Document[], read: readonly Diagnostic[]): AccessSnapshot {
  const problems: Diagnostic[] = [...read];
  const resources: AccessResource[] = [];
  const workloads: Workload[] = [];
  for (const document of documents) {
    const access = parseAccessResource(document);
    if (access.kind === "access") resources.push(access.resource);
    if (access.kind === "refused") problems.push(...access.diagnostics);
    if (access.kind !== "other") continue;
    const identity = parseIdentityResource(document);
    if (identity.kind === "refused") problems.push(...identity.diagnostics);
    if (identity.kind === "identity" && identity.resource.kind === "Workload") workloads.push(identity.resource);
  }
  const { set, diagnostics } = compileAccessSet(resources);
  const errors = sortDiagnostics([...problems, ...diagnostics].filter(({ severity }) => severity === "error"));
  const [first] = errors;
  if (first !== undefined)
    throw new ServiceError("SERVICE_POLICIES", `the policies have a mistake: ${first.message}`, {
      hint: errors.map(renderDiagnostic).join("\n"),
    });
  return new AccessSnapshot(new CompiledAccess(set), set.roles, endpointsOf(workloads));
}

/** Two workloads of one ID cannot be told apart by it: such an ID has no name and no labels. */
function endpointsOf(workloads: readonly Workload[]): ReadonlyMap<string, Endpoint> {
  const known = new Map<string, Endpoint>();
  for (const { id, metadata } of workloads) {
    if (id === undefined) continue;
    const { name, namespace, labels } = metadata;
    const other = known.get(id);
    const isSame = other === undefined || (other.name === name && other.namespace === namespace);
    known.set(id, endpoint("workload", isSame ? { ...idOf(id), name, namespace, labels } : idOf(id)));
  }
  return known;
}
