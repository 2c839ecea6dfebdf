/** Calls that given rules match: witnesses, made from the rules and tried on them before they are believed. */
import { PROTOCOLS, type Protocol } from "../../resource/port-spec.ts";
import { type AccessRule, matchesPorts } from "../access/access-rule.ts";
import { conditionHolds } from "../access/condition.ts";
import type { Call, CallRequest, Endpoint } from "../access/endpoint.ts";
import { type End, matchesAny, type PeerMatch } from "../access/peer-match.ts";
import { type ConditionSpace, conditionSpace } from "./condition-space.ts";
import { type Intervals, intersectIntervals } from "./intervals.ts";
import { samplePort } from "./port-cover.ts";
import { type Place, sampleEnd } from "./sample-end.ts";
import { anyValue, intersectValues, type ValueSet } from "./value-set.ts";

export const placesOf = ({ direction }: Pick<AccessRule, "direction">): { readonly subject: Place; readonly peer: Place } =>
  direction === "ingress"
    ? { subject: { side: "destination", isSubject: true }, peer: { side: "source", isSubject: false } }
    : { subject: { side: "source", isSubject: true }, peer: { side: "destination", isSubject: false } };

/** Whether a rule applies to a call, rollouts aside: the parts of `decideAccess` that are about one rule. */
export const ruleMatches = (rule: AccessRule, call: Call): boolean => connectionMatches(rule, call) && conditionHolds(rule, call);

/** Whether a rule is about the ends and the port of a call, its condition aside. */
export function connectionMatches(rule: AccessRule, call: Call): boolean {
  const source: End = { endpoint: call.source, address: call.sourceAddress, names: [] };
  const destination: End = { endpoint: call.destination, address: call.destinationAddress, names: call.destinationNames };
  const [own, other] = rule.direction === "ingress" ? [destination, source] : [source, destination];
  return (
    own.endpoint.kind === "workload" && matchesAny(rule.subject, own) && matchesAny(rule.peer, other) && matchesPorts(rule.ports, call)
  );
}

/** How many combinations of alternatives are tried for one witness. */
const MAX_TRIALS = 64;

/** Calls that all rules match, the rules being of one direction; each has been tried on each of them. */
export function sampleCalls(rules: readonly AccessRule[], limit: number): readonly Call[] {
  const [first] = rules;
  if (first === undefined) return [];
  const places = placesOf(first);
  const found: Call[] = [];
  let trials = 0;
  for (const subjects of combinations(rules.map(({ subject }) => subject))) {
    const own = sampleEnd(subjects, places.subject);
    if (own === undefined) continue;
    for (const peers of combinations(rules.map(({ peer }) => peer))) {
      if (found.length >= limit || trials++ >= MAX_TRIALS) return found;
      const other = sampleEnd(peers, places.peer);
      const call = other && callBetween(first.direction === "ingress" ? [other, own] : [own, other], rules);
      if (call !== undefined && rules.every((rule) => ruleMatches(rule, call))) found.push(call);
    }
  }
  return found;
}

/** One alternative of each list, in turn. */
function* combinations(lists: readonly (readonly PeerMatch[])[]): Generator<readonly PeerMatch[]> {
  const [first, ...others] = lists;
  if (first === undefined) {
    yield [];
    return;
  }
  if (others.length === 0) {
    for (const match of first) yield [match];
    return;
  }
  for (const match of first) for (const rest of combinations(others)) yield [match, ...rest];
}

const BARE_REQUEST: CallRequest = { method: "GET", path: "/", host: "", headers: {}, query: {}, params: {} };

function callBetween([source, destination]: readonly [End, End], rules: readonly AccessRule[]): Call | undefined {
  const spaces = rules.flatMap(({ when }) => (when === undefined ? [] : (conditionSpace(when) ?? [])));
  const texts = textsOf(spaces);
  const ports = spaces.reduce<Intervals<number> | undefined>(
    (left, space) => (left === undefined ? space.ports : intersectIntervals(left, space.ports)),
    undefined,
  );
  const protocol = texts.get(JSON.stringify(["connection", "protocol"]));
  const only = protocol === undefined ? undefined : PROTOCOLS.find((each) => each === anyOf(protocol, PROTOCOLS));
  const port = samplePort(
    rules.map((rule) => rule.ports),
    ports,
    only,
  );
  if (port === undefined) return undefined;
  const bare: Call = {
    source: source.endpoint,
    destination: { ...destination.endpoint, namedPorts: port.namedPorts },
    sourceAddress: source.address,
    destinationAddress: destination.address,
    destinationNames: destination.names,
    protocol: port.protocol,
    port: port.port,
    request: undefined,
    claims: {},
    tenant: "",
    permissions: [],
  };
  return [...texts].reduce((call, [place, values]) => withText(call, JSON.parse(place) as readonly string[], values), bare);
}

const anyOf = (values: ValueSet, known: readonly Protocol[]): string | undefined =>
  known.find((each) => values.values.has(each) === (values.kind === "only"));

function textsOf(spaces: readonly ConditionSpace[]): ReadonlyMap<string, ValueSet> {
  const all = new Map<string, ValueSet>();
  for (const [place, values] of spaces.flatMap(({ texts }) => [...texts])) {
    const before = all.get(place);
    all.set(place, before === undefined ? values : intersectValues(before, values));
  }
  return all;
}

/** The call with a text at a place of a condition, where the place takes one; what does not fit the rules is found out by trying. */
function withText(call: Call, [variable = "", field, key]: readonly string[], values: ValueSet): Call {
  const text = anyValue(values);
  if (text === undefined) return call;
  const fits = (now: string): boolean => now !== "" && values.values.has(now) === (values.kind === "only");
  if (variable === "tenant") return { ...call, tenant: text };
  if (variable === "claims" && field !== undefined && key === undefined) return { ...call, claims: withEntry(call.claims, field, text) };
  if ((variable === "source" || variable === "destination") && field !== undefined) {
    const end = call[variable];
    return { ...call, [variable]: key === undefined ? withField(end, field, text, fits) : withLabel(end, field, key, text) };
  }
  if (variable !== "request" || field === undefined) return call;
  const request = call.request ?? BARE_REQUEST;
  if (field === "method" || field === "path" || field === "host") return { ...call, request: { ...request, [field]: text } };
  if ((field === "headers" || field === "query" || field === "params") && key !== undefined)
    return { ...call, request: { ...request, [field]: withEntry(request[field], key, text) } };
  return call;
}

function withField(end: Endpoint, field: string, text: string, fits: (now: string) => boolean): Endpoint {
  if (field !== "name" && field !== "namespace" && field !== "serviceAccount" && field !== "spiffeId" && field !== "trustDomain")
    return end;
  return fits(end[field]) ? end : { ...end, [field]: text };
}

const withLabel = (end: Endpoint, field: string, key: string, text: string): Endpoint =>
  field === "labels" || field === "namespaceLabels" ? { ...end, [field]: withEntry(end[field], key, text) } : end;

/** Also for a key such as `__proto__`, which is then a key like any other. */
const withEntry = <V>(entries: { readonly [key: string]: V }, key: string, value: V): { readonly [key: string]: V } =>
  Object.fromEntries([...Object.entries(entries).filter(([name]) => name !== key), [key, value]]);
