/** What the condition of an access policy may use, and which layer knows it. */
import { createEnvironment, type Environment } from "../../cel/environment.ts";
import { kubernetesLibraries } from "../../cel/library/catalogue.ts";
import { type CelType, DYN, type FieldType, INT, listType, mapType, objectType, STRING, type TypeProvider } from "../../cel/type.ts";
import type { CelValue } from "../../cel/value.ts";
import { formatIpAddress } from "../../lib/ip-network.ts";
import type { Call, CallRequest, Connection, Endpoint } from "./endpoint.ts";
import { ROLES, type RolesNow, roleLibrary, rolesValue } from "./role-library.ts";

const TEXTS = mapType(STRING, STRING);

const fields = (types: Readonly<Record<string, CelType>>): ReadonlyMap<string, FieldType> =>
  new Map(Object.entries(types).map(([name, type]) => [name, { type }]));

const DECLARED: ReadonlyMap<string, ReadonlyMap<string, FieldType>> = new Map([
  [
    "vigil.Endpoint",
    fields({
      name: STRING,
      namespace: STRING,
      labels: TEXTS,
      namespaceLabels: TEXTS,
      serviceAccount: STRING,
      spiffeId: STRING,
      trustDomain: STRING,
    }),
  ],
  ["vigil.Connection", fields({ protocol: STRING, port: INT, sourceAddress: STRING, destinationAddress: STRING })],
  ["vigil.Request", fields({ method: STRING, path: STRING, host: STRING, headers: TEXTS, query: TEXTS, params: TEXTS })],
]);

const TYPES: TypeProvider = {
  fieldsOf: (name) => DECLARED.get(name),
  findType: (name) => (DECLARED.has(name) ? objectType(name) : undefined),
};

/**
 * Variables by the lowest layer that knows them. The texts of addresses are left to the proxy: the kernel knows networks from `to` and
 * `from`, where they are prefixes that it can look up.
 */
const KNOWN_BY = {
  kernel: ["source", "destination", "connection"],
  proxy: ["connection.sourceAddress", "connection.destinationAddress", "request", "claims"],
  process: ["tenant", "permissions", "roles"],
} as const;

/** From the one that sees least to the one that sees everything. */
export const LAYERS = ["kernel", "proxy", "process"] as const;
export type Layer = (typeof LAYERS)[number];

/** The variables that a layer knows, and those that it does not. */
export function knowledgeOf(layer: Layer): { readonly known: readonly string[]; readonly unknown: readonly string[] } {
  const reached = LAYERS.indexOf(layer);
  const names = (from: number, to: number): readonly string[] => LAYERS.slice(from, to).flatMap((each) => KNOWN_BY[each]);
  return { known: names(0, reached + 1), unknown: names(reached + 1, LAYERS.length) };
}

export const ACCESS_ENVIRONMENT: Environment = createEnvironment({
  libraries: [...kubernetesLibraries, roleLibrary],
  types: TYPES,
  variables: {
    source: objectType("vigil.Endpoint"),
    destination: objectType("vigil.Endpoint"),
    connection: objectType("vigil.Connection"),
    request: objectType("vigil.Request"),
    claims: mapType(STRING, DYN),
    tenant: STRING,
    permissions: listType(STRING),
    roles: ROLES,
  },
});

export const ACCESS_TYPES: TypeProvider = ACCESS_ENVIRONMENT.declarations.types;

/** An end as a CEL value; the same object for the same end. */
export function endpointValue(endpoint: Endpoint): CelValue {
  const known = ENDPOINT_VALUES.get(endpoint);
  if (known !== undefined) return known;
  const { name, namespace, labels, namespaceLabels, serviceAccount, spiffeId, trustDomain } = endpoint;
  const value: CelValue = { name, namespace, labels, namespaceLabels, serviceAccount, spiffeId, trustDomain };
  ENDPOINT_VALUES.set(endpoint, value);
  return value;
}
const ENDPOINT_VALUES = new WeakMap<Endpoint, CelValue>();

export const connectionValue = ({ protocol, port, sourceAddress, destinationAddress }: Connection): CelValue => ({
  protocol,
  port,
  sourceAddress: formatIpAddress(sourceAddress),
  destinationAddress: formatIpAddress(destinationAddress),
});

/** Its fields are what the variable has; it is a CEL value as it is. */
const requestValue = (request: CallRequest): CelValue => request as unknown as CelValue;

/**
 * The variables of a call. `request` is not bound where there is none, so that a condition on it is an error; nor are `roles`, where it is not
 * said which there are.
 */
export function callBindings(call: Call, roles?: RolesNow): Record<string, CelValue> {
  const bindings = requestBindings(call, endpointValue(call.source), endpointValue(call.destination));
  bindings["connection"] = connectionValue(call);
  if (roles !== undefined) bindings["roles"] = rolesValue(roles);
  return bindings;
}

/** Those without `connection`, whose texts cost more than everything else, and without `roles`; both are seldom asked for. */
export function requestBindings(call: Call, source: CelValue, destination: CelValue): Record<string, CelValue> {
  const { request, tenant, permissions } = call;
  const claims = call.claims as CelValue; // parsed from the JSON of a token, which is a CEL value as it is
  return request === undefined
    ? { source, destination, claims, tenant, permissions }
    : { source, destination, request: requestValue(request), claims, tenant, permissions };
}
