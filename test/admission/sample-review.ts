/** AdmissionReviews as an API server sends them, of objects that the packs have something to say about. */
import type { JsonObject } from "../../src/lib/json.ts";

const container = (isSafe: boolean): JsonObject => ({
  name: "web",
  image: "registry.example.com/shop/web:1.27",
  ports: [{ containerPort: 8080, protocol: "TCP" }],
  resources: { requests: { cpu: "100m", memory: "128Mi" }, limits: { cpu: "1", memory: "256Mi" } },
  livenessProbe: { httpGet: { path: "/healthz", port: 8080 }, periodSeconds: 10 },
  readinessProbe: { httpGet: { path: "/readyz", port: 8080 }, periodSeconds: 5 },
  securityContext: isSafe
    ? {
        runAsNonRoot: true,
        runAsUser: 1000,
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ["ALL"] },
        seccompProfile: { type: "RuntimeDefault" },
      }
    : { privileged: true },
});

const pod = (isSafe: boolean, name: string): JsonObject => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: {
    name,
    namespace: "shop",
    labels: { "app.kubernetes.io/name": "web", "app.kubernetes.io/version": "1.27" },
    annotations: { note: 'a: b "c" \\ 𝄞' },
    creationTimestamp: "2026-01-01T00:00:00Z",
  },
  spec: {
    serviceAccountName: "web",
    automountServiceAccountToken: false,
    ...(isSafe ? {} : { hostNetwork: true }),
    containers: [container(isSafe)],
    volumes: [{ name: "data", emptyDir: {} }],
  },
});

const clusterRole: JsonObject = {
  apiVersion: "rbac.authorization.k8s.io/v1",
  kind: "ClusterRole",
  metadata: { name: "everything" },
  rules: [{ apiGroups: ["*"], resources: ["*"], verbs: ["*"] }],
};

interface Subject {
  readonly group: string;
  readonly kind: string;
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
  readonly operation: string;
  readonly object: JsonObject | null;
  readonly oldObject: JsonObject | null;
  readonly subResource?: string;
}

function reviewOf(uid: string, { group, kind, resource, ...rest }: Subject): JsonObject {
  const version = "v1";
  const gvk = { group, version, kind };
  const gvr = { group, version, resource };
  return {
    kind: "AdmissionReview",
    apiVersion: "admission.k8s.io/v1",
    request: {
      uid,
      kind: gvk,
      resource: gvr,
      requestKind: gvk,
      requestResource: gvr,
      ...rest,
      userInfo: {
        username: "system:serviceaccount:ci:deployer",
        uid: "0a1b",
        groups: ["system:serviceaccounts", "system:authenticated"],
        extra: { scopes: ["a", "b"] },
      },
      dryRun: false,
      options: { kind: "CreateOptions", apiVersion: "meta.k8s.io/v1" },
    },
  };
}

/** Five kinds of request in turn; every uid is another one. */
export function sampleReview(number: number): JsonObject {
  const uid = `705ab4f5-6393-11e8-b7cc-${String(number).padStart(12, "0")}`;
  const name = `web-${number % 1000}`;
  const ofPod = { group: "", kind: "Pod", resource: "pods", namespace: "shop", name };
  const subjects: readonly Subject[] = [
    { ...ofPod, operation: "CREATE", object: pod(true, name), oldObject: null },
    { ...ofPod, operation: "CREATE", object: pod(false, name), oldObject: null },
    { ...ofPod, operation: "UPDATE", object: pod(true, name), oldObject: pod(true, name) },
    { ...ofPod, operation: "DELETE", object: null, oldObject: pod(true, name) },
    {
      group: "rbac.authorization.k8s.io",
      kind: "ClusterRole",
      resource: "clusterroles",
      namespace: "",
      name: "everything",
      operation: "CREATE",
      object: clusterRole,
      oldObject: null,
    },
  ];
  const subject = subjects[number % subjects.length];
  if (subject === undefined) throw new RangeError(`expected a natural number, got ${number}`);
  return reviewOf(uid, subject);
}
