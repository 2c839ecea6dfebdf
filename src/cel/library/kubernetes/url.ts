/** Kubernetes' URL functions (apiserver pkg/cel/library/urls.go), since Kubernetes 1.23. */
import type { FunctionDeclaration, Library } from "../../declaration.ts";
import { quote } from "../../runtime/failure.ts";
import { BOOL, listType, mapType, STRING } from "../../type.ts";
import { fixedCost, TRAVERSAL_FACTOR, traversal } from "../cost.ts";
import { declare, fail, func, method, opaque, type Parameter, string } from "../define.ts";
import { isRequestUri, parseUrl, URL_TYPE, type UrlValue } from "./url-value.ts";

const url: Parameter<UrlValue> = opaque(URL_TYPE);

const UNIT = fixedCost(1);

const part = (name: string, id: string, description: string, read: (value: UrlValue) => string): FunctionDeclaration =>
  declare(name, description, method(id, [url], STRING, read, UNIT));

const functions: readonly FunctionDeclaration[] = [
  declare(
    "url",
    "A URL from its text, which is an absolute URI or an absolute path.",
    func(
      "string_to_url",
      [string],
      URL_TYPE,
      (text) => parseUrl(text) ?? fail(`${quote(text)} is not a URL`),
      traversal(TRAVERSAL_FACTOR, true),
    ),
  ),
  // Kubernetes has no cost of its own for this one.
  declare("isURL", "Whether a string is an absolute URI or an absolute path.", func("is_url_string", [string], BOOL, isRequestUri)),
  part("getScheme", "url_get_scheme", "The scheme, or the empty string.", ({ parts }) => parts.scheme),
  part("getHost", "url_get_host", "The host and port, IPv6 addresses in brackets, or the empty string.", ({ parts }) => parts.host),
  part("getHostname", "url_get_hostname", "The host without port and brackets, or the empty string.", ({ address }) => address.hostname),
  part("getPort", "url_get_port", "The port, or the empty string.", ({ address }) => address.port),
  part("getEscapedPath", "url_get_escaped_path", "The path, percent-encoded, or the empty string.", ({ parts }) => parts.path),
  declare(
    "getQuery",
    "The query parameters, unescaped, each with all its values.",
    method("url_get_query", [url], mapType(STRING, listType(STRING)), ({ parameters }) => parameters, UNIT),
  ),
];

export const urlLibrary: Library = { name: "kubernetes.url", functions };
