/** A hundred access policies in the process of a service: who may call whom, with which method, below which path. */
import { preparsePolicySet, statefulIsAuthorized } from "@cedar-policy/cedar-wasm/nodejs";
import { newEnforcer, newModelFromString, StringAdapter } from "casbin";
import type { Call } from "../../src/policy/access/endpoint.ts";
import { AccessGate, type AccessPolicies, parseAccessPolicies } from "../../src/service/access/index.ts";
import { buildGoPeer, GoEngines } from "../engine/go-engines.ts";
import { type Contestant, compete, cpuNs, inProcess } from "../measure.ts";
import { packageVersion, type Section } from "../report.ts";

const POLICIES = 100;
const CALLERS = 3;
const REQUESTS = 1_000;
const ONE_MILLION = 1_000_000;
const WARM_UP_NS = 2e9;

const service = (index: number): string => `spiffe://shop.test/service-${index % POLICIES}`;
const callersOf = (index: number): readonly string[] =>
  Array.from({ length: CALLERS }, (_, caller) => service(index * 7 + caller * 13 + 1));
const METHODS = ["GET", "POST"] as const;
const methodOf = (index: number): string => METHODS[index % 2] ?? "GET";
const prefixOf = (index: number): string => `/v1/things-${index}/`;

interface Request {
  readonly source: string;
  readonly destination: string;
  readonly method: string;
  readonly path: string;
}

/** A third may pass; the others have the wrong caller, method or path. */
const requests: readonly Request[] = Array.from({ length: REQUESTS }, (_, index) => {
  const to = (index * 31) % POLICIES;
  const honest: Request = {
    source: callersOf(to)[index % CALLERS] ?? "",
    destination: service(to),
    method: methodOf(to),
    path: `${prefixOf(to)}${index}`,
  };
  const variants: readonly Request[] = [
    honest,
    honest,
    { ...honest, source: service(to + 50) },
    { ...honest, method: "DELETE" },
    { ...honest, path: `/v1/things-${to}0/${index}` },
    { ...honest, path: "/v1/admin" },
  ];
  return variants[index % variants.length] ?? honest;
});
const requestAt = (index: number): Request => {
  const request = requests[index];
  if (request === undefined) throw new RangeError(`no request ${index}`);
  return request;
};

const YAML = Array.from(
  { length: POLICIES },
  (_, index) => `apiVersion: vigil.dev/v1alpha1
kind: AccessPolicy
metadata: { name: service-${index} }
spec:
  to: [{ spiffeId: "${service(index)}" }]
  from: [${callersOf(index)
    .map((caller) => `{ spiffeId: "${caller}" }`)
    .join(", ")}]
  when: request.method == "${methodOf(index)}" && request.path.startsWith("${prefixOf(index)}")
`,
).join("---\n");

const LOOPBACK = new Uint8Array([127, 0, 0, 1]);
const NO_TEXT: { readonly [name: string]: string } = {};

function callOf({ current }: AccessPolicies, { source, destination, method, path }: Request): Call {
  return {
    source: current.endpointOf(source),
    destination: current.endpointOf(destination),
    sourceAddress: LOOPBACK,
    destinationAddress: LOOPBACK,
    destinationNames: [],
    protocol: "tcp",
    port: 8443,
    request: { method, path, host: "shop.test", headers: NO_TEXT, query: NO_TEXT, params: NO_TEXT },
    claims: {},
    tenant: "",
    permissions: [],
  };
}

type Decide = (index: number) => boolean;

/** Like a service: the request is new, the two ends are known. */
function vigil(): Decide {
  const policies = parseAccessPolicies(YAML);
  const nowMs = Date.now();
  return (index) => policies.current.access.decide(callOf(policies, requestAt(index)), nowMs).verdict === "allow";
}

const CASBIN_MODEL = `
[request_definition]
r = sub, dst, act, path
[policy_definition]
p = sub, dst, act, path
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.sub == p.sub && r.dst == p.dst && r.act == p.act && keyMatch(r.path, p.path)
`;

async function casbin(): Promise<Decide> {
  const lines = Array.from({ length: POLICIES }, (_, index) =>
    callersOf(index).map((caller) => `p, ${caller}, ${service(index)}, ${methodOf(index)}, ${prefixOf(index)}*`),
  ).flat();
  const enforcer = await newEnforcer(newModelFromString(CASBIN_MODEL), new StringAdapter(lines.join("\n")));
  return (index) => {
    const { source, destination, method, path } = requestAt(index);
    return enforcer.enforceSync(source, destination, method, path);
  };
}

function cedar(): Decide {
  const text = Array.from(
    { length: POLICIES },
    (_, index) => `permit(principal, action == Action::"${methodOf(index)}", resource == Service::"${service(index)}")
when { [${callersOf(index)
      .map((caller) => `Workload::"${caller}"`)
      .join(", ")}].contains(principal) && context.path like "${prefixOf(index)}*" };`,
  ).join("\n");
  const parsed = preparsePolicySet("access", { staticPolicies: text });
  if (parsed.type !== "success") throw new Error(`Cedar does not take the policies: ${JSON.stringify(parsed.errors)}`);
  return (index) => {
    const { source, destination, method, path } = requestAt(index);
    const answer = statefulIsAuthorized({
      principal: { type: "Workload", id: source },
      action: { type: "Action", id: method },
      resource: { type: "Service", id: destination },
      context: { path },
      preparsedPolicySetId: "access",
      entities: [],
    });
    return answer.type === "success" && answer.response.decision === "allow";
  };
}

/** By destination, which is how one writes it for OPA to be quick. */
const REGO = `package bench
default allow := false
policies := ${JSON.stringify(
  Object.fromEntries(
    Array.from({ length: POLICIES }, (_, index) => [
      service(index),
      { from: Object.fromEntries(callersOf(index).map((caller) => [caller, true])), method: methodOf(index), prefix: prefixOf(index) },
    ]),
  ),
)}
allow if {
  policy := policies[input.object.destination]
  policy.from[input.object.source]
  input.object.method == policy.method
  startswith(input.object.path, policy.prefix)
}
`;

/** The whole gate: target, headers, policies and context, of a request as it arrives. */
function gate(): Contestant {
  const policies = parseAccessPolicies(YAML);
  const gates = new Map(
    Array.from({ length: POLICIES }, (_, index) => [service(index), new AccessGate({ self: service(index), policies })] as const),
  );
  const rawHeaders = [
    "Host",
    "shop.test",
    "User-Agent",
    "bench",
    "Accept",
    "*/*",
    "Content-Type",
    "application/json",
    "X-Request-Id",
    "7f3a",
  ];
  return {
    name: "Vigil, the whole gate",
    run: async (iterations) => {
      let allowed = 0;
      const start = cpuNs();
      for (let i = 0; i < iterations; i++) {
        const { source, destination, method, path } = requestAt(i % REQUESTS);
        // A peer is made once for its connection.
        const peer = peerOf(source);
        const inbound = {
          raw: { method, target: path, rawHeaders },
          peer,
          sourceAddress: LOOPBACK,
          destinationAddress: LOOPBACK,
          port: 8443,
        };
        const judgement = await gates.get(destination)?.judge(inbound);
        if (judgement?.ok === true) allowed++;
      }
      const spent = cpuNs() - start;
      if (allowed === 0 || allowed === iterations) throw new Error("the gate must pass some requests and refuse others");
      return spent;
    },
  };
}

type Peer = NonNullable<Parameters<AccessGate["judge"]>[0]["peer"]>;
const PEERS = new Map<string, Peer>();

function peerOf(id: string): Peer {
  const known = PEERS.get(id);
  if (known !== undefined) return known;
  // The gate reads nothing of a peer but its ID: certificates are verified before, with the connection.
  const peer = {
    id,
    trustDomain: "shop.test",
    path: id.slice("spiffe://shop.test".length),
    dnsNames: [],
    validUntilMs: 0,
    certificates: [],
  } as unknown as Peer;
  PEERS.set(id, peer);
  return peer;
}

/** As long for each: the optimiser needs tens of thousands of calls of a whole gate, which the batches of a measurement do not have. */
async function warmUp(contestant: Contestant): Promise<void> {
  for (let spentNs = 0; spentNs < WARM_UP_NS; ) spentNs += await contestant.run(REQUESTS);
}

function expectSame(name: string, decide: Decide, verdicts: readonly boolean[]): Decide {
  const wrong = verdicts.findIndex((verdict, index) => decide(index) !== verdict);
  if (wrong !== -1) throw new Error(`${name} decides otherwise on ${JSON.stringify(requestAt(wrong))}`);
  return decide;
}

export async function access(): Promise<Section> {
  const decide = vigil();
  const verdicts = requests.map((_, index) => decide(index));
  const byCasbin = expectSame("Casbin", await casbin(), verdicts);
  const byCedar = expectSame("Cedar", cedar(), verdicts);
  const go = new GoEngines(buildGoPeer("engines", "."));
  try {
    await go.load(requests, [{ name: "access", cel: 'object.source != ""', rego: REGO }]);
    const allowed = verdicts.filter(Boolean).length;
    const byOpa = await go.countPassed("OPA", "access", REQUESTS);
    if (byOpa !== allowed) throw new Error(`OPA allows ${byOpa} of ${REQUESTS}, Vigil ${allowed}`);
    const contestants = [
      inProcess("Vigil", REQUESTS, decide),
      gate(),
      inProcess("Casbin (npm)", REQUESTS, byCasbin),
      inProcess("Cedar (WebAssembly)", REQUESTS, byCedar),
      go.contestant("OPA", "access"),
    ];
    for (const contestant of contestants) await warmUp(contestant);
    const measured = await compete(contestants);
    const ours = measured[0]?.median ?? Number.NaN;
    const perSecond = 1e9 / ours;
    return {
      title: "Access decisions in the process",
      notes: [
        `${POLICIES} policies, each with its service, ${CALLERS} callers by SPIFFE ID, a method and a path below a prefix; ${REQUESTS} requests in turn, ${allowed} of which are allowed. All five decide all of them alike, which is checked first.`,
        "The same rules in the form that suits each: Casbin's matcher with keyMatch, Cedar's policies parsed before, a Rego module by destination, prepared in Go by OPA's API (nothing crosses a pipe but the number of iterations). CPU time, median of 15 rounds in turn.",
        "The whole gate also reads target and headers strictly, keeps the context and reports the decision.",
      ],
      columns: ["decides", "per decision", "decisions per second of CPU", "against Vigil"],
      rows: measured.map(({ name, median }) => [
        name,
        `${(median / 1000).toFixed(2)} µs`,
        Math.round(1e9 / median).toLocaleString("en-US"),
        `${(median / ours).toFixed(1)} ×`,
      ]),
      targets: [{ what: "decisions per second of one core", goal: "≥ 1,000,000", value: perSecond, met: perSecond >= ONE_MILLION }],
      versions: { casbin: packageVersion("casbin"), "cedar-wasm": packageVersion("@cedar-policy/cedar-wasm"), ...go.versions },
    };
  } finally {
    go.close();
  }
}
