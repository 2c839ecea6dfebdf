/** A control plane of the tests: enforces what it is told on its command line, pinned, until it is killed. */
import { openPinDirectory } from "../../src/ebpf/index.ts";
import { type NetworkWorkload, openNetworkEnforcement } from "../../src/network/enforcement.ts";
import { accessSetOf } from "../access-text.ts";

const [, , told = "{}"] = process.argv;
const { pins, cgroupRoot, workloads, yaml } = JSON.parse(told) as {
  readonly pins: string;
  readonly cgroupRoot: string;
  readonly workloads: readonly NetworkWorkload[];
  readonly yaml: string;
};
const enforcement = openNetworkEnforcement({ cgroupRoot, pins: openPinDirectory(pins), onFlow: () => {} });
enforcement.setInventory(workloads);
enforcement.setPolicies(accessSetOf(yaml));
process.send?.(enforcement.generation);
