import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { accessSet } from "../../../test/access-fixture.ts";
import { domainOf } from "../../../test/spiffe/trust-fixture.ts";
import type { Entry } from "../../identity/authority/entry.ts";
import { compileRegistrations } from "../../identity/authority/registrations.ts";
import { readDocuments } from "../../resource/document.ts";
import { placeWorkloads, removeLaunchedDirectories } from "./inventory.ts";
import { cutConnection, type OwnSettings } from "./own-connections.ts";

const INSTANCE = "0123456789ab";
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "vigil-inventory-"));
});
afterEach(() => rmSync(root, { recursive: true }));

function entries(
  ...workloads: readonly { readonly name: string; readonly selectors: readonly string[]; readonly ip?: string }[]
): readonly Entry[] {
  const text = workloads
    .map(
      ({ name, selectors, ip }) => `---
apiVersion: vigil.dev/v1alpha1
kind: Workload
metadata: { name: ${name}, namespace: shop }
spec: { selectors: ${JSON.stringify(selectors)}${ip === undefined ? "" : `, ipAddresses: ["${ip}"]`} }
`,
    )
    .join("");
  const { registrations, diagnostics } = compileRegistrations(readDocuments(text, "w.yaml").documents, {
    trustDomain: domainOf("shop.test"),
    builtIn: [],
  });
  expect(diagnostics).toEqual([]);
  return [...registrations.entries.values()];
}

const place = (all: readonly Entry[], enforcing: readonly string[] = []) =>
  placeWorkloads({ entries: all, instance: INSTANCE, cgroupRoot: root, enforcing: new Set(enforcing) });

describe("where workloads are", () => {
  test("is their unit, their cgroup, or the one that they were started in; else they are known by their addresses", () => {
    for (const path of ["a.slice/b.slice/web.service", `vigil/${INSTANCE}/shop~orders/run-1.0`, "batch/etl", "web.service.d"])
      mkdirSync(join(root, path), { recursive: true });
    const placed = place(
      entries(
        { name: "web", selectors: ["systemd:id:web.service", "unix:uid:33"] },
        { name: "orders", selectors: ["vigil:workload:shop/orders"] },
        { name: "etl", selectors: ["cgroup:path:/batch/etl"] },
        { name: "away", selectors: ["unix:uid:7"], ip: "192.0.2.7" },
        { name: "later", selectors: ["systemd:id:later.service"] },
        { name: "sly", selectors: ["cgroup:path:/../../etc", "systemd:id:../x.service"] },
      ),
      ["shop/orders"],
    );
    expect(
      placed.map(({ entry, cgroupPath, addresses, hasUpperLayer }) => [entry.name, cgroupPath, addresses?.length, hasUpperLayer]),
    ).toEqual([
      ["shop/web", join(root, "a.slice/b.slice/web.service"), undefined, false],
      ["shop/orders", join(root, `vigil/${INSTANCE}/shop~orders`), undefined, true],
      ["shop/etl", join(root, "batch/etl"), undefined, false],
      ["shop/away", undefined, 1, false],
      ["shop/later", undefined, 0, false],
      ["shop/sly", undefined, 0, false],
    ]);
    expect(placed[0]?.endpoint).toMatchObject({ name: "web", namespace: "shop", spiffeId: "spiffe://shop.test/shop/web" });
  });

  test("is forgotten when nobody is there any more, with what killed programs have left", () => {
    for (const path of [`vigil/${INSTANCE}/shop~orders/run-1.0`, `vigil/${INSTANCE}/shop~front`, "vigil/other-1"])
      mkdirSync(join(root, path), { recursive: true });
    removeLaunchedDirectories(root, INSTANCE);
    expect(readdirSync(join(root, "vigil"))).toEqual(["other-1"]);
  });

  test("cannot be one cgroup for two: the kernel could not tell them apart", () => {
    mkdirSync(join(root, "web.service"));
    const both = entries(
      { name: "one", selectors: ["systemd:id:web.service", "unix:uid:1"] },
      { name: "two", selectors: ["systemd:id:web.service", "unix:uid:2"] },
    );
    expect(() => place(both)).toThrow(expect.objectContaining({ code: "NETWORK_SHARED_CGROUP" }));
  });
});

describe("Vigil's own connections", () => {
  const SETTINGS: OwnSettings = {
    "admission.listen": "127.0.0.1:8443",
    "identity.agentListen": undefined,
    "identity.bundleListen": undefined,
    "identity.authority": undefined,
    "identity.telemetry": undefined,
    "identity.authorityTelemetry": undefined,
    "identity.downstreamListen": undefined,
    "identity.upstreamServer": undefined,
  };
  const policy = (from: string, port = 8443): string => `
apiVersion: vigil.dev/v1alpha1
kind: AccessPolicy
metadata: { name: webhook, namespace: shop }
spec:
  to: [{ workload: vigil, namespace: shop }]
  from: [${from}]
  ports: ["${port}/tcp"]
`;
  const cut = (yaml: string, settings: Partial<OwnSettings> = {}, unit = "vigil.service") => {
    mkdirSync(join(root, "vigil.service"), { recursive: true });
    const placed = place(entries({ name: "vigil", selectors: ["systemd:id:vigil.service"] }));
    return cutConnection(accessSet(yaml), placed, join(root, unit, "worker"), { ...SETTINGS, ...settings }, Date.now());
  };

  test.each([
    [
      "nobody of this host may call the webhook",
      policy("{ cidr: 192.0.2.0/24 }"),
      {},
      { what: "the webhook", policy: "AccessPolicy shop/webhook" },
    ],
    ["another port is allowed", policy("{ entity: host }", 1), {}, { what: "the webhook", policy: "AccessPolicy shop/webhook" }],
    ["this host may", policy("{ entity: host }"), {}, undefined],
    ["a network may call one that listens to all", policy("{ cidr: 10.0.0.0/8 }"), { "admission.listen": "0.0.0.0:8443" }, undefined],
    [
      "nobody may call one that listens to all",
      policy("{ workload: nobody }"),
      { "admission.listen": "0.0.0.0:8443" },
      { what: "the webhook" },
    ],
  ])("%s", (_, yaml, settings, expected) => {
    const found = cut(yaml, settings);
    if (expected === undefined) expect(found).toBeUndefined();
    else expect(found).toMatchObject(expected);
  });

  test("to an authority elsewhere may be cut as well", () => {
    const egress = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: closed, namespace: shop }
spec: { podSelector: {}, policyTypes: [Egress] }
`;
    expect(cut(egress)).toBeUndefined();
    expect(cut(egress, { "identity.authority": "192.0.2.9:8081" })).toMatchObject({ what: "the authority" });
  });

  test("are safe where Vigil is no workload", () => expect(cut(policy("{ workload: nobody }"), {}, "other.service")).toBeUndefined());
});
