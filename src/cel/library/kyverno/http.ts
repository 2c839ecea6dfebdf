/** Kyverno's `http` variable: services outside the cluster. */
import type { Library } from "../../declaration.ts";
import { quote } from "../../runtime/failure.ts";
import { type CelType, DYN, opaqueType } from "../../type.ts";
import type { CelValue } from "../../value.ts";
import { dyn, type MapValue, map, method, opaque, type Parameter, string } from "../define.ts";
import { Handle } from "../handle.ts";
import { inBothCases, type Lookup, lookedUp, textEntries } from "./lookup.ts";

export interface HttpRequest {
  readonly method: "GET" | "POST";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** What a POST sends as JSON; null for a GET. */
  readonly body: CelValue;
  /** The certificates in PEM that the server's must descend from, or null for the system's. */
  readonly caBundle: string | null;
}

/** Answers from the responses that were fetched beforehand. */
export interface HttpSource {
  /** The JSON object of the response with its `statusCode`; `{body, statusCode}` when the response is no object. */
  request(request: HttpRequest): Lookup;
}

interface HttpClient {
  readonly source: HttpSource;
  readonly caBundle: string | null;
}

export const HTTP_CONTEXT: CelType = opaqueType("http.Context");

/** The value of the variable `http`. */
export const httpContext = (source: HttpSource): Handle<HttpClient> => new Handle(HTTP_CONTEXT, { source, caBundle: null });

const context: Parameter<Handle<HttpClient>> = opaque(HTTP_CONTEXT);
const headers: Parameter<MapValue> = map(string, string);

/** The URL without its user and query, which may hold what no message should. */
const withoutSecrets = (url: string): string => url.replace(/[?#].*$/s, "").replace(/\/\/[^/]*@/, "//");

function send({ content }: Handle<HttpClient>, request: Omit<HttpRequest, "caBundle" | "headers">, sent: MapValue | null): CelValue {
  const { source, caBundle } = content;
  const lookup = source.request({ ...request, caBundle, headers: sent === null ? {} : textEntries(sent) });
  return lookedUp(lookup, `the answer to ${request.method} of ${quote(withoutSecrets(request.url))}`);
}

const get = (of: Handle<HttpClient>, url: string, sent: MapValue | null): CelValue => send(of, { method: "GET", url, body: null }, sent);

const post = (of: Handle<HttpClient>, url: string, body: CelValue, sent: MapValue | null): CelValue =>
  send(of, { method: "POST", url, body }, sent);

const client = ({ content }: Handle<HttpClient>, caBundle: string): CelValue =>
  new Handle(HTTP_CONTEXT, { source: content.source, caBundle });

export const httpLibrary: Library = {
  name: "kyverno.http",
  functions: [
    ...inBothCases("get", "Get", "The JSON that a URL answers, with its statusCode.", (suffix) => [
      method(`http_get_string_${suffix}`, [context, string], DYN, (of, url) => get(of, url, null)),
      method(`http_get_string_headers_${suffix}`, [context, string, headers], DYN, get),
    ]),
    ...inBothCases("post", "Post", "The JSON that a URL answers to data that is sent as JSON, with its statusCode.", (suffix) => [
      method(`http_post_string_any_${suffix}`, [context, string, dyn], DYN, (of, url, body) => post(of, url, body, null)),
      method(`http_post_string_any_headers_${suffix}`, [context, string, dyn, headers], DYN, post),
    ]),
    ...inBothCases("client", "Client", "An `http` that trusts the certificates of a CA bundle in PEM.", (suffix) => [
      method(`http_client_string_${suffix}`, [context, string], HTTP_CONTEXT, client),
    ]),
  ],
};
