/** What the webhook counts, as Prometheus metrics. */
import { Counter, exposeMetrics, gauge, Histogram, type Metric } from "../lib/prometheus.ts";

/** Upper bounds in seconds: a review takes tens of microseconds, the API server gives up after seconds. */
const REVIEW_SECONDS = [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 1, 5];

/** Gauges that are read when the metrics are scraped. */
export interface AdmissionReadings {
  readonly connections: () => number;
  readonly inFlight: () => number;
  readonly inFlightBytes: () => number;
  readonly certificateExpiresAtMs: () => number;
  /** undefined while no snapshot is active. */
  readonly snapshotId: () => string | undefined;
  readonly isBreakGlassOpen: () => boolean;
  readonly eventsQueued: () => number;
  readonly eventsLost: () => number;
}

export interface AdmissionMetrics {
  /** By phase and what became of the review: allow, deny, error, excluded, break-glass. */
  readonly reviews: Counter<readonly ["phase", "verdict"]>;
  /** By the kind of policy and its outcome. */
  readonly verdicts: Counter<readonly ["policy_kind", "outcome"]>;
  /** Requests that were answered before a policy was asked, by error code. */
  readonly refusals: Counter<readonly ["code"]>;
  /** Connections that ended in an error, by layer. */
  readonly connectionErrors: Counter<readonly ["layer"]>;
  /** From the first octet of a whole body in hand to the answer. */
  readonly reviewSeconds: Histogram<readonly ["phase"]>;
  expose(readings: AdmissionReadings): string;
}

export function createAdmissionMetrics(): AdmissionMetrics {
  const counted = {
    reviews: new Counter({ name: "vigil_admission_reviews_total", help: "Reviews by what became of them." }, ["phase", "verdict"] as const),
    verdicts: new Counter({ name: "vigil_admission_verdicts_total", help: "Verdicts of policies that matched." }, [
      "policy_kind",
      "outcome",
    ] as const),
    refusals: new Counter({ name: "vigil_admission_refusals_total", help: "Requests refused before a policy was asked." }, [
      "code",
    ] as const),
    connectionErrors: new Counter({ name: "vigil_admission_connection_errors_total", help: "Connections that ended in an error." }, [
      "layer",
    ] as const),
    reviewSeconds: new Histogram(
      { name: "vigil_admission_review_duration_seconds", help: "Time to parse, judge and answer." },
      ["phase"] as const,
      REVIEW_SECONDS,
    ),
  };
  return { ...counted, expose: (readings) => exposeMetrics([...Object.values(counted), ...gauges(readings)]) };
}

const MS_PER_SECOND = 1000;

function gauges(readings: AdmissionReadings): readonly Metric[] {
  const number = (name: string, help: string, read: () => number): Metric => gauge({ name, help }, () => [{ value: read() }]);
  const snapshotId = readings.snapshotId();
  return [
    number("vigil_admission_connections", "Open connections.", readings.connections),
    number("vigil_admission_requests_in_flight", "Requests being received or answered.", readings.inFlight),
    number("vigil_admission_in_flight_bytes", "Bytes set aside for their bodies.", readings.inFlightBytes),
    number(
      "vigil_admission_certificate_expiry_timestamp_seconds",
      "When the serving certificate expires.",
      () => readings.certificateExpiresAtMs() / MS_PER_SECOND,
    ),
    number("vigil_admission_break_glass_open", "1 while break-glass allows every review.", () => Number(readings.isBreakGlassOpen())),
    number("vigil_events_queued", "Events that are not yet committed.", readings.eventsQueued),
    number("vigil_events_lost", "Events that could not be kept since the start.", readings.eventsLost),
    gauge({ name: "vigil_snapshot_info", help: "The policy snapshot in force." }, () =>
      snapshotId === undefined ? [] : [{ labels: { id: snapshotId }, value: 1 }],
    ),
    number("process_resident_memory_bytes", "Resident memory.", () => process.memoryUsage.rss()),
  ];
}
