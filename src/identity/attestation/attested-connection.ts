/**
 * The caller at the other end of one connection, or a process that somebody speaks for: attested when it is first asked about, and again
 * whenever it has become another program.
 */
import type { Socket } from "node:net";
import { messageOf, VigilError } from "../../lib/error.ts";
import { descriptorOf, openPeer, type PeerCredentials, peerCredentials, ticksSinceBoot } from "../../linux/peer-credentials.ts";
import { type FileFacts, isUnchanged, type ProcessErrorCode, type ProcessHandle } from "../../linux/process-handle.ts";
import type { Attestation, AttestationErrorCode, WorkloadAttestor } from "./attestor.ts";

interface Attested {
  readonly attestation: Attestation;
  readonly executable: FileFacts;
  readonly generation: number;
}

/**
 * Calls that come together are looked at once: a tenth of what a call costs. No answer is safer for it: a program that is replaced after it
 * asked leaves the answer to its successor anyway.
 */
const LOOK_AGAIN_MS = 1;
/** Where it stands among the ids in `status`. */
const EFFECTIVE = 1;

export class AttestedConnection implements Disposable {
  readonly credentials: PeerCredentials;
  readonly #process: ProcessHandle;
  readonly #isCertain: boolean;
  readonly #attestors: readonly WorkloadAttestor[];
  readonly #generation: () => number;
  #attested: Attested | undefined;
  /** When it was last seen to be the same program. */
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #underWay: Promise<Attested> | undefined;

  private constructor(
    peer: { readonly credentials: PeerCredentials; readonly process: ProcessHandle; readonly isCertain: boolean },
    attestors: readonly WorkloadAttestor[],
    generation: () => number,
  ) {
    this.credentials = peer.credentials;
    this.#process = peer.process;
    this.#isCertain = peer.isCertain;
    this.#attestors = attestors;
    this.#generation = generation;
  }

  /**
   * Takes hold of the process that has just connected; to be called at once, and disposed when the connection ends. When `generation` gives
   * another number than before, everybody is attested again. Throws `LINUX_…` codes.
   */
  static open(socket: Socket, attestors: readonly WorkloadAttestor[], generation: () => number = () => 0): AttestedConnection {
    const descriptor = descriptorOf(socket);
    const credentials = peerCredentials(descriptor);
    return new AttestedConnection({ credentials, ...openPeer(descriptor, credentials, ticksSinceBoot()) }, attestors, generation);
  }

  /**
   * A process that does not call itself, with the ids that it has now; the handle is closed with it. That the number was meant for this process
   * is the word of who gave it. Throws `LINUX_…` codes.
   */
  static ofProcess(process: ProcessHandle, attestors: readonly WorkloadAttestor[], generation: () => number = () => 0): AttestedConnection {
    const { uids, gids, groups } = process.owner();
    const [uid, gid] = [uids[EFFECTIVE], gids[EFFECTIVE]];
    if (uid === undefined || gid === undefined)
      throw new VigilError<ProcessErrorCode>("LINUX_PROCESS_UNREADABLE", `process ${process.pid} has no owner in its \`status\``);
    const credentials: PeerCredentials = { pid: process.pid, uid, gid, groups };
    return new AttestedConnection({ credentials, process, isCertain: false }, attestors, generation);
  }

  /** What is known of the caller now. Rejects with an `AttestationErrorCode` when it gets no identity, and with `LINUX_…` when it has gone. */
  async attest(): Promise<Attestation> {
    const known = this.#attested;
    if (known !== undefined && known.generation === this.#generation()) {
      const nowMs = performance.now();
      if (nowMs - this.#lookedAtMs < LOOK_AGAIN_MS) return known.attestation;
      if (isUnchanged(known.executable, this.#process.executableFile())) {
        this.#lookedAtMs = nowMs;
        return known.attestation;
      }
    }
    this.#underWay ??= this.#attest().finally(() => {
      this.#underWay = undefined;
    });
    this.#attested = await this.#underWay;
    return this.#attested.attestation;
  }

  /** Whether what was attested still holds: the process runs, and it is the same program. */
  isCurrent(): boolean {
    try {
      return this.#attested !== undefined && isUnchanged(this.#attested.executable, this.#process.executableFile());
    } catch {
      return false; // It has ended.
    }
  }

  [Symbol.dispose](): void {
    this.#process.close();
  }

  async #attest(): Promise<Attested> {
    const generation = this.#generation();
    const process = this.#process;
    const executable = process.executable();
    const selectors = new Set<string>();
    const remarks: string[] = [];
    for (const attestor of this.#attestors) {
      const finding = await this.#ask(attestor);
      if (finding.kind === "contradiction")
        throw refusal(`the attestor \`${attestor.name}\` refuses process ${process.pid}: ${finding.message}`);
      if (finding.kind === "none") continue;
      for (const selector of finding.selectors) selectors.add(selector);
      for (const remark of finding.remarks ?? []) remarks.push(`${attestor.name}: ${remark}`);
    }
    if (!process.isAlive() || !isUnchanged(process.executableFile(), executable)) {
      throw new VigilError<AttestationErrorCode>(
        "ATTESTATION_PROCESS_CHANGED",
        `process ${process.pid} became another program while it was looked at`,
        {
          hint: "it may ask again",
        },
      );
    }
    const { uid, gid } = this.credentials;
    const attestation: Attestation = {
      pid: process.pid,
      uid,
      gid,
      executablePath: executable.path,
      selectors: [...selectors].sort(),
      remarks,
      isCertain: this.#isCertain,
    };
    return { attestation, executable, generation };
  }

  async #ask(attestor: WorkloadAttestor): Promise<Awaited<ReturnType<WorkloadAttestor["attest"]>>> {
    try {
      return await attestor.attest({ process: this.#process, credentials: this.credentials });
    } catch (error) {
      if (error instanceof VigilError && error.code === "LINUX_PROCESS_GONE") throw error;
      // What one attestor cannot tell, others may; entries that need it do not match.
      return { kind: "selectors", selectors: [], remarks: [messageOf(error)] };
    }
  }
}

const refusal = (message: string): VigilError<AttestationErrorCode> => new VigilError("ATTESTATION_REFUSED", message);
