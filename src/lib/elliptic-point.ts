/**
 * Whether octets are a point on a curve of NIST's (SP 800-186 §3.2.1). Both curves have a prime number of points, so a point on the curve
 * is a public key (SP 800-56A §5.6.2.3.3). Only for public values: the time depends on them.
 */

export type PointCurve = "P-256" | "P-384";

interface Parameters {
  readonly coordinateBytes: number;
  readonly prime: bigint;
  /** y² = x³ − 3x + b */
  readonly b: bigint;
}

const PARAMETERS: Readonly<Record<PointCurve, Parameters>> = {
  "P-256": {
    coordinateBytes: 32,
    prime: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
    b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
  },
  "P-384": {
    coordinateBytes: 48,
    prime: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
    b: 0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn,
  },
};

const UNCOMPRESSED = 4;

/** Whether `octets` are an uncompressed point of the curve (SEC 1 §2.3.4). UNTRUSTED. */
export function isUncompressedPoint(octets: Uint8Array, curve: PointCurve): boolean {
  const { coordinateBytes, prime, b } = PARAMETERS[curve];
  if (octets.length !== 1 + 2 * coordinateBytes || octets[0] !== UNCOMPRESSED) return false;
  const hex = Buffer.from(octets.buffer, octets.byteOffset, octets.length).toString("hex");
  const x = BigInt(`0x${hex.slice(2, 2 + 2 * coordinateBytes)}`);
  const y = BigInt(`0x${hex.slice(2 + 2 * coordinateBytes)}`);
  return x < prime && y < prime && (y * y - (x * x - 3n) * x - b) % prime === 0n;
}
