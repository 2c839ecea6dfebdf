/** What the control process is told by the supervisor. */
import type { JsonValue } from "../../lib/json.ts";
import type { Configuration } from "../config.ts";

export interface ControlSettings {
  readonly stateDirectory: string;
  readonly installation: string;
  readonly configuration: Configuration["values"];
}

export const encodeControlSettings = (settings: ControlSettings): JsonValue => JSON.parse(JSON.stringify(settings));

/** The cast is right because the supervisor of the same version made it with `encodeControlSettings`, and nobody else has the channel. */
export const parseControlSettings = (json: JsonValue): ControlSettings => json as unknown as ControlSettings;
