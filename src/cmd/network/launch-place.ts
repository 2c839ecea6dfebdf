/** What `vigil run --as` is told about the workload as which it starts a program. */
export interface LaunchPlace {
  readonly namespace: string;
  readonly name: string;
  readonly spiffeId: string;
  /** Its cgroup, relative to the root of the hierarchy, for root; else null, and the process is to be noted. */
  readonly cgroup: string | null;
  readonly notesDirectory: string;
  readonly agentSocket: string;
  readonly enforcementSocket: string;
  /** Whether its registration gives an identity to what is started like this. */
  readonly isIdentified: boolean;
}

export const LAUNCH_ROUTE = "POST /v1/launch";
