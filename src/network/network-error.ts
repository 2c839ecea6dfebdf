/** Codes of errors of `network/`; each is a row in ERRORS.md. */
export type NetworkErrorCode = "NETWORK_UNAVAILABLE" | "NETWORK_SET" | "NETWORK_CGROUP" | "NETWORK_DNS";
