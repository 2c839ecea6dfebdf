import { isIPv6 } from "node:net";
import { VigilError } from "../lib/error.ts";

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export type AddressErrorCode = "CONFIG_ADDRESS";

/** Reads `HOST:PORT`, `[::1]:PORT` or `:PORT` (all addresses). Port 0 takes a free one. Throws `CONFIG_ADDRESS`. */
export function parseListenAddress(text: string): ListenAddress {
  const match = /^(?:\[(?<six>[^\]]*)\]|(?<name>[^:[\]]*)):(?<port>\d{1,5})$/.exec(text)?.groups;
  const port = Number(match?.["port"] ?? Number.NaN);
  const host = match?.["six"] ?? match?.["name"] ?? "";
  if (!(port <= 65_535) || (match?.["six"] !== undefined && !isIPv6(host))) {
    throw new VigilError<AddressErrorCode>("CONFIG_ADDRESS", `expected HOST:PORT, got \`${text}\``, {
      hint: "such as `127.0.0.1:8443`, `[::1]:8443`, or `0.0.0.0:8443` for all addresses",
    });
  }
  return { host: host === "" ? "0.0.0.0" : host, port };
}

/** The address as part of a URL. */
export const formatAddress = ({ host, port }: ListenAddress): string => `${isIPv6(host) ? `[${host}]` : host}:${port}`;
