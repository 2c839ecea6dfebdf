/** Exceptions that exempt nothing: they have ended, or their conditions and what their policies are about exclude each other. */
import type { KnownKind } from "../../resource/kubernetes-kinds.ts";
import type { PolicyException } from "../../resource/policy-exception.ts";
import type { CompiledException, CompiledPolicy } from "../compiled-policy.ts";
import { commonTexts } from "../conflict/condition-space.ts";
import { intersectValues, isNoValue, onlyValues, type ValueSet } from "../conflict/value-set.ts";
import type { Snapshot } from "../snapshot.ts";
import { type AdmissionFinding, originOfResource } from "./admission-finding.ts";

export interface ExceptionOptions {
  readonly kinds: readonly KnownKind[];
  /** Milliseconds since the epoch: exceptions expire. */
  readonly nowMs: number;
}

/** Exact for conditions that compare texts with texts; what else they ask is not looked at, so that nothing is told wrongly. */
export function findUnreachableExceptions(
  exceptions: readonly PolicyException[],
  { policies }: Snapshot,
  options: ExceptionOptions,
): readonly AdmissionFinding[] {
  return exceptions.flatMap((exception) => {
    const why = whyNever(exception, policies, options);
    if (why === undefined) return [];
    const message = `exempts nothing: ${why}`;
    return [
      {
        kind: "unreachable-exception",
        severity: "warning",
        rule: originOfResource(exception),
        against: undefined,
        message,
        example: undefined,
      },
    ];
  });
}

function whyNever(exception: PolicyException, policies: readonly CompiledPolicy[], { kinds, nowMs }: ExceptionOptions): string | undefined {
  if (exception.expiresAtMs !== undefined && exception.expiresAtMs <= nowMs) return "it has expired";
  const { metadata, policyRefs } = exception;
  const meant = policies.flatMap((policy) => {
    const own = policy.exceptions.find(({ name, namespace }) => name === metadata.name && namespace === metadata.namespace);
    return own === undefined ? [] : [{ policy, own }];
  });
  if (meant.length === 0) {
    const known = policies.some((policy) => policyRefs.some(({ kind, name }) => kind === policy.kind && name === policy.name));
    // A policy that does not compile has no exceptions; that is told elsewhere.
    return known ? undefined : "no policy that it names is here";
  }
  const alone = meant.every(({ own }) => isNever(textsOf(own)));
  if (alone) return "its conditions are never true together";
  return meant.every(({ policy, own }) => isNever(together(textsOf(own), textsOfPolicy(policy, kinds))))
    ? `its conditions exclude what ${meant.map(({ policy }) => `\`${policy.name}\``)[0] ?? ""} is about`
    : undefined;
}

type Texts = ReadonlyMap<string, ValueSet>;

const textsOf = ({ conditions }: Pick<CompiledException, "conditions">): Texts =>
  commonTexts(conditions.map(({ program }) => program.checked.root));

const isNever = (texts: Texts): boolean => [...texts.values()].some(isNoValue);

function together(a: Texts, b: Texts): Texts {
  const all = new Map(a);
  for (const [place, values] of b) {
    const before = all.get(place);
    all.set(place, before === undefined ? values : intersectValues(before, values));
  }
  return all;
}

/** What is certain of the requests that a policy judges. */
function textsOfPolicy(policy: CompiledPolicy, kinds: readonly KnownKind[]): Texts {
  const { constraints, namespace } = policy;
  const facts = new Map<string, ValueSet>();
  const rules = constraints?.resourceRules ?? [];
  const isKnown = rules.length > 0 && rules.every(({ resources }) => resources.every((each) => !each.includes("*") && !each.includes("/")));
  if (isKnown) {
    const plurals = new Set(rules.flatMap(({ resources }) => resources));
    const known = kinds.filter(({ type }) => plurals.has(type.plural));
    const isComplete = [...plurals].every((plural) => known.some(({ type }) => type.plural === plural));
    if (isComplete) facts.set(place("object", "kind"), onlyValues(known.map(({ kind }) => kind)));
  }
  if (rules.length > 0 && !rules.some(({ operations }) => operations.includes("*")))
    facts.set(place("request", "operation"), onlyValues(rules.flatMap(({ operations }) => operations)));
  if (namespace !== "") {
    facts.set(place("request", "namespace"), onlyValues([namespace]));
    facts.set(place("object", "metadata", "namespace"), onlyValues([namespace]));
  }
  return together(facts, textsOf(policy));
}

const place = (...steps: readonly string[]): string => JSON.stringify(steps);
