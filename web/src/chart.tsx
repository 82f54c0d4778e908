// A chart: a frame by uPlot, our own lines on it, and for those who do not see it a name, a summary, keys and a table.
import { useSignalEffect, type Signal } from "@preact/signals";
import { useEffect, useId, useMemo, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { MONO, drawScene, type Scene } from "./draw";
import { evenly, nearest, places, summary, valueAt, windowOf, type Line, type Mark, type Pin, type Range, type Stretch } from "./lines";
import { Glyph, Swatch } from "./signs";
import { DataTable, rowsOf } from "./table";
import { isDark, sheet } from "./theme";
import { asSvg, type Ticks } from "./vector";
import type { AxisSpec } from "./types";
import { num } from "./words";

export interface ChartProps {
  title: string; x: AxisSpec; y: AxisSpec; lines: Line[]; marks?: Mark[]; spans?: Stretch[]; lost?: number[]; pins?: Pin[];
  note?: string; height?: number; cursor?: Signal<number | null>; range?: Range | null; onRange?: (range: Range | null) => void;
  onWidth?: (pixels: number) => void; onLog?: () => void; level?: 2 | 3;
}

export function Chart(props: ChartProps) {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const [width, setWidth] = useState(0);
  const [box, setBox] = useState<Range>([0, 0]);
  const [at, setAt] = useState<number | null>(null);
  const [spoken, setSpoken] = useState("");
  const id = useId();
  const { lines, x, y } = props;
  const sorted = useMemo(() => places(lines), [lines]);
  const window_ = useMemo((): [Range, Range] => {
    const across = props.range ?? windowOf(x, lines.map((line) => line.x), 0);
    const levels = (props.marks ?? []).filter((mark) => Number.isFinite(mark.y) && !Number.isFinite(mark.x)).map((mark) => mark.y);
    const values = lines.flatMap((line) => [line.y, line.low ?? [], line.high ?? []]);
    const bars = lines.some((line) => line.style === "bars" || line.style === "stems") && !y.log ? [[0]] : [];
    return [across, windowOf(y, [...values, levels, ...bars], 0.06)];
  }, [lines, props.range, props.marks, x.log, x.low, x.high, y.log, y.low, y.high]);
  const scene: Scene = { lines, marks: props.marks ?? [], spans: props.spans ?? [], lost: props.lost ?? [], xLog: !!x.log, yLog: !!y.log };
  const ticks = useRef<Ticks>({ x: [[], []], y: [[], []] });
  const current = useRef({ scene, window_ });
  current.current = { scene, window_ };

  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => {
      const next = Math.floor(entry!.contentRect.width);
      setWidth(next);
      if (next) latest.current.onWidth?.(next);
    });
    observer.observe(host.current!);
    return () => observer.disconnect();
  }, []);

  const narrow = width < 480;
  const height = props.height ?? (narrow ? 200 : 240);
  const dark = isDark.value;
  useEffect(() => {
    if (!width) return;
    const colors = sheet();
    const axis = { stroke: colors.soft, font: `11px ${MONO}`, ticks: { stroke: colors.soft, width: 1, size: 5 }, grid: { stroke: colors.grid, width: 1 } };
    const named = (_: uPlot, values: number[]): (string | null)[] => (ticks.current.x = [values, values.map(tick)])[1];
    const shortly = (_: uPlot, values: number[]): (string | null)[] => (ticks.current.y = [values, values.map((value) => (y.label ? narrowly(value, y.log ? 3 : 5) : ""))])[1];
    const log = { splits: (_: uPlot, __: number, low: number, high: number): number[] => decades(low, high), filter: (_: uPlot, values: number[]): number[] => values };
    const made = new uPlot(
      {
        width, height, legend: { show: false }, padding: [8, 10, 0, 0],
        scales: {
          x: { time: false, distr: x.log ? 3 : 1, range: () => current.current.window_[0] },
          y: { distr: y.log ? 3 : 1, range: () => current.current.window_[1] },
        },
        series: [{}, { scale: "y", paths: () => null, points: { show: false } }],
        axes: [
          { ...axis, size: 34, space: narrow ? 56 : 70, ...(x.log ? log : {}), values: named },
          { ...axis, size: narrow ? 52 : 62, space: 30, ...(y.log ? log : {}), values: shortly },
        ],
        cursor: { y: false, points: { show: false }, drag: { x: !!props.onRange, y: false, setScale: false } },
        hooks: {
          draw: [(self: uPlot) => drawScene(self, current.current.scene)],
          setCursor: [(self: uPlot) => {
            const left = self.cursor.left ?? -1;
            if (left >= 0 && self.root.matches(":hover")) point(self.posToVal(left, "x"));
          }],
          setSelect: [(self: uPlot) => {
            if (self.select.width < 4) return;
            const from = self.posToVal(self.select.left, "x");
            const to = self.posToVal(self.select.left + self.select.width, "x");
            self.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
            latest.current.onRange?.([from, to]);
          }],
        },
      } as uPlot.Options,
      [sorted, sorted.map(() => null)] as unknown as uPlot.AlignedData,
      host.current!,
    );
    plot.current = made;
    const ratio = devicePixelRatio || 1;
    setBox([made.bbox.left / ratio, made.bbox.width / ratio]);
    return () => {
      made.destroy();
      plot.current = null;
    };
  }, [width, height, narrow, !!x.log, !!y.log, dark]);

  useEffect(() => {
    plot.current?.setData([sorted, sorted.map(() => null)] as unknown as uPlot.AlignedData, true);
    const ratio = devicePixelRatio || 1;
    if (plot.current) setBox([plot.current.bbox.left / ratio, plot.current.bbox.width / ratio]);
  }, [sorted, window_, props.spans, props.marks, props.lost]);

  function show(value: number | null): void {
    setAt(value);
    const self = plot.current;
    if (!self) return;
    const left = value === null ? -10 : self.valToPos(value, "x");
    if (!self.root.matches(":hover")) self.setCursor({ left, top: 0 }, false);
  }
  useSignalEffect(() => {
    if (props.cursor) show(props.cursor.value);
  });
  function point(value: number): void {
    const found = current.current.scene.lines.length ? (placesNow.current[nearest(placesNow.current, value)] ?? null) : null;
    if (latest.current.cursor) latest.current.cursor.value = found;
    else setAt(found);
  }
  const placesNow = useRef(sorted);
  placesNow.current = sorted;

  const readout = at === null ? "" : lines.filter((line) => !line.quiet).map((line) => `${line.name} ${num(valueAt(line, at))}`).join(", ");
  useEffect(() => {
    if (at === null || document.activeElement !== host.current) return;
    const timer = window.setTimeout(() => setSpoken(`${x.label} ${num(at)}: ${readout}`), 250);
    return () => window.clearTimeout(timer);
  }, [at, readout]);

  function key(event: KeyboardEvent): void {
    if (!sorted.length || event.ctrlKey || event.metaKey || event.altKey) return;
    const [low, high] = window_[0];
    const inside = sorted.filter((value) => value >= low && value <= high);
    if (!inside.length) return;
    const jump = event.shiftKey ? Math.max(Math.round(inside.length / 10), 1) : 1;
    const here = at === null ? -1 : nearest(inside, at);
    const go = (place: number): void => {
      event.preventDefault();
      const value = inside[Math.max(0, Math.min(place, inside.length - 1))]!;
      if (props.cursor) props.cursor.value = value;
      show(value);
    };
    if (event.key === "ArrowRight") go(here + jump);
    else if (event.key === "ArrowLeft") go(here < 0 ? inside.length - 1 : here - jump);
    else if (event.key === "Home") go(0);
    else if (event.key === "End") go(inside.length - 1);
    else if (props.onRange && (event.key === "+" || event.key === "=" || event.key === "-")) {
      const middle = at ?? (low + high) / 2;
      const factor = event.key === "-" ? 2 : 0.5;
      props.onRange([middle - (middle - low) * factor, middle + (high - middle) * factor]);
    } else if (props.onRange && (event.key === "0" || event.key === "Escape")) props.onRange(null);
  }

  const Heading = props.level === 2 ? "h2" : "h3";
  const legend = lines.filter((line) => !line.quiet);
  return (
    <figure class="chart" aria-labelledby={`${id}-t`}>
      <figcaption>
        <Heading id={`${id}-t`}>{props.title}</Heading>
        <ul class="legend">
          {legend.slice(0, 14).map((line) => (
            <li key={line.name}>
              <Swatch role={line.role} dash={line.dash} style={line.style} faint={line.faint} />
              {line.name}
              {at !== null && <b>{num(valueAt(line, at))}</b>}
            </li>
          ))}
          {legend.length > 14 && <li>and {legend.length - 14} more, in the table</li>}
          {at !== null && <li class="at">at {x.label} <b>{num(at)}</b></li>}
        </ul>
        {props.onLog && <button type="button" class="small" aria-pressed={!!y.log} onClick={props.onLog}>log scale</button>}
      </figcaption>
      <div
        ref={host} class="plot" tabIndex={0} role="group" aria-roledescription="chart" aria-label={`${props.title}, ${y.label} over ${x.label}`}
        aria-describedby={`${id}-s`} onKeyDown={key} onDblClick={() => props.onRange?.(null)} data-ready={width > 0}
      />
      <p class="axis-name" aria-hidden="true">{x.label}{x.unit ? `, ${x.unit}` : ""}</p>
      {!!props.pins?.length && box[1] > 0 && <PinLane pins={props.pins} box={box} range={window_[0]} log={!!x.log} />}
      <p id={`${id}-s`} class="unseen">{summary(lines, x)}. Arrow keys move along the curve.</p>
      <p class="unseen" role="status">{spoken}</p>
      {props.note && <p class="remark">{props.note}</p>}
      <DataTable name={props.title} make={() => rowsOf(lines, x, sorted)} picture={() => host.current?.querySelector("canvas") ?? null}
        drawing={() => (plot.current ? asSvg(plot.current, current.current.scene, ticks.current, props.title, `${x.label}${x.unit ? `, ${x.unit}` : ""}`, legend) : null)} />
    </figure>
  );
}

/** The ticks of a logarithmic axis: whole decades, every so many where there are many, twos and fives where there are few. */
function decades(low: number, high: number): number[] {
  const [from, to] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)];
  const every = Math.max(Math.ceil((to - from + 1) / 8), 1);
  const whole = Array.from({ length: Math.max(Math.floor((to - from) / every) + 1, 0) }, (_, k) => 10 ** (from + k * every));
  if (whole.length > 1) return whole;
  const finer: number[] = [];
  for (let power = from - 1; power <= to + 1; power++) for (const each of [1, 2, 3, 5]) finer.push(each * 10 ** power);
  const inside = finer.filter((value) => value >= low && value <= high);
  return inside.length > 1 ? inside : evenly(low, high);
}

/** A number in the room beside a chart: a million has seven digits and no place there. */
function narrowly(value: number | null, digits: number): string | null {
  if (value === null || value === undefined) return null;
  return Math.abs(value) >= 1e5 ? value.toExponential(2).replace(/\.?0+e\+?/, "e").replace("-", "−") : num(value, digits);
}

function tick(value: number | null): string | null {
  return value === null || value === undefined ? null : num(value, 6);
}

function PinLane({ pins, box, range, log }: { pins: Pin[]; box: Range; range: Range; log: boolean }) {
  const f = log ? Math.log10 : (value: number) => value;
  const ends: number[] = [];
  const placed = [...pins]
    .sort((a, b) => a.x - b.x)
    .map((pin) => {
      const share = Math.max(0, Math.min(1, (f(pin.x) - f(range[0])) / (f(range[1]) - f(range[0]) || 1)));
      const left = Math.min(box[0] + share * box[1], box[0] + box[1] - 10); // a pin at the end stays over the chart
      let row = ends.findIndex((end) => end < left - 17);
      if (row < 0) row = ends.length;
      ends[row] = left + 17;
      return { pin, left, row };
    });
  return (
    <div class="lane" style={{ height: `${ends.length * 26 + 4}px` }}>
      {placed.map(({ pin, left, row }) => (
        <a key={pin.number} class="pin" href={pin.href} style={{ left: `${left}px`, top: `${row * 26}px` }} aria-label={`finding ${pin.number}: ${pin.text}`} onClick={(event) => jump(event, pin.number)}>
          <Glyph sign={pin.sign} />{pin.number}
        </a>
      ))}
    </div>
  );
}

/** A card is not a place of its own in the address: the hash holds the page's state. */
function jump(event: MouseEvent, number: number): void {
  event.preventDefault();
  const card = document.getElementById(`finding-${number}`);
  card?.scrollIntoView({ block: "center" });
  card?.focus();
}
