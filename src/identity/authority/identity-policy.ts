/**
 * The rules of a trust domain, in CEL: which workloads may be registered, and which SVIDs may be issued. The same engine as everywhere;
 * a rule that cannot be evaluated refuses.
 */
import { createEnvironment, type Environment } from "../../cel/environment.ts";
import { createFrame } from "../../cel/frame.ts";
import { kubernetesLibraries } from "../../cel/library/catalogue.ts";
import type { Program } from "../../cel/program.ts";
import { BOOL, objectType } from "../../cel/type.ts";
import { CelError, type CelValue } from "../../cel/value.ts";
import type { Diagnostic } from "../../lib/diagnostic.ts";
import type { Schema } from "../../resource/schema.ts";
import { schemaTypes } from "../../resource/schema-type-provider.ts";
import type { IdentityRule } from "../../resource/trust-domain.ts";
import { pathOf, trustDomainOf } from "../../spiffe/spiffe-id.ts";
import type { Entry } from "./entry.ts";

/** What rules see of a workload. */
export type WorkloadFacts = Omit<Entry, "id" | "renewIssuedBeforeMs">;

/** What rules see of who registers. */
export interface Registrar {
  /** `file`: a resource of the registrations. `user`: a call over the authority's socket. */
  readonly kind: "file" | "user";
  /** The file, or the name of the user. */
  readonly name: string;
}

/** What rules see of who asks for an SVID, and for which. */
export interface IssuanceFacts {
  readonly workload: WorkloadFacts;
  /** `ca`: the certificate of an authority below. */
  readonly kind: "x509" | "jwt" | "wit" | "ca";
  readonly ttlMs: number;
  /** Of a JWT-SVID; empty otherwise. */
  readonly audience: readonly string[];
  /** The SPIFFE ID of the agent that asks, or empty for a call of an administrator. */
  readonly agentId: string;
}

/** A rule that does not hold, or that could not be evaluated. */
export interface RuleRefusal {
  readonly rule: string;
  readonly message: string;
  /** `file:line:column` of the rule. */
  readonly source: string;
  readonly isError: boolean;
}

interface CompiledRule {
  readonly rule: IdentityRule;
  readonly program: Program;
}

const TEXT: Schema = { type: "string" };
const TEXTS: Schema = { type: "array", items: TEXT };
const INTEGER: Schema = { type: "integer" };
const FLAG: Schema = { type: "boolean" };
const object = (fields: { readonly [name: string]: Schema }): Schema => ({ type: "object", properties: new Map(Object.entries(fields)) });

const SCHEMAS: ReadonlyMap<string, Schema> = new Map([
  [
    "Workload",
    object({
      name: TEXT,
      id: TEXT,
      path: TEXT,
      trustDomain: TEXT,
      selectors: TEXTS,
      class: TEXT,
      x509TtlSeconds: INTEGER,
      jwtTtlSeconds: INTEGER,
      dnsNames: TEXTS,
      ipAddresses: TEXTS,
      federatesWith: TEXTS,
      hint: TEXT,
      admin: FLAG,
      downstream: FLAG,
      brokerFor: TEXTS,
      labels: { type: "object", additionalProperties: TEXT },
      agents: TEXTS,
    }),
  ],
  ["Registrar", object({ kind: TEXT, name: TEXT })],
  ["Request", object({ kind: TEXT, ttlSeconds: INTEGER, audience: TEXTS })],
  ["Agent", object({ id: TEXT })],
]);

const WORKLOAD = objectType("Workload");

function environmentOf(variables: { readonly [name: string]: ReturnType<typeof objectType> }): Environment {
  return createEnvironment({ libraries: kubernetesLibraries, types: schemaTypes((name) => SCHEMAS.get(name)), variables });
}

const REGISTRATION = environmentOf({ workload: WORKLOAD, registrar: objectType("Registrar") });
const ISSUANCE = environmentOf({ workload: WORKLOAD, request: objectType("Request"), agent: objectType("Agent") });

/** Compiled rules. INVARIANT: those that were written, all of them; a rule that does not compile is a diagnostic of `compileIdentityPolicy`. */
export interface IdentityPolicy {
  /** The first rule that does not let the workload be registered; undefined when all hold. */
  refuseRegistration(workload: WorkloadFacts, registrar: Registrar): RuleRefusal | undefined;
  /** The first rule that does not let the SVID be issued; undefined when all hold. */
  refuseIssuance(facts: IssuanceFacts): RuleRefusal | undefined;
  readonly hasIssuanceRules: boolean;
}

export interface CompiledIdentityPolicy {
  readonly policy: IdentityPolicy;
  /** Not empty: the policy is incomplete, and must not be used. */
  readonly diagnostics: readonly Diagnostic[];
}

export function compileIdentityPolicy(rules: {
  readonly registration: readonly IdentityRule[];
  readonly issuance: readonly IdentityRule[];
}): CompiledIdentityPolicy {
  const diagnostics: Diagnostic[] = [];
  const compile = (environment: Environment, written: readonly IdentityRule[]): readonly CompiledRule[] =>
    written.flatMap((rule): readonly CompiledRule[] => {
      const compiled = environment.compile(rule.expression.source, { resultType: BOOL });
      if (compiled.ok) return [{ rule, program: compiled.value }];
      diagnostics.push(...compiled.error);
      return [];
    });
  const registration = compile(REGISTRATION, rules.registration);
  const issuance = compile(ISSUANCE, rules.issuance);
  return {
    diagnostics,
    policy: {
      hasIssuanceRules: issuance.length > 0,
      refuseRegistration: (workload, registrar) =>
        registration.length === 0 ? undefined : firstRefusal(registration, { workload: factsOf(workload), registrar: { ...registrar } }),
      refuseIssuance: ({ workload, kind, ttlMs, audience, agentId }) =>
        issuance.length === 0
          ? undefined
          : firstRefusal(issuance, {
              workload: factsOf(workload),
              request: { kind, ttlSeconds: Math.ceil(ttlMs / 1000), audience },
              agent: { id: agentId },
            }),
    },
  };
}

/** No rules: everything that is written may be registered and issued. */
export const NO_RULES: IdentityPolicy = compileIdentityPolicy({ registration: [], issuance: [] }).policy;

/** Made once for each entry: entries are replaced, never changed. */
const FACTS = new WeakMap<WorkloadFacts, CelValue>();

function factsOf(workload: WorkloadFacts): CelValue {
  const known = FACTS.get(workload);
  if (known !== undefined) return known;
  const { name, spiffeId, selectors, dnsNames, ipAddresses, federatesWith, hint, admin, downstream, brokerFor, labels, agents } = workload;
  const facts: CelValue = {
    name,
    id: spiffeId,
    path: pathOf(spiffeId),
    trustDomain: trustDomainOf(spiffeId),
    class: workload.class,
    x509TtlSeconds: Math.ceil(workload.x509TtlMs / 1000),
    jwtTtlSeconds: Math.ceil(workload.jwtTtlMs / 1000),
    ...{ selectors, dnsNames, ipAddresses, federatesWith, hint, admin, downstream, brokerFor, labels, agents },
  };
  FACTS.set(workload, facts);
  return facts;
}

function firstRefusal(rules: readonly CompiledRule[], bindings: Readonly<Record<string, CelValue>>): RuleRefusal | undefined {
  const frame = createFrame(bindings);
  for (const { rule, program } of rules) {
    const value = program.run(frame);
    if (value === true) continue;
    const { text, source } = rule.expression;
    const { line, column } = source.locate(0);
    const place = { rule: rule.name, source: `${source.file}:${line}:${column}`, isError: value !== false };
    if (value === false) return { ...place, message: rule.message ?? `\`${text.trim()}\` does not hold` };
    return {
      ...place,
      message: value instanceof CelError ? `the rule cannot be evaluated: ${value.message}` : "the rule is neither true nor false",
    };
  }
  return undefined;
}
