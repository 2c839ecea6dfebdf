/** What the network process is told by the supervisor. */
import type { JsonValue } from "../../lib/json.ts";
import type { Configuration } from "../config.ts";

export interface NetworkSettings {
  readonly stateDirectory: string;
  readonly configuration: Configuration["values"];
}

export const encodeNetworkSettings = (settings: NetworkSettings): JsonValue => JSON.parse(JSON.stringify(settings));

/** The cast is right because the supervisor of the same version made it with `encodeNetworkSettings`, and nobody else has the channel. */
export const parseNetworkSettings = (json: JsonValue): NetworkSettings => json as unknown as NetworkSettings;
