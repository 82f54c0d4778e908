// What a run is held against once it is asked: the recorded curves, the curvature of its loss, and its weights.
import { useMemo, useState } from "preact/hooks";
import { get, isFailure, series, type Drawn } from "../api";
import { Chart } from "../chart";
import { useData } from "../data";
import type { Line } from "../lines";
import { Failed, Section } from "../parts";
import { query, setParameter } from "../route";
import { Glyph } from "../signs";
import { DataTable } from "../table";
import type { RunDetail } from "../types";
import { num, plural, real, visible, type Real } from "../words";

interface Nearest {
  alike: boolean; threshold: number; tied: string[]; moments: number[]; guess: boolean;
  nearest: { name: string; title: string; story: string; expected: string; distance: number }[];
  curves: { name: string; train: Real[]; validation: Real[] }[];
}

/** The recorded curve of the gallery that this run looks most like; by shape alone, which is said. */
export function Resemblance({ run, looked }: { run: RunDetail; looked: string[] }) {
  const ended = run.status !== "running";
  const { data, failure } = useData<Nearest | null>(`nearest ${run.id} ${ended ? run.signature : ""}`, (stop) => (ended ? get<Nearest>(`/api/runs/${run.id}/nearest`, stop) : Promise.resolve(null)));
  const lines = useMemo(() => (data ? shapes(data) : []), [data]);
  if (failure || !data) return null; // too short a run has no shape, and nothing is missing where it has none
  const first = data.nearest[0]!;
  const tied = data.nearest.filter((each) => data.tied.includes(each.name));
  const away = first.expected && looked.includes(first.expected);
  return (
    <Section id="nearest" title="Looks most like">
      <p class="lead">{data.alike ? <>the recorded run <a href={gallery(first.name)}>{visible(first.title)}</a>{tied.length > 0 && <>, and as much like {tied.map((each, k) => <span key={each.name}>{k > 0 && ", "}<a href={gallery(each.name)}>{visible(each.title)}</a></span>)}</>}</> : <>none of the recorded runs; the nearest is <a href={gallery(first.name)}>{visible(first.title)}</a></>}</p>
      <p class="prose">Distance {num(first.distance, 3)} doublings{data.alike ? "" : `, more than ${num(data.threshold)}`}: the root mean square difference in level and in swing, over time as a share of the run. {first.story && `There: ${visible(first.story)}.`} A shape is no cause{away ? <>: <Glyph sign="healthy" /> the doctor looked for <code>{visible(first.expected)}</code> in this run and did not find it.</> : "."}</p>
      <Chart title="this run and the nearest recorded one" x={{ label: "share of the run" }} y={{ label: data.guess ? "loss, a guess is 1" : "loss, the first is 1", log: true }} lines={lines} marks={[{ x: NaN, y: 1, text: data.guess ? "guessing" : "first loss", sign: null }]} />
      <DataTable name="distances to all recorded runs" title="Distances to all recorded runs" make={() => ({ columns: ["recorded run", "distance, doublings"], count: data.nearest.length, row: (place) => [data.nearest[place]!.title, data.nearest[place]!.distance] })} />
    </Section>
  );
}

function gallery(name: string): string {
  return `#/lab/loss-curves?1${name === "good" ? "" : `&scenario=${encodeURIComponent(name)}`}`;
}

function shapes(data: Nearest): Line[] {
  const titles = new Map(data.nearest.map((each) => [each.name, each.title]));
  return data.curves.slice(0, 2).flatMap((curve): Line[] => {
    const own = curve.name === "";
    const name = own ? "this run" : visible(titles.get(curve.name));
    const line = (values: Real[], what: string, role: string, dash: string): Line => ({ name: `${name}, ${what}`, x: data.moments, y: values.map(real), role, dash, wide: own });
    const held = curve.validation.length ? [line(curve.validation, "validation", own ? "validation" : "momentum", own ? "dashed" : "dashdot")] : [];
    return [line(curve.train, "training", own ? "train" : "reference", own ? "solid" : "dotted"), ...held];
  });
}

interface Place { name: string; step: number; sharpness: Real; limit: Real }
interface Curvature { places: Place[]; left_out: number; factor: number; bound: boolean; optimizer: string; samples: number; dimensions: number }

/** The rate beside the one that the curvature allows. Measured only when asked for: the model is built for it. */
export function RateAgainstCurvature({ run }: { run: RunDetail }) {
  const wanted = query.value.get("curvature") === "1";
  const { data, failure, again } = useData<Curvature | null>(`curvature ${run.id} ${wanted} ${wanted && run.status !== "running" ? run.signature : ""}`, (stop) => (wanted ? get<Curvature>(`/api/runs/${run.id}/curvature`, stop) : Promise.resolve(null)));
  const logged = useData<Drawn | null>(`rate ${run.id} ${wanted}`, async (stop) => (wanted ? ((await series(run.id, { tags: ["rate"] }, stop)).series[0] ?? null) : null), [run.id]);
  const { lines, low } = useMemo(() => limits(data, logged.data), [data, logged.data]);
  return (
    <Section id="curvature" title="Rate against curvature">
      {!wanted && <p class="buttons"><button type="button" onClick={() => setParameter("curvature", "1")}>Measure 2 / sharpness</button> <span class="soft">builds the model again and follows its steepest curvature at the weights that the run kept: some seconds</span></p>}
      {wanted && !data && !failure && <p class="remark" role="status">measuring…</p>}
      {wanted && isFailure(failure) && <Failed failure={failure} again={again} />}
      {data && (
        <>
          <Chart title="the rate and the limit that the curvature sets" x={{ label: "step" }} y={{ label: "rate", log: true, low }} lines={lines} />
          <p class="prose">{told(data)} Sharpness is the largest curvature over all {num(data.dimensions)} weights, on {plural(data.samples, "training sample")}, by power iteration; between the places nobody looked{data.left_out > 0 ? `, and ${plural(data.left_out, "kept set")} of weights ${data.left_out === 1 ? "was" : "were"} left out` : ""}.</p>
          <div class="scroll" tabIndex={0} role="region" aria-label="curvature at the weights that were kept"><table><thead><tr><th scope="col">weights</th><th scope="col" class="number">step</th><th scope="col" class="number">sharpness</th><th scope="col" class="number">2 / sharpness</th></tr></thead>
            <tbody>{data.places.map((place) => <tr key={place.name}><td>{visible(place.name)}</td><td class="number">{num(place.step)}</td><td class="number">{num(place.sharpness)}</td><td class="number">{place.limit === null ? "none" : num(place.limit)}</td></tr>)}</tbody></table></div>
        </>
      )}
    </Section>
  );
}

function told(data: Curvature): string {
  if (data.bound && data.factor === 1) return "Above the dashed line plain gradient descent cannot settle.";
  if (data.bound) return `Above the dashed line gradient descent cannot settle: its momentum raises 2 / sharpness ${num(data.factor, 3)} times.`;
  return `This is the limit of plain gradient descent. ${visible(data.optimizer)} scales each weight by itself and has another one, so a rate above the line is no mistake.`;
}

function limits(data: Curvature | null, rate: Drawn | null): { lines: Line[]; low: number | null } {
  const lines: Line[] = rate ? [{ name: "rate", x: rate.x, y: rate.y, role: "train" }] : [];
  if (!data) return { lines, low: null };
  const places = data.places.filter((place) => place.limit !== null);
  const limit = places.map((place) => real(place.limit) * data.factor);
  lines.push({ name: data.factor === 1 ? "2 / sharpness" : "2 (1 + momentum) / sharpness", x: places.map((place) => place.step), y: limit, role: data.bound ? "warning" : "reference", dash: "dashed", dots: true });
  // A rate that a schedule brings to zero is not followed down: what matters is whether it passes the limit.
  const top = Math.max(...Array.from(rate?.y ?? []).filter(Number.isFinite), 0);
  const least = Math.min(top || Infinity, ...limit);
  return { lines, low: Number.isFinite(least) && least > 0 ? least / 30 : null };
}

interface Moment { counts: number[]; mean: Real; std: Real; low: Real; high: Real; zeros: Real; lost: number }
interface Spread { moments: { name: string; step: number }[]; left_out: number; parameters: { name: string; shape: number[]; edges: number[]; moments: Moment[] }[] }

const DASHES = ["dotted", "dashdot", "dashed", "solid"];
const ROLES = ["reference", "momentum", "validation", "train"];

/** A histogram of each parameter, at the weights that the run kept. Read only when asked for: checkpoints are large. */
export function Weights({ run }: { run: RunDetail }) {
  const wanted = query.value.get("weights"); // "1", or the name of a parameter
  const { data, failure, again } = useData<Spread | null>(`weights ${run.id} ${wanted !== null} ${wanted !== null && run.status !== "running" ? run.signature : ""}`, (stop) => (wanted !== null ? get<Spread>(`/api/runs/${run.id}/weights`, stop) : Promise.resolve(null)));
  const [log, setLog] = useState(false);
  const chosen = data?.parameters.find((each) => each.name === wanted) ?? data?.parameters[0];
  const lines = useMemo((): Line[] => {
    if (!data || !chosen) return [];
    const skip = Math.max(chosen.moments.length - DASHES.length, 0); // the newest, which are dashed apart
    return chosen.moments.slice(skip).map((moment, k, all) => ({ name: visible(data.moments[skip + k]?.name ?? ""), x: chosen.edges, y: [...moment.counts, moment.counts[moment.counts.length - 1]!], style: "steps", role: ROLES[ROLES.length - all.length + k]!, dash: DASHES[DASHES.length - all.length + k]!, wide: k === all.length - 1 }));
  }, [data, chosen]);
  return (
    <Section id="weights" title="Weights">
      {wanted === null && <p class="buttons"><button type="button" onClick={() => setParameter("weights", "1")}>Look at the weights it kept</button> <span class="soft">a histogram of each parameter, from its checkpoints</span></p>}
      {wanted !== null && !data && !failure && <p class="remark" role="status">reading…</p>}
      {wanted !== null && isFailure(failure) && <Failed failure={failure} again={again} />}
      {data && chosen && (
        <>
          <div class="toolbar"><label class="inline">parameter <select value={chosen.name} onChange={(event) => setParameter("weights", event.currentTarget.value)}>{data.parameters.map((each) => <option key={each.name} value={each.name}>{visible(each.name)} ({each.shape.join(" × ")})</option>)}</select></label></div>
          <Chart title={`values of ${visible(chosen.name)}`} x={{ label: "value" }} y={{ label: "weights", log, low: log ? 0.8 : 0 }} lines={lines} onLog={() => setLog(!log)} />
          <details class="twin"><summary>All parameters</summary>
          <div class="scroll" tabIndex={0} role="region" aria-label="all parameters">
            <table class="numbers"><caption>{visible(data.moments[data.moments.length - 1]!.name)}: {plural(data.parameters.length, "parameter")}{data.left_out ? `, ${num(data.left_out)} more left out` : ""}</caption><thead><tr>{["parameter", "shape", "mean", "spread", "least", "greatest", "zeros", "not finite"].map((each) => <th key={each} scope="col">{each}</th>)}</tr></thead>
              <tbody>{data.parameters.map((each) => { const last = each.moments[each.moments.length - 1]!; return <tr key={each.name} class={each === chosen ? "current" : undefined}><td><button type="button" class="plain" onClick={() => setParameter("weights", each.name)}>{visible(each.name)}</button></td><td>{each.shape.join(" × ")}</td><td>{num(last.mean)}</td><td>{num(last.std)}</td><td>{num(last.low)}</td><td>{num(last.high)}</td><td>{num(real(last.zeros) * 100, 3)} %</td><td>{last.lost ? <><Glyph sign="error" /> {num(last.lost)}</> : "0"}</td></tr>; })}</tbody></table>
          </div>
          </details>
        </>
      )}
    </Section>
  );
}
