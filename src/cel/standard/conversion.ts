/** `bool`, `bytes`, `double`, `duration`, `int`, `string`, `timestamp` and `uint`. */
import type { FunctionDeclaration } from "../declaration.ts";
import { traversal } from "../library/cost.ts";
import { bool, bytes, declare, double, duration, func, int, string, timestamp, uint } from "../library/define.ts";
import { decodeUtf8, encodeUtf8 } from "../runtime/bytes.ts";
import { asDouble, doubleOf, formatDouble } from "../runtime/double.ts";
import { durationNanos, formatDuration, parseDuration } from "../runtime/duration.ts";
import { intOf, intOfDouble } from "../runtime/int64.ts";
import { parseBool, parseDouble, parseInteger } from "../runtime/parse-number.ts";
import { formatTimestamp, parseTimestamp, timestampOf } from "../runtime/timestamp.ts";
import { uintOf, uintOfDouble } from "../runtime/uint64.ts";
import { BOOL, BYTES, DOUBLE, DURATION, INT, STRING, TIMESTAMP, UINT } from "../type.ts";

const same = <T>(value: T): T => value;

export const conversionFunctions: readonly FunctionDeclaration[] = [
  declare("bool", "A value as a boolean.", func("bool_to_bool", [bool], BOOL, same), func("string_to_bool", [string], BOOL, parseBool)),
  declare(
    "bytes",
    "A value as bytes, a string in UTF-8.",
    func("bytes_to_bytes", [bytes], BYTES, same),
    func("string_to_bytes", [string], BYTES, encodeUtf8, traversal()),
  ),
  declare(
    "double",
    "A value as a double.",
    func("double_to_double", [double], DOUBLE, (value) => doubleOf(asDouble(value))),
    func("int64_to_double", [int], DOUBLE, (value) => doubleOf(Number(value))),
    func("string_to_double", [string], DOUBLE, parseDouble),
    func("uint64_to_double", [uint], DOUBLE, ({ value }) => doubleOf(Number(value))),
  ),
  declare(
    "duration",
    "A value as a duration, a string in Go's notation such as `1h30m`.",
    func("duration_to_duration", [duration], DURATION, same),
    func("string_to_duration", [string], DURATION, parseDuration),
  ),
  declare(
    "int",
    "A value as an int: doubles without their fraction, timestamps in seconds since the epoch, durations in nanoseconds.",
    func("int64_to_int64", [int], INT, same),
    func("double_to_int64", [double], INT, (value) => intOfDouble(asDouble(value))),
    func("duration_to_int64", [duration], INT, durationNanos),
    func("string_to_int64", [string], INT, (text) => parseInteger(text, intOf, "an integer")),
    func("timestamp_to_int64", [timestamp], INT, ({ seconds }) => seconds),
    func("uint64_to_int64", [uint], INT, ({ value }) => intOf(value)),
  ),
  declare(
    "string",
    "A value as a string.",
    func("string_to_string", [string], STRING, same),
    func("bool_to_string", [bool], STRING, String),
    func("bytes_to_string", [bytes], STRING, decodeUtf8, traversal()),
    func("double_to_string", [double], STRING, (value) => formatDouble(asDouble(value))),
    func("duration_to_string", [duration], STRING, formatDuration),
    func("int64_to_string", [int], STRING, (value) => String(value)),
    func("timestamp_to_string", [timestamp], STRING, formatTimestamp),
    func("uint64_to_string", [uint], STRING, ({ value }) => String(value)),
  ),
  declare(
    "timestamp",
    "A value as a timestamp: a string as in RFC 3339, an int in seconds since the epoch.",
    func("timestamp_to_timestamp", [timestamp], TIMESTAMP, same),
    func("int64_to_timestamp", [int], TIMESTAMP, (seconds) => timestampOf(Number(seconds), 0)),
    func("string_to_timestamp", [string], TIMESTAMP, parseTimestamp),
  ),
  declare(
    "uint",
    "A value as a uint: doubles without their fraction.",
    func("uint64_to_uint64", [uint], UINT, same),
    func("double_to_uint64", [double], UINT, (value) => uintOfDouble(asDouble(value))),
    func("int64_to_uint64", [int], UINT, (value) => uintOf(BigInt(value))),
    func("string_to_uint64", [string], UINT, (text) => parseInteger(text, uintOf, "an unsigned integer")),
  ),
];
