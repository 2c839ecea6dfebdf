import type { Library } from "../../declaration.ts";
import { networkTypes } from "../ip-values.ts";
import { cidrFunctions } from "../network.ts";

/** Kubernetes' functions for networks (apiserver pkg/cel/library/cidr.go), since Kubernetes 1.30. */
export const cidrLibrary: Library = { name: "kubernetes.cidr", functions: cidrFunctions, constants: networkTypes };
