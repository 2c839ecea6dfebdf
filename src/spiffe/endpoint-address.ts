/** Addresses of Workload API endpoints, as `SPIFFE_ENDPOINT_SOCKET` has them (SPIFFE_Workload_Endpoint §4). */
import { parseIpAddress } from "../lib/ip-address.ts";
import { ok, type Result } from "../lib/result.ts";
import { refuse, type SpiffeError, shown } from "./spiffe-error.ts";

export type EndpointAddress =
  | { readonly kind: "unix"; readonly path: string }
  /** `host` is an IP address, without brackets. */
  | { readonly kind: "tcp"; readonly host: string; readonly port: number };

const MAX_PORT = 65535;
const IPV4_BYTES = 4;
const IPV6_BYTES = 16;

/** `unix:///run/agent.sock`, `unix:/run/agent.sock` or `tcp://127.0.0.1:8000`. */
export function parseEndpointAddress(text: string): Result<EndpointAddress, SpiffeError> {
  const path = /^unix:(?:\/\/)?(\/[^/?#%\0][^?#%\0]*)$/.exec(text)?.[1];
  if (path !== undefined) return ok({ kind: "unix", path });
  const [, bracketed, plain, port] = /^tcp:\/\/(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):([0-9]{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain ?? "";
  const isAddress = parseIpAddress(host)?.length === (bracketed === undefined ? IPV4_BYTES : IPV6_BYTES);
  if (isAddress && Number(port) >= 1 && Number(port) <= MAX_PORT) return ok({ kind: "tcp", host, port: Number(port) });
  return refuse(
    "endpoint-address",
    `expected \`unix:\` with an absolute path, or \`tcp://\` with IP address and port, got ${shown(text)}`,
    {
      hint: "for example `unix:///run/vigil/agent.sock` or `tcp://127.0.0.1:8000`",
    },
  );
}
