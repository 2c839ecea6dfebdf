/** Five admission expressions, every engine, nanoseconds of CPU per evaluation. */
import { buildGoPeer, GoEngines } from "../engine/go-engines.ts";
import { bufbuild, cedar, marcbachmann, plainJavaScript, vigil } from "../engine/javascript-engines.ts";
import { compete, median } from "../measure.ts";
import { packageVersion, type Section, type Target } from "../report.ts";
import { CASES, deployment, INPUT_COUNT } from "../workload.ts";

const NPM_PEERS = ["@marcbachmann/cel-js", "@bufbuild/cel"];
const PACKAGES = [...NPM_PEERS, "@cedar-policy/cedar-wasm"];

export async function expressions(): Promise<Section> {
  const inputs = Array.from({ length: INPUT_COUNT }, (_, i) => deployment(i));
  const go = new GoEngines(buildGoPeer("engines", "."));
  await go.load(inputs, CASES);
  const columns = new Map<string, number[]>();
  for (const [row, test] of CASES.entries()) {
    const contestants = [
      plainJavaScript(test, inputs),
      vigil(test, inputs, "source"),
      vigil(test, inputs, "closure"),
      marcbachmann(test, inputs),
      bufbuild(test, inputs),
      cedar(test, inputs),
      ...(["cel-go", "cel-go with cost", "OPA"] as const).map((engine) => go.contestant(engine, test.name)),
    ].filter((contestant) => contestant !== null);
    for (const { name, median: ns } of await compete(contestants)) {
      const column = columns.get(name) ?? [];
      column[row] = ns;
      columns.set(name, column);
    }
  }
  go.close();
  const ours = columns.get("Vigil") ?? [];
  const ratios = (name: string): number[] => ours.map((ns, row) => (columns.get(name)?.[row] ?? Number.NaN) / ns);
  const againstPlain = ratios("plain JavaScript").map((ratio) => 1 / ratio);
  const targets: Target[] = [
    ...NPM_PEERS.map((name) => ({
      what: `faster than ${name}, worst case`,
      goal: "≥ 4 ×",
      value: Math.min(...ratios(name)),
      met: Math.min(...ratios(name)) >= 4,
    })),
    {
      what: "faster than cel-go with cost, worst case",
      goal: "≥ 10 ×",
      value: Math.min(...ratios("cel-go with cost")),
      met: Math.min(...ratios("cel-go with cost")) >= 10,
    },
    {
      what: "faster than cel-go without cost, worst case",
      goal: "> 1 ×",
      value: Math.min(...ratios("cel-go")),
      met: Math.min(...ratios("cel-go")) > 1,
    },
    {
      what: "slower than plain JavaScript, worst case",
      goal: "≤ 8 ×",
      value: Math.max(...againstPlain),
      met: Math.max(...againstPlain) <= 8,
    },
    { what: "slower than plain JavaScript, median", goal: "≤ 3 ×", value: median(againstPlain), met: median(againstPlain) <= 3 },
  ];
  const cell = (ns: number | undefined): string =>
    ns === undefined ? "cannot say it" : `${ns < 100 ? ns.toFixed(1) : Math.round(ns).toLocaleString("en")} ns`;
  return {
    title: "Five admission expressions",
    notes: [
      ...CASES.map(({ name, what, cel }) => `${name}: ${what}: \`${cel}\``),
      "Vigil counts cost in Kubernetes' units throughout. In brackets: times Vigil's.",
    ],
    columns: ["engine", ...CASES.map(({ name }) => name)],
    rows: [...columns].map(([name, values]) => [
      name,
      ...CASES.map(
        (_, row) =>
          `${cell(values[row])}${name === "Vigil" || values[row] === undefined ? "" : ` (${((values[row] ?? 0) / (ours[row] ?? 1)).toFixed(1)} ×)`}`,
      ),
    ]),
    targets,
    versions: { ...Object.fromEntries(PACKAGES.map((name) => [name, packageVersion(name)])), ...go.versions },
  };
}
