/** What the node agent is told by the supervisor. */
import type { JsonValue } from "../../lib/json.ts";
import type { Configuration } from "../config.ts";

export interface AgentSettings {
  readonly stateDirectory: string;
  readonly configuration: Configuration["values"];
}

export const encodeAgentSettings = (settings: AgentSettings): JsonValue => JSON.parse(JSON.stringify(settings));

/** The cast is right because the supervisor of the same version made it with `encodeAgentSettings`, and nobody else has the channel. */
export const parseAgentSettings = (json: JsonValue): AgentSettings => json as unknown as AgentSettings;
