/** Break-glass over the management API. */
import type { BreakGlass } from "../../admission/break-glass.ts";
import { VigilError } from "../../lib/error.ts";
import type { JsonValue } from "../../lib/json.ts";
import type { ManagementErrorCode, Routes } from "../management-server.ts";

export function breakGlassRoutes(breakGlass: BreakGlass): Routes {
  return {
    "GET /v1/break-glass": () => ({ opening: breakGlass.state() ?? null }),
    "POST /v1/break-glass": async (body) => {
      const { openedBy, reason, durationMs } = fieldsOf(body);
      if (typeof openedBy !== "string" || typeof reason !== "string" || typeof durationMs !== "number") throw wrongBody();
      const opened = await breakGlass.open({ openedBy, reason, durationMs });
      if (!opened.ok) throw opened.error;
      return { opening: opened.value };
    },
    "DELETE /v1/break-glass": async (body) => {
      const { closedBy } = fieldsOf(body);
      if (typeof closedBy !== "string") throw wrongBody();
      const closed = await breakGlass.close(closedBy);
      if (!closed.ok) throw closed.error;
      return { opening: null };
    },
  };
}

const fieldsOf = (body: JsonValue): { readonly [name: string]: unknown } => (typeof body === "object" && body !== null ? { ...body } : {});

const wrongBody = (): VigilError<ManagementErrorCode> =>
  new VigilError("MANAGEMENT_BODY", "the body lacks a field, or has it with another type");
