/** Small JSON documents from servers of the web, over HTTPS alone. */
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import type { JsonObject } from "../../lib/json.ts";
import { isJsonObject } from "../../lib/json.ts";
import { parseStrictJson } from "../../lib/strict-json.ts";
import { ServiceError } from "../service-error.ts";

export interface FetchedDocument {
  readonly value: JsonObject;
  /** Of `cache-control`; undefined when it says nothing. */
  readonly maxAgeSeconds: number | undefined;
}

export interface FetchLimits {
  readonly maxBytes: number;
  /** For the whole. */
  readonly timeoutMs: number;
  /** PEM: instead of the public authorities. */
  readonly authorities: string | undefined;
}

/** The JSON object at a URL; redirects are not followed. Rejects with `SERVICE_ISSUER`. UNTRUSTED: what the server sends. */
export async function fetchDocument(url: URL, { maxBytes, timeoutMs, authorities }: FetchLimits): Promise<FetchedDocument> {
  const problem = (what: string, cause?: unknown): ServiceError =>
    new ServiceError("SERVICE_ISSUER", `${what} from \`${url.origin}${url.pathname}\``, { cause });
  if (url.protocol !== "https:") throw problem("expected a URL of https, not to fetch");
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const signal = AbortSignal.timeout(timeoutMs);
      const ca = authorities === undefined ? {} : { ca: authorities };
      // One connection for each: the next fetch is minutes away.
      request(url, { agent: false, signal, minVersion: "TLSv1.2", headers: { accept: "application/json" }, ...ca })
        .once("response", resolve)
        .once("error", reject)
        .end();
    });
    if (response.statusCode !== 200) {
      response.destroy();
      throw problem(`expected status 200, got ${response.statusCode ?? 0},`);
    }
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of response) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw problem(`expected at most ${maxBytes} bytes`);
      chunks.push(chunk);
    }
    const json = parseStrictJson(Buffer.concat(chunks));
    if (!json.ok || !isJsonObject(json.value)) throw problem("expected a JSON object", json.ok ? undefined : json.error);
    const maxAge = /(?:^|[\s,])max-age=(\d{1,9})(?:$|[\s,])/i.exec(response.headers["cache-control"] ?? "")?.[1];
    return { value: json.value, maxAgeSeconds: maxAge === undefined ? undefined : Number(maxAge) };
  } catch (thrown) {
    if (thrown instanceof ServiceError) throw thrown;
    throw problem("cannot fetch", thrown);
  }
}
