/** A control plane of the tests: enforces what it is told on its command line, pinned, until it is killed. */
import { openPinDirectory } from "../../src/ebpf/index.ts";
import { type NetworkWorkload, openNetworkEnforcement } from "../../src/network/enforcement.ts";
import { compileAccessSet } from "../../src/policy/access/access-set.ts";
import { parseAccessResource } from "../../src/resource/access-resource.ts";
import { readDocuments } from "../../src/resource/document.ts";

const [, , told = "{}"] = process.argv;
const { pins, cgroupRoot, workloads, yaml } = JSON.parse(told) as {
  readonly pins: string;
  readonly cgroupRoot: string;
  readonly workloads: readonly NetworkWorkload[];
  readonly yaml: string;
};
const resources = readDocuments(yaml, "policies.yaml").documents.flatMap((document) => {
  const parsed = parseAccessResource(document);
  return parsed.kind === "access" ? [parsed.resource] : [];
});
const enforcement = openNetworkEnforcement({ cgroupRoot, pins: openPinDirectory(pins), onFlow: () => {} });
enforcement.setInventory(workloads);
enforcement.setPolicies(compileAccessSet(resources).set);
process.send?.(enforcement.generation);
