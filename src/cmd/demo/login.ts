/** The login of the demonstration's shop: an OpenID Connect issuer of its own, whose tokens say who a customer is and for whom. */
import { generateKeyPairSync, sign } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { CertificateStore } from "../../admission/certificate-store.ts";

export interface Login {
  /** `https://127.0.0.1:…` */
  readonly issuer: string;
  /** PEM of the authority of its certificate. */
  readonly authorities: string;
  /** A token of a customer. */
  token(claims: { readonly tenant: string; readonly scope: string }): string;
  close(): void;
}

const TOKEN_SECONDS = 3_600;
const KEY_ID = "shop-1";

export async function startLogin(directory: string): Promise<Login> {
  const certificates = await CertificateStore.open({ directory, names: [{ kind: "ip", value: "127.0.0.1" }], nowMs: Date.now });
  const { keyPem, chainPem, caBundlePem } = certificates.current();
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const keys = [{ ...publicKey.export({ format: "jwk" }), kid: KEY_ID, use: "sig", alg: "ES256" }];
  let issuer = "";
  const server = createServer({ key: keyPem, cert: chainPem }, (request, response) => {
    request.resume();
    const documents: { readonly [path: string]: unknown } = {
      "/.well-known/openid-configuration": { issuer, jwks_uri: `${issuer}/keys` },
      "/keys": { keys },
    };
    const document = Object.hasOwn(documents, request.url ?? "") ? documents[request.url ?? ""] : undefined;
    response.writeHead(document === undefined ? 404 : 200, { "content-type": "application/json" }).end(JSON.stringify(document ?? {}));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  // A server that listens on a port has an address of this kind.
  issuer = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    issuer,
    authorities: caBundlePem,
    token: ({ tenant, scope }) => {
      const nowSeconds = Math.floor(Date.now() / 1000);
      const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
      const claims = { iss: issuer, aud: "shop", sub: "ada", tenant, scope, iat: nowSeconds, exp: nowSeconds + TOKEN_SECONDS };
      const signed = `${part({ alg: "ES256", typ: "JWT", kid: KEY_ID })}.${part(claims)}`;
      const signature = sign("sha256", Buffer.from(signed), { key: privateKey, dsaEncoding: "ieee-p1363" });
      return `${signed}.${signature.toString("base64url")}`;
    },
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
