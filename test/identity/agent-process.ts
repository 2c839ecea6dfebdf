/** The agent as a process of its own, for tests that kill it: `agent-process.ts AUTHORITY_SOCKET SOCKET`. Says `ready`. */
import { Agent } from "../../src/identity/agent/agent.ts";
import { localAuthority } from "../../src/identity/agent/authority-client.ts";
import { createWorkloadServer, listenForWorkloads } from "../../src/identity/agent/workload-server.ts";
import { Accounts } from "../../src/identity/attestation/accounts.ts";
import { BinaryDigest } from "../../src/identity/attestation/binary-digest.ts";
import { unixAttestor } from "../../src/identity/attestation/unix-attestor.ts";

const [, , authority = "", path = ""] = process.argv;
const agent = new Agent({ client: localAuthority(authority), onEvent: () => {} });
const attestors = [unixAttestor({ accounts: new Accounts(), digests: new BinaryDigest(), wantsDigest: () => agent.state.wantsDigest })];
await listenForWorkloads(createWorkloadServer({ agent, attestors, version: "0" }), path);
process.stdout.write("ready\n");
await agent.run(new AbortController().signal);
