// What a simulation computed: plots, maps, tables, steps and numbers, whole or up to a frame.
import { signal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { Chart } from "./chart";
import { FieldView } from "./field";
import type { Line, Mark, Stretch } from "./lines";
import { evidenceText } from "./parts";
import { Glyph } from "./signs";
import { DataTable } from "./table";
import type { Evidence, Link, Result, SimPlot, SimStep, SimTable } from "./types";
import { plural, real, scalar, visible } from "./words";

export function LinkTo({ link }: { link: Link }) {
  const state = Object.entries(link.values).map(([name, value]) => `${name}=${encodeURIComponent(typeof value === "boolean" ? (value ? "1" : "0") : String(value))}`);
  return <a class="try" href={`#/lab/${encodeURIComponent(link.simulation)}${state.length ? `?${["1", ...state].join("&")}` : ""}`}>{link.text}</a>;
}

export function Plots({ result, frame }: { result: Result; frame: number | null }) {
  return (
    <div class="charts">
      {result.fields.map((field) => <FieldView key={field.title} field={field} frame={frame} />)}
      {result.plots.map((plot) => <PlotView key={plot.title} plot={plot} frame={frame} />)}
    </div>
  );
}

function PlotView({ plot, frame }: { plot: SimPlot; frame: number | null }) {
  const cursor = useMemo(() => signal<number | null>(null), []);
  const whole = useMemo(() => plot.series.map((each) => ({
    name: each.name, role: each.role, style: each.style === "band" ? "line" : each.style, dash: each.dash, played: each.played, wide: each.style === "band", dots: each.x.length < 4,
    x: Float64Array.from(each.x, real), y: Float64Array.from(each.y, real),
    low: each.low.length ? Float64Array.from(each.low, real) : undefined, high: each.high.length ? Float64Array.from(each.high, real) : undefined,
  })), [plot]);
  const lines = useMemo((): Line[] => whole.map((line) => (frame === null || !line.played ? line : { ...line, x: line.x.slice(0, frame + 1), y: line.y.slice(0, frame + 1), low: line.low?.slice(0, frame + 1), high: line.high?.slice(0, frame + 1) })), [whole, frame]);
  const marks = useMemo((): Mark[] => plot.markers.map((each) => ({ x: real(each.x), y: real(each.y), text: each.text, sign: each.sign })), [plot]);
  const spans = useMemo((): Stretch[] => plot.spans.map((each) => ({ x0: real(each.x0), x1: real(each.x1), text: each.text, sign: each.sign })), [plot]);
  const lost = useMemo(() => whole.flatMap((line) => Array.from(line.x).filter((_, k) => !Number.isFinite(line.y[k]!))).filter(Number.isFinite), [whole]);
  // The window is that of the whole result: an axis that moves while it plays hides what moves.
  const across = useMemo(() => fixed(plot.x, whole.map((line) => line.x)), [whole]);
  const up = useMemo(() => fixed(plot.y, whole.flatMap((line) => [line.y, line.low ?? [], line.high ?? []])), [whole]);
  const said = [plot.off_scale > 0 ? `${plural(plot.off_scale, "point")} outside the window` : "", ...plot.spans.map((each) => each.text)].filter(Boolean).join(" · ");
  return <Chart title={plot.title} x={{ ...plot.x, ...across }} y={{ ...plot.y, ...up }} lines={lines} marks={marks} spans={spans} lost={lost} cursor={cursor} note={said || undefined} height={270} level={2} />;
}

function fixed(axis: SimPlot["x"], values: ArrayLike<number>[]): { low: number | null; high: number | null } {
  const [ownLow, ownHigh] = [real(axis.low), real(axis.high)];
  let [low, high] = [Infinity, -Infinity];
  for (const each of values) for (let k = 0; k < each.length; k++) if (Number.isFinite(each[k]!) && (!axis.log || each[k]! > 0)) [low, high] = [Math.min(low, each[k]!), Math.max(high, each[k]!)];
  if (low > high) return { low: Number.isFinite(ownLow) ? ownLow : null, high: Number.isFinite(ownHigh) ? ownHigh : null };
  const room = axis.log ? 1.25 : 0;
  const pad = axis.log ? 0 : (high - low) * 0.04 || Math.abs(high) * 0.1 || 0.5;
  return { low: Number.isFinite(ownLow) ? ownLow : axis.log ? low / room : low - pad, high: Number.isFinite(ownHigh) ? ownHigh : axis.log ? high * room : high + pad };
}

export function Tables({ tables }: { tables: SimTable[] }) {
  return (
    <>
      {tables.map((table) => (
        <div key={table.title} class="scroll" tabIndex={0} role="region" aria-label={table.title}>
          <table><caption>{visible(table.title)}</caption><thead><tr>{table.signs.length > 0 && <th scope="col"><span class="unseen">sign</span></th>}{table.columns.map((column) => <th key={column} scope="col">{visible(column)}</th>)}</tr></thead>
            <tbody>{table.rows.map((row, k) => <tr key={k}>{table.signs.length > 0 && <td>{table.signs[k] && <><Glyph sign={table.signs[k]!} /><span class="unseen">{table.signs[k]}</span></>}</td>}{row.map((cell, n) => <td key={n} class={typeof cell === "number" ? "number" : undefined}>{visible(scalar(cell))}</td>)}</tr>)}</tbody></table>
        </div>
      ))}
    </>
  );
}

/** The steps up to a frame, the last of them marked; all of them, none marked, where they are not played. */
export function Steps({ steps, frame, loops }: { steps: SimStep[]; frame: number | null; loops?: string }) {
  if (!steps.length) return null;
  const current = frame === null ? Infinity : Math.min(frame, steps.length - 1);
  return (
    <div class={loops ? "loop" : undefined}>
    <ol class="steps">
      {steps.map((step, k) => (
        <li key={k} class={`${k === current ? "current" : ""} ${k > current ? "ahead" : ""}`} aria-current={k === current ? "step" : undefined}>
          <p class="title">{step.sign && <Glyph sign={step.sign} />} {visible(step.title)}</p>
          {step.text && <p>{visible(step.text)}</p>}
          {step.formula && <p><code>{visible(step.formula)}</code></p>}
          {step.worked && <p><code class="worked">{visible(step.worked)}</code></p>}
          {step.numbers.length > 0 && <ul class="values">{step.numbers.map((each, n) => <li key={n}>{evidenceText(each)}</li>)}</ul>}
          {step.links.length > 0 && <p>{step.links.map((link, n) => <LinkTo key={n} link={link} />)}</p>}
        </li>
      ))}
    </ol>
    {loops && <p class="back"><span aria-hidden="true">↑</span> {visible(loops)}</p>}
    </div>
  );
}

const NAMES: Record<string, string> = { sgd: "SGD", adam: "Adam", adamw: "AdamW", nadam: "NAdam", radam: "RAdam", rmsprop: "RMSProp", adagrad: "AdaGrad", lion: "Lion", nesterov: "Nesterov", adafactor: "Adafactor" };

/** "turns on the way, sgd" with the optimizer's name as people write it. */
function told(name: string): string {
  return visible(name).replace(/, ([a-z]+)$/, (whole, last: string) => (NAMES[last] ? `, ${NAMES[last]}` : whole));
}

export function Evidences({ evidence }: { evidence: Evidence[] }) {
  if (!evidence.length) return null;
  return (
    <>
      <dl class="facts numbers">{evidence.slice(0, 12).map((each, k) => <div key={k}><dt>{told(each.name)}</dt><dd>{visible(scalar(each.value))}{each.unit && ` ${each.unit}`}{each.threshold !== null && each.threshold !== undefined && <span class="soft"> (threshold {scalar(each.threshold)})</span>}</dd></div>)}</dl>
      {evidence.length > 12 && <DataTable name="all numbers" make={() => ({ columns: ["name", "value", "threshold", "unit"], count: evidence.length, row: (place) => [evidence[place]!.name, evidence[place]!.value, evidence[place]!.threshold, evidence[place]!.unit] })} />}
    </>
  );
}
