/** The command line's end of the local management API. */
import { request } from "node:http";
import { messageOf, VigilError } from "../lib/error.ts";
import type { ManagementErrorCode } from "./management-server.ts";
import { managementAddress, type SocketAddress } from "./management-socket.ts";

const TIMEOUT_MS = 30_000;

/**
 * Asks the Vigil that runs with this state directory. Returns the body of its answer; throws `MANAGEMENT_UNREACHABLE` when none
 * answers, and what it says when it refuses.
 */
export async function askManagement(stateDirectory: string, route: string, body?: unknown, socketName?: string): Promise<unknown> {
  const sent = body === undefined ? "" : JSON.stringify(body);
  const { status, text } = await exchange(stateDirectory, route, sent, socketName);
  const answer: unknown = text === "" ? { code: "MANAGEMENT_FAILED", message: `an empty answer with status ${status}` } : JSON.parse(text);
  if (status === 200) return answer;
  throw refusalOf(answer);
}

function refusalOf(answer: unknown): VigilError {
  const { code, message, hint }: { code?: unknown; message?: unknown; hint?: unknown } =
    typeof answer === "object" && answer !== null ? answer : {};
  return new VigilError(String(code), String(message), typeof hint === "string" ? { hint } : {});
}

async function exchange(
  stateDirectory: string,
  route: string,
  body: string,
  socketName: string | undefined,
): Promise<{ status: number; text: string }> {
  const [method = "GET", path = "/"] = route.split(" ");
  let address: SocketAddress | undefined;
  try {
    address = managementAddress(stateDirectory, socketName);
    return await new Promise((resolve, reject) => {
      // Without a length, the body of a DELETE would follow the request as if it were another one.
      const headers = { "content-length": Buffer.byteLength(body) };
      const sent = request({ socketPath: address?.path, method, path, headers, timeout: TIMEOUT_MS }, (response) => {
        const chunks: Uint8Array[] = [];
        response.on("data", (chunk) => chunks.push(chunk));
        response.on("end", () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
        response.on("error", reject);
      });
      sent.on("error", reject);
      sent.on("timeout", () => sent.destroy(new Error(`no answer within ${TIMEOUT_MS / 1_000} s`)));
      sent.end(body);
    });
  } catch (error) {
    throw new VigilError<ManagementErrorCode>("MANAGEMENT_UNREACHABLE", `no Vigil answers in ${stateDirectory}: ${messageOf(error)}`, {
      hint: isForbidden(error) ? "ask as the user that runs Vigil" : "start it with `vigil up`, or name its state directory with `--state`",
      cause: error,
    });
  } finally {
    address?.release();
  }
}

const isForbidden = (error: unknown): boolean => error instanceof Error && "code" in error && error.code === "EACCES";
