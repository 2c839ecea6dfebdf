/**
 * The standard conformance tests of ClusterNetworkPolicy (kubernetes-sigs/network-policy-api), as data: the objects are the project's own,
 * what its Go code changes and asserts between them is transcribed in `expectations.json`. Whoever can tell whether a pod reaches another
 * can run them: the simulator, and the kernel.
 */
import { readFileSync } from "node:fs";
import { formatIpAddress } from "../../src/lib/ip-network.ts";
import type { JsonObject, JsonValue } from "../../src/lib/json.ts";
import { type Endpoint, endpoint, type NamedPort } from "../../src/policy/access/endpoint.ts";
import type { JsonPatchOperation } from "../../src/policy/decision.ts";
import { applyPatch } from "../../src/policy/json-patch.ts";
import type { AccessResource } from "../../src/resource/access-resource.ts";
import { readDocuments } from "../../src/resource/document.ts";
import type { Protocol } from "../../src/resource/port-spec.ts";
import { accessResources } from "../access-fixture.ts";

/** One run of a subtest: its probes in order. */
export interface ConformanceCase {
  readonly suite: string;
  readonly name: string;
  readonly probes: readonly Probe[];
}

export interface Probe {
  /** `gryffindor/harry-potter-0` */
  readonly from: Pod;
  readonly to: Pod;
  readonly protocol: Protocol;
  readonly port: number;
  readonly expected: "allow" | "deny";
  /** What is in force when it is made; the same array as long as nothing changes. */
  readonly resources: readonly AccessResource[];
  /** Everybody who is there then; the same array as long as nothing changes. */
  readonly pods: readonly Pod[];
}

export interface Pod {
  readonly endpoint: Endpoint;
  readonly address: Uint8Array;
}

interface WrittenSuite {
  readonly suite: string;
  /** The file with the objects that it begins with. */
  readonly objects: string;
  /** What a case changes stays changed in those after it. */
  readonly cases: readonly { readonly name: string; readonly steps: readonly Step[] }[];
}

interface Named {
  readonly kind: string;
  readonly name: string;
}

type Step =
  | { readonly change: Named; readonly patch: readonly JsonPatchOperation[] }
  | { readonly delete: Named }
  | { readonly from: string; readonly to: string; readonly protocol: Protocol; readonly port: number; readonly expected: "allow" | "deny" };

const PREFIX = "network-policy-conformance-";
const FOLDER = new URL("../data/network-policy-conformance/", import.meta.url);
const read = (file: string): string => readFileSync(new URL(file, FOLDER), "utf8");

/** All cases, with pods that have addresses of this family. */
export function conformanceCases(family: 4 | 6 = 4): readonly ConformanceCase[] {
  const suites = JSON.parse(read("expectations.json")) as readonly WrittenSuite[]; // the file is a fixture of its own shape
  return suites.flatMap((suite) => casesOf(suite, family));
}

function casesOf({ suite, objects, cases }: WrittenSuite, family: 4 | 6): readonly ConformanceCase[] {
  const cluster = new Cluster(read(objects), family);
  return cases.map(({ name, steps }) => ({ suite, name, probes: steps.flatMap((step) => cluster.take(step)) }));
}

/** The state that the steps of a suite work on. */
class Cluster {
  readonly #namespaces = new Map<string, JsonObject>();
  readonly #statefulSets: readonly StatefulSet[];
  readonly #policies: Map<string, JsonObject>;
  readonly #family: 4 | 6;
  #state: Pick<Probe, "resources" | "pods"> = { resources: [], pods: [] };
  #pods: ReadonlyMap<string, Pod> = new Map();

  constructor(policies: string, family: 4 | 6) {
    this.#family = family;
    const manifests = readDocuments(
      read("manifests.yaml").replaceAll(/\{\{ index \.HostNetworkPorts (\d) \}\}/g, (_match, index: string) =>
        String(34_000 + Number(index)),
      ),
      "manifests.yaml",
    ).documents.map(({ value }) => value as unknown as StatefulSet); // the base manifests, which are a fixture
    this.#statefulSets = manifests.filter(({ kind }) => kind === "StatefulSet");
    for (const namespace of manifests.filter(({ kind }) => kind === "Namespace"))
      this.#namespaces.set(`Namespace ${namespace.metadata.name.slice(PREFIX.length)}`, namespace as unknown as JsonObject);
    this.#policies = new Map(
      readDocuments(policies, "policies.yaml").documents.map(({ value }) => [keyOf(value as unknown as StatefulSet), value]),
    );
    this.#refresh();
  }

  take(step: Step): readonly Probe[] {
    if ("from" in step) {
      const { from, to, protocol, port, expected } = step;
      return [{ from: this.#pod(from), to: this.#pod(to), protocol, port, expected, ...this.#state }];
    }
    if ("delete" in step) {
      if (!this.#policies.delete(`${step.delete.kind} ${step.delete.name}`)) throw new Error(`nothing to delete: ${step.delete.name}`);
    } else this.#change(step.change, step.patch);
    this.#refresh();
    return [];
  }

  #change({ kind, name }: Named, patch: readonly JsonPatchOperation[]): void {
    const store = kind === "Namespace" ? this.#namespaces : this.#policies;
    const object = store.get(`${kind} ${name}`);
    if (object === undefined) throw new Error(`nothing to change: ${kind} ${name}`);
    const patched = applyPatch(object, patch);
    if (!patched.ok) throw new Error(patched.error.message);
    store.set(`${kind} ${name}`, this.#withAddresses(patched.value) as JsonObject); // patching keeps an object an object
  }

  /** `{ravenclaw/luna-lovegood-0}` stands for the network that is the address of this pod alone. */
  #withAddresses(value: JsonValue): JsonValue {
    const text = JSON.stringify(value).replaceAll(/\{([a-z-]+\/[a-z0-9-]+)\}/g, (_match, pod: string) => {
      const { address } = this.#pod(pod);
      return `${formatIpAddress(address)}/${address.length * 8}`;
    });
    return JSON.parse(text) as JsonValue;
  }

  #pod(name: string): Pod {
    const pod = this.#pods.get(name);
    if (pod === undefined) throw new Error(`no pod ${name}`);
    return pod;
  }

  #refresh(): void {
    const pods = new Map<string, Pod>();
    for (const { metadata, spec } of this.#statefulSets) {
      const { name, namespace = "" } = metadata;
      const house = namespace.slice(PREFIX.length);
      const labels = this.#namespaces.get(`Namespace ${house}`)?.["metadata"] as StatefulSet["metadata"] | undefined;
      for (let index = 0; index < spec.replicas; index++) {
        const known = endpoint("workload", {
          name: `${name}-${index}`,
          namespace,
          labels: spec.template.metadata.labels,
          // The API server adds the name to the labels of each namespace.
          namespaceLabels: { ...labels?.labels, "kubernetes.io/metadata.name": namespace },
          namedPorts: namedPorts(spec.template.spec),
        });
        pods.set(`${house}/${name}-${index}`, { endpoint: known, address: addressOf(pods.size + 1, this.#family) });
      }
    }
    this.#pods = pods;
    const resources = [...this.#policies.values()].flatMap((policy) => accessResources(JSON.stringify(policy)));
    this.#state = { resources, pods: [...pods.values()] };
  }
}

/** The part of a StatefulSet that is used here. */
interface StatefulSet {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: { readonly [key: string]: string } };
  readonly spec: {
    readonly replicas: number;
    readonly template: { readonly metadata: { readonly labels: { readonly [key: string]: string } }; readonly spec: PodSpec };
  };
}

interface PodSpec {
  readonly containers: readonly {
    readonly ports?: readonly { readonly name: string; readonly containerPort: number; readonly protocol: "TCP" | "UDP" | "SCTP" }[];
  }[];
}

const keyOf = ({ kind, metadata }: StatefulSet): string => `${kind} ${metadata.name}`;

const namedPorts = ({ containers }: PodSpec): readonly NamedPort[] =>
  containers.flatMap(({ ports = [] }) =>
    ports.map(({ name, containerPort, protocol }) => ({ name, port: containerPort, protocol: protocol.toLowerCase() as Protocol })),
  );

const addressOf = (host: number, family: 4 | 6): Uint8Array =>
  family === 4 ? Uint8Array.of(10, 244, 0, host) : Uint8Array.of(0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host);
