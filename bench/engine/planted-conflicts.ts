/** Policies with planted defects: each is about services of its own, and of every twenty some are useless in a way that is known. */
import { parseIpAddress } from "../../src/lib/ip-address.ts";
import { type Call, type Endpoint, endpoint } from "../../src/policy/access/endpoint.ts";
import { type AccessResource, parseAccessResource } from "../../src/resource/access-resource.ts";
import { readDocuments } from "../../src/resource/document.ts";

export interface PlantedConflicts {
  /** One document for each policy. */
  readonly texts: readonly string[];
  /** `kind policy`: what is to be found from the policies and the inventory. */
  readonly planted: ReadonlySet<string>;
  /** As many as policies. */
  readonly inventory: readonly Endpoint[];
  /** The same as manifests. */
  readonly manifests: string;
  readonly calls: readonly Call[];
  /** What is to be found from the calls besides. */
  readonly plantedByCalls: ReadonlySet<string>;
}

/** Of how many policies some are defects. */
const GROUP = 20;

interface Slot {
  readonly text: string;
  readonly defect?: string;
  /** Who calls whom so that the policy is used. */
  readonly call?: readonly [from: string, to: string, method?: string];
  readonly byCalls?: string;
}

/** The policies are the same for the same count. */
export function plantConflicts(count: number): PlantedConflicts {
  const slots = Array.from({ length: count }, (_, i) => slotOf(i, count));
  const inventory = Array.from({ length: count }, (_, i) => serviceOf(i));
  const byName = new Map(inventory.map((each) => [each.name, each]));
  const planted = slots.flatMap(({ defect }) => defect ?? []);
  // Nobody may call the first service of a group but one, and somebody else did.
  const gaps = Array.from({ length: Math.floor(count / GROUP) }, (_, group) => group * GROUP);
  const calls = [
    ...slots.flatMap(({ call }) => (call === undefined ? [] : callBetween(byName, call))),
    ...gaps.flatMap((i) => callBetween(byName, [nameAt(i + 3, count), nameAt(i, count)])),
  ];
  return {
    texts: slots.map(({ text }) => text),
    planted: new Set(planted),
    inventory,
    manifests: inventory.map(manifestOf).join("---\n"),
    calls,
    plantedByCalls: new Set([...slots.flatMap(({ byCalls }) => byCalls ?? []), ...gaps.map((i) => `gap AccessPolicy shop/p${i}`)]),
  };
}

const nameAt = (i: number, count: number): string => `s${i % count}`;
const serviceOf = (i: number): Endpoint =>
  endpoint("workload", {
    name: `s${i}`,
    namespace: "shop",
    labels: { app: `s${i}`, tier: i % 2 === 0 ? "even" : "odd" },
    namespaceLabels: { team: "shop" },
  });
const manifestOf = ({ name, namespace, labels }: Endpoint): string =>
  `apiVersion: v1\nkind: Pod\nmetadata: ${JSON.stringify({ name, namespace, labels })}\n`;

function slotOf(i: number, count: number): Slot {
  const slot = i % GROUP;
  const first = i - slot;
  const name = `p${i}`;
  const at = (offset: number): string => nameAt(first + offset, count);
  const caller = at(7);
  switch (slot) {
    case 0:
      return { text: access(name, at(0), caller, {}), call: [caller, at(0)] };
    case 1:
      return { text: access(name, at(0), caller, { ports: [443] }), defect: `redundant AccessPolicy shop/${name}` };
    case 2:
      return {
        text: access(name, at(2), caller, { ports: [443] }),
        defect: `contradiction AccessPolicy shop/${name}`,
        call: [caller, at(2)],
      };
    case 3:
      return { text: cluster(name, 20, "Accept", at(3), "{matchLabels: {team: shop}}"), defect: `shadowed ClusterNetworkPolicy ${name}` };
    case 4:
      return {
        text: access(name, at(4), caller, { also: `{key: app, operator: NotIn, values: [${at(4)}]}` }),
        defect: `dead AccessPolicy shop/${name}`,
      };
    case 5:
      return { text: access(name, at(2), caller, { action: "Deny" }) };
    case 6:
      return { text: cluster(name, 10, "Deny", at(3), "{}") };
    case 7:
      return { text: access(name, at(7), at(8), { when: 'request.method == "GET"' }), defect: `redundant AccessPolicy shop/${name}` };
    case 8:
      return { text: access(name, at(7), at(8), { when: 'request.method in ["GET", "HEAD"]' }), call: [at(8), at(7), "GET"] };
    case 9:
      return {
        text: network(name, `{app: ${at(9)}, tier: ${first % 2 === 0 ? "odd" : "even"}}`, at(10)),
        defect: `redundant NetworkPolicy shop/${name}`,
      };
    case 10:
      return { text: network(name, `{app: ${at(9)}}`, at(10)), call: [at(10), at(9)] };
    case 11:
      return { text: access(name, `gone${i}`, caller, {}), defect: `dead AccessPolicy shop/${name}` };
    case 12:
      return { text: access(name, at(12), at(13), {}), byCalls: `unused AccessPolicy shop/${name}` };
    default:
      return { text: access(name, at(slot), nameAt(i + 7, count), { ports: [443, 8443] }), call: [nameAt(i + 7, count), at(slot)] };
  }
}

interface AccessDetails {
  readonly ports?: readonly number[];
  readonly action?: string;
  readonly also?: string;
  readonly when?: string;
}

const access = (name: string, to: string, from: string, { ports = [], action = "Allow", also = "", when }: AccessDetails): string => `
apiVersion: vigil.dev/v1alpha1
kind: AccessPolicy
metadata: {name: ${name}, namespace: shop}
spec:
  to: [{selector: {matchLabels: {app: ${to}}, matchExpressions: [${also}]}}]
  from: [{labels: {app: ${from}}}]
  ports: [${ports.join(", ")}]
  action: ${action}
${when === undefined ? "" : `  when: '${when}'\n`}`;

const cluster = (name: string, priority: number, action: string, app: string, namespaces: string): string => `
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: ${name}}
spec:
  tier: Admin
  priority: ${priority}
  subject: {pods: {podSelector: {matchLabels: {app: ${app}}}}}
  ingress: [{action: ${action}, from: [{namespaces: ${namespaces}}]}]
`;

const network = (name: string, labels: string, from: string): string => `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: ${name}, namespace: shop}
spec:
  podSelector: {matchLabels: ${labels}}
  policyTypes: [Ingress]
  ingress: [{from: [{podSelector: {matchLabels: {app: ${from}}}}], ports: [{port: 443}]}]
`;

const ADDRESS = parseIpAddress("10.0.0.1") ?? new Uint8Array(4);

function callBetween(
  byName: ReadonlyMap<string, Endpoint>,
  [from, to, method]: readonly [from: string, to: string, method?: string],
): readonly Call[] {
  const [source, destination] = [byName.get(from), byName.get(to)];
  if (source === undefined || destination === undefined) return [];
  const request = method === undefined ? undefined : { method, path: "/", host: "", headers: {}, query: {}, params: {} };
  const ends = { source, destination, sourceAddress: ADDRESS, destinationAddress: ADDRESS, destinationNames: [] };
  return [{ ...ends, protocol: "tcp", port: 443, request, claims: {}, tenant: "", permissions: [] }];
}

export const readPolicies = (texts: readonly string[]): readonly AccessResource[] =>
  texts.flatMap((text, index) =>
    readDocuments(text, `p${index}.yaml`).documents.map((document) => {
      const parsed = parseAccessResource(document);
      if (parsed.kind !== "access") throw new Error(`not a policy: ${JSON.stringify(parsed)}`);
      return parsed.resource;
    }),
  );
