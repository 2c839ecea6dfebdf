// A shell inside a workload, as somebody has it who broke in: makes the calls that it reads, one JSON object on each line, with the workload's
// identity or with one from files, and says what came of each.
import { request } from "node:https";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { createHttpsAgent, createServiceIdentity, identityPathsIn, openIdentityFiles, openWorkloadIdentity } from "@vigil-dev/vigil/node";

const own = await openWorkloadIdentity({ address: process.env.SPIFFE_ENDPOINT_SOCKET });

async function make({ port, method, path, token, files }) {
  const identity = files === undefined ? own : createServiceIdentity({ source: await openIdentityFiles(identityPathsIn(files)) });
  const agent = createHttpsAgent(identity, { allow: ["spiffe://shop.test/**"] });
  const startMs = performance.now();
  const tookMs = () => Math.round((performance.now() - startMs) * 100) / 100;
  try {
    return await new Promise((resolve) => {
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
      // What is cut in its midst hears nothing any more.
      const signal = AbortSignal.timeout(5_000);
      const sent = request({ host: "127.0.0.1", port, method, path, headers, agent, signal }, async (response) => {
        await text(response);
        resolve({ status: response.statusCode, tookMs: tookMs() });
      });
      sent.on("error", (error) => resolve({ error: reasonOf(error), tookMs: tookMs() }));
      sent.end();
    });
  } finally {
    agent.destroy();
    if (identity !== own) identity.close();
  }
}

/** The system's own word for what went wrong, if there is one. */
const reasonOf = ({ code, cause, message }) => (cause?.code !== undefined && /^E[A-Z]+$/.test(cause.code) ? cause.code : (code ?? message));

for await (const line of createInterface({ input: process.stdin })) {
  const { id, ...call } = JSON.parse(line);
  void make(call).then((result) => console.log(JSON.stringify({ id, ...result })));
}
own.close();
