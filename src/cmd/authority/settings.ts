/** What the authority process is told by the supervisor. */
import type { JsonValue } from "../../lib/json.ts";
import type { Configuration } from "../config.ts";

export interface AuthoritySettings {
  readonly stateDirectory: string;
  readonly configuration: Configuration["values"];
  /** The user who started Vigil: gets an identity without being registered. */
  readonly user: { readonly uid: number; readonly name: string };
  /** DNS names and addresses of the webhook, for its certificate. */
  readonly webhookNames: { readonly dnsNames: readonly string[]; readonly ipAddresses: readonly string[] };
}

export const encodeAuthoritySettings = (settings: AuthoritySettings): JsonValue => JSON.parse(JSON.stringify(settings));

/** The cast is right because the supervisor of the same version made it with `encodeAuthoritySettings`, and nobody else has the channel. */
export const parseAuthoritySettings = (json: JsonValue): AuthoritySettings => json as unknown as AuthoritySettings;
