/** Which identities processes of this machine are entitled to, told to those who watch the machine. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { GrpcError } from "../../grpc/grpc-error.ts";
import { VigilError } from "../../lib/error.ts";
import { ProcessHandle } from "../../linux/process-handle.ts";
import type { IdentifiedSchema, IdentifyRequest } from "../../service/generated/vigil/agent/v1/agent_pb.ts";
import { AttestedConnection } from "../attestation/attested-connection.ts";
import type { WorkloadAttestor } from "../attestation/attestor.ts";
import type { Agent } from "./agent.ts";

const MAX_PROCESSES = 64;

type Identified = Exclude<MessageInitShape<typeof IdentifiedSchema>, { readonly $typeName: string }>;
type IdentifiedProcess = NonNullable<Identified["processes"]>[number];

/** Attests each process as if it had called. UNTRUSTED: the numbers. Throws `PERMISSION_DENIED` and `INVALID_ARGUMENT`. */
export async function identifyProcesses(
  { pids }: Pick<IdentifyRequest, "pids">,
  { agent, attestors, askingUid }: { readonly agent: Agent; readonly attestors: readonly WorkloadAttestor[]; readonly askingUid: number },
): Promise<Identified> {
  if (askingUid !== 0 && askingUid !== process.getuid?.())
    throw new GrpcError("PERMISSION_DENIED", "only root and the agent's own user may ask about other processes");
  if (pids.length > MAX_PROCESSES)
    throw new GrpcError("INVALID_ARGUMENT", `expected at most ${MAX_PROCESSES} processes, got ${pids.length}`);
  const processes: IdentifiedProcess[] = [];
  for (const pid of pids) processes.push(await identify(pid, agent, attestors));
  return { processes };
}

async function identify(pid: number, agent: Agent, attestors: readonly WorkloadAttestor[]): Promise<IdentifiedProcess> {
  const nobody = { pid, spiffeIds: [], workload: "", selectors: [], isFound: false };
  if (!Number.isInteger(pid) || pid <= 0) return nobody;
  try {
    // Closed with the connection, which takes hold of it.
    const handle = ProcessHandle.open(pid);
    using connection = holding(handle, () => AttestedConnection.ofProcess(handle, attestors, () => (agent.state.wantsDigest ? 1 : 0)));
    const { selectors } = await connection.attest();
    const { entries } = agent.entriesOf(selectors);
    const spiffeIds = entries.map(({ spiffeId }) => spiffeId);
    return { pid, spiffeIds, workload: entries[0]?.name ?? "", selectors: [...selectors], isFound: true };
  } catch (thrown) {
    // It has ended, or is one that gets no identity: nobody is entitled to anything there.
    if (thrown instanceof VigilError) return nobody;
    throw thrown;
  }
}

function holding<T>(handle: ProcessHandle, open: () => T): T {
  try {
    return open();
  } catch (thrown) {
    handle.close();
    throw thrown;
  }
}
