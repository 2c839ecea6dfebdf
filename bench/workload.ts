/** The work that every engine gets: 64 Deployments with three containers, and five expressions that real admission policies use. */
import type { JsonObject } from "../src/lib/json.ts";

export interface Case {
  readonly name: string;
  readonly what: string;
  readonly cel: string;
  /** The same question as a Rego module with `data.bench.allow`. */
  readonly rego: string;
  /** The same question as a person would write it in JavaScript for speed, with the checks that make it safe on missing fields. */
  readonly plain: (object: Deployment) => boolean;
}

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly securityContext?: { readonly runAsNonRoot?: boolean };
  readonly resources: { readonly limits: { readonly memory: string } };
}
export interface Deployment {
  readonly metadata: { readonly labels: Readonly<Record<string, string>> };
  readonly spec: { readonly replicas: number; readonly template: { readonly spec: { readonly containers: readonly Container[] } } };
}

export const INPUT_COUNT = 64;

/** Deployment number i; two of three pass each expression. */
export function deployment(i: number): Deployment & JsonObject {
  const good = i % 3 !== 0;
  const container = (n: number) => ({
    name: `container-${n}`,
    image: `${good || n < 2 ? ["registry.k8s.io", "ghcr.io/acme", "quay.io/acme"][n] : "docker.io/library"}/app-${i}:1.${i}.${n}`,
    ports: [{ containerPort: 8080 + n, protocol: "TCP" }],
    securityContext: { allowPrivilegeEscalation: false, ...(good || n < 2 ? { runAsNonRoot: true } : {}) },
    resources: { requests: { cpu: "100m", memory: "128Mi" }, limits: { cpu: "1", memory: good || n < 2 ? `${256 + n * 128}Mi` : "2Gi" } },
  });
  const object = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: {
      name: `app-${i}`,
      namespace: "shop",
      labels: { "app.kubernetes.io/name": good ? `app-${i}` : `App_${i}`, tier: "backend" },
    },
    spec: {
      replicas: good ? 1 + (i % 5) : 6 + i,
      selector: { matchLabels: { "app.kubernetes.io/name": `app-${i}` } },
      template: {
        metadata: { labels: { "app.kubernetes.io/name": `app-${i}` } },
        spec: { serviceAccountName: `app-${i}`, containers: [container(0), container(1), container(2)] },
      },
    },
  };
  return object;
}

const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const REGISTRIES = ["registry.k8s.io/", "ghcr.io/", "quay.io/"];
const containersOf = (object: Deployment): readonly Container[] => object.spec.template.spec.containers;

const UNITS: Readonly<Record<string, number>> = { Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40 };
/** Enough of a quantity for the plain version: an integer with a binary suffix. */
function bytes(quantity: string): number {
  const unit = UNITS[quantity.slice(-2)];
  return unit === undefined ? Number(quantity) : Number(quantity.slice(0, -2)) * unit;
}

export const CASES: readonly Case[] = [
  {
    name: "e1",
    what: "a number is within its limit",
    cel: "object.spec.replicas <= 5",
    rego: "package bench\nallow if input.object.spec.replicas <= 5",
    plain: (object) => object.spec.replicas <= 5,
  },
  {
    name: "e2",
    what: "every container runs as non-root, presence checked",
    cel: "object.spec.template.spec.containers.all(c, has(c.securityContext) && has(c.securityContext.runAsNonRoot) && c.securityContext.runAsNonRoot == true)",
    rego: "package bench\nallow if every c in input.object.spec.template.spec.containers { c.securityContext.runAsNonRoot == true }",
    plain: (object) => containersOf(object).every((c) => c.securityContext?.runAsNonRoot === true),
  },
  {
    name: "e3",
    what: "every image comes from one of three registries",
    cel: "object.spec.template.spec.containers.all(c, c.image.startsWith('registry.k8s.io/') || c.image.startsWith('ghcr.io/') || c.image.startsWith('quay.io/'))",
    rego: 'package bench\nallow if every c in input.object.spec.template.spec.containers { strings.any_prefix_match(c.image, ["registry.k8s.io/", "ghcr.io/", "quay.io/"]) }',
    plain: (object) => containersOf(object).every((c) => REGISTRIES.some((registry) => c.image.startsWith(registry))),
  },
  {
    name: "e4",
    what: "a label is there and has the form of a DNS label",
    cel: "'app.kubernetes.io/name' in object.metadata.labels && object.metadata.labels['app.kubernetes.io/name'].matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
    rego: 'package bench\nallow if regex.match("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", input.object.metadata.labels["app.kubernetes.io/name"])',
    plain: (object) => {
      const label = object.metadata.labels["app.kubernetes.io/name"];
      return label !== undefined && LABEL.test(label);
    },
  },
  {
    name: "e5",
    what: "every memory limit is at most 1 GiB",
    cel: "object.spec.template.spec.containers.all(c, quantity(c.resources.limits.memory).compareTo(quantity('1Gi')) <= 0)",
    rego: 'package bench\nallow if every c in input.object.spec.template.spec.containers { units.parse_bytes(c.resources.limits.memory) <= units.parse_bytes("1Gi") }',
    plain: (object) => containersOf(object).every((c) => bytes(c.resources.limits.memory) <= 2 ** 30),
  },
];
