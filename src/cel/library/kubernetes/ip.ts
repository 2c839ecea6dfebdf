import type { Library } from "../../declaration.ts";
import { networkTypes } from "../ip-values.ts";
import { ipFunctions } from "../network.ts";

/** Kubernetes' functions for IP addresses (apiserver pkg/cel/library/ip.go), since Kubernetes 1.30. */
export const ipLibrary: Library = { name: "kubernetes.ip", functions: ipFunctions, constants: networkTypes };
