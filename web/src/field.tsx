// A surface as a map: tints by height, contour lines, and the ways that optimisers took over it.
import { useEffect, useId, useMemo, useRef, useState } from "preact/hooks";
import { contour, joined } from "./contours";
import { MONO, shape } from "./draw";
import { evenly } from "./lines";
import { Swatch } from "./signs";
import { DataTable } from "./table";
import { color, isDark, sheet } from "./theme";
import type { SimField } from "./types";
import { num, plural, real } from "./words";

const TINTS: [number, number, number][] = [[16, 46, 82], [30, 91, 130], [70, 143, 158], [142, 186, 168], [224, 218, 178], [231, 184, 103], [205, 110, 52], [150, 52, 26]];
const LEVELS = 14;
const DASHES: Record<string, number[]> = { solid: [], dashed: [7, 4], dotted: [2, 4], dashdot: [8, 3, 2, 3] };

export function tint(share: number): [number, number, number] {
  const at = Math.max(0, Math.min(0.9999, share)) * (TINTS.length - 1);
  const low = TINTS[Math.floor(at)]!;
  const high = TINTS[Math.floor(at) + 1]!;
  return low.map((value, k) => Math.round(value + (high[k]! - value) * (at % 1))) as [number, number, number];
}

export function FieldView({ field, frame }: { field: SimField; frame: number | null }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const host = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  const id = useId();
  const dark = isDark.value;
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry!.contentRect.width)));
    observer.observe(host.current!);
    return () => observer.disconnect();
  }, []);
  const ground = useMemo(() => prepare(field), [field]);
  const height = Math.round(Math.max(260, Math.min(width * 0.72, 460)));
  useEffect(() => {
    if (width) paint(canvas.current!, field, ground, width, height, frame);
  }, [field, ground, width, height, frame, dark]);
  return (
    <figure class="chart field" aria-labelledby={`${id}-t`}>
      <figcaption>
        <h2 id={`${id}-t`}>{field.title}</h2>
        <ul class="legend">
          {field.paths.map((path) => <li key={path.name}><Swatch role={path.role} dash={path.dash} style={path.style} />{path.name}</li>)}
        </ul>
      </figcaption>
      <div ref={host}>
        <canvas ref={canvas} role="img" aria-label={spoken(field, ground)} style={{ width: "100%", height: `${height}px` }} />
      </div>
      <p class="axis-name" aria-hidden="true">{field.x_axis.label} → · {field.y_axis.label} ↑</p>
      {ground.high > ground.low && <div class="tints" aria-hidden="true">
        <span>{num(ground.low, 3)}</span>
        <svg viewBox="0 0 80 6" preserveAspectRatio="none" height="8">{Array.from({ length: 40 }, (_, k) => <rect key={k} x={k * 2} width="2.1" height="6" fill={`rgb(${tint(k / 39)})`} />)}</svg>
        <span>{num(ground.high, 3)}{field.log ? ", logarithmic" : ""}</span>
      </div>}
      {field.caveat && <p class="remark">{field.caveat}</p>}
      {field.off_scale > 0 && <p class="remark">{plural(field.off_scale, "point")} of the paths lie off the map.</p>}
      {field.paths.length > 0 && <DataTable name={`the paths of ${field.title}`} picture={() => canvas.current} make={() => ({
        columns: ["point", ...field.paths.flatMap((path) => [`${path.name}: ${field.x_axis.label}`, `${path.name}: ${field.y_axis.label}`])],
        count: Math.max(...field.paths.map((path) => path.x.length)),
        row: (place) => [place, ...field.paths.flatMap((path) => [path.x[place] ?? null, path.y[place] ?? null])],
      })} />}
    </figure>
  );
}

interface Ground { shares: Float64Array[]; low: number; high: number }

function prepare(field: SimField): Ground {
  const values = field.values.map((row) => Float64Array.from(row, real));
  let low = Infinity;
  let high = -Infinity;
  for (const row of values) for (const value of row) if (Number.isFinite(value)) [low, high] = [Math.min(low, value), Math.max(high, value)];
  const span = high - low || 1;
  // Logarithmic tints count from a thousandth of the span above the least, so that the floor itself has a colour.
  const f = field.log ? (value: number) => Math.log1p(((value - low) / span) * 1000) / Math.log1p(1000) : (value: number) => (value - low) / span;
  return { shares: values.map((row) => row.map(f)), low, high };
}

function spoken(field: SimField, ground: Ground): string {
  const ends = field.paths.map((path) => {
    const last = path.x.length - 1;
    return last < 0 ? path.name : `${path.name} ends at ${num(path.x[last])}, ${num(path.y[last])} after ${plural(last, "step")}`;
  });
  return `Map of ${field.title}: from ${num(ground.low)} in the valley to ${num(ground.high)}. ${ends.join(". ")}`;
}

function paint(canvas: HTMLCanvasElement, field: SimField, ground: Ground, width: number, height: number, frame: number | null): void {
  const ratio = devicePixelRatio || 1;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const ctx = canvas.getContext("2d")!;
  ctx.scale(ratio, ratio);
  const colors = sheet();
  const box = { left: 46, top: 8, width: width - 54, height: height - 36 };
  const xs = field.x.map(real);
  const ys = field.y.map(real);
  const [x0, x1, y0, y1] = [xs[0]!, xs[xs.length - 1]!, ys[0]!, ys[ys.length - 1]!];
  const X = (value: number): number => box.left + ((value - x0) / (x1 - x0 || 1)) * box.width;
  const Y = (value: number): number => box.top + box.height - ((value - y0) / (y1 - y0 || 1)) * box.height;
  const [columns, rows] = [xs.length, ys.length];
  const image = new ImageData(columns, rows);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const share = ground.shares[row]![column]!;
      image.data.set(Number.isFinite(share) ? [...tint(share), 255] : [128, 128, 128, 60], 4 * ((rows - 1 - row) * columns + column));
    }
  }
  const flat = !(ground.high > ground.low); // no surface: directions alone, on plain paper
  const small = new OffscreenCanvas(columns, rows);
  small.getContext("2d")!.putImageData(image, 0, 0);
  ctx.save();
  ctx.beginPath();
  ctx.rect(box.left, box.top, box.width, box.height);
  ctx.clip();
  const [cellX, cellY] = [box.width / (columns - 1), box.height / (rows - 1)];
  if (flat) {
    ctx.fillStyle = colors.paper;
    ctx.fillRect(box.left, box.top, box.width, box.height);
  } else ctx.drawImage(small, box.left - cellX / 2, box.top - cellY / 2, box.width + cellX, box.height + cellY);
  for (let level = 1; level < LEVELS && !flat; level++) {
    ctx.strokeStyle = level % 5 === 0 ? "rgba(20,18,12,.62)" : "rgba(20,18,12,.3)";
    ctx.lineWidth = level % 5 === 0 ? 1 : 0.7;
    ctx.beginPath();
    for (const line of joined(contour(ground.shares, level / LEVELS))) {
      line.forEach(([column, row], k) => {
        const [px, py] = [box.left + column * cellX, box.top + box.height - row * cellY];
        if (k) ctx.lineTo(px, py);
        else ctx.moveTo(px, py);
      });
    }
    ctx.stroke();
  }
  ctx.strokeStyle = "rgba(255,255,255,.75)";
  ctx.lineWidth = 1.2;
  for (const [ax, ay, dx, dy] of field.arrows) arrow(ctx, X(ax), Y(ay), X(ax + dx), Y(ay + dy));
  const draw = (points: boolean): void => {
    for (const path of field.paths) if ((path.style === "points") === points) drawPath(ctx, path.x.map(real), path.y.map(real), path.role, path.dash, points, path.played ? frame : null, X, Y);
  };
  draw(false);
  for (const mark of field.markers) drawMarker(ctx, X(real(mark.x)), Y(real(mark.y)), mark.text, box);
  ctx.restore();
  draw(true); // a point on the edge is drawn whole
  ctx.strokeStyle = colors.soft;
  ctx.lineWidth = 1;
  ctx.strokeRect(box.left + 0.5, box.top + 0.5, box.width - 1, box.height - 1);
  ctx.fillStyle = colors.soft;
  ctx.font = `11px ${MONO}`;
  ctx.textAlign = "center";
  for (const x of evenly(x0, x1)) {
    const label = num(round(x, x1 - x0), 3);
    const half = ctx.measureText(label).width / 2;
    ctx.fillText(label, Math.min(X(x), box.left + box.width - half), height - 12);
    ctx.beginPath();
    ctx.moveTo(X(x), box.top + box.height);
    ctx.lineTo(X(x), box.top + box.height + 4);
    ctx.stroke();
  }
  ctx.textAlign = "right";
  for (const y of evenly(y0, y1)) {
    ctx.fillText(num(round(y, y1 - y0), 3), box.left - 6, Math.max(Y(y) + 4, 14));
    ctx.beginPath();
    ctx.moveTo(box.left - 4, Y(y));
    ctx.lineTo(box.left, Y(y));
    ctx.stroke();
  }
}

function drawPath(ctx: CanvasRenderingContext2D, x: number[], y: number[], role: string, dash: string, points: boolean, frame: number | null, X: (v: number) => number, Y: (v: number) => number): void {
  const size = frame === null ? x.length : Math.min(frame + 1, x.length);
  if (!size) return;
  if (points) {
    for (const [paint, radius] of [["rgba(255,255,255,.9)", 5], [pathColor(role), 3.6]] as const) {
      ctx.fillStyle = paint;
      for (let k = 0; k < size; k++) shape(ctx, X(x[k]!), Y(y[k]!), radius, dash);
    }
    return;
  }
  for (const halo of [true, false]) {
    ctx.strokeStyle = halo ? "rgba(255,255,255,.85)" : pathColor(role);
    ctx.lineWidth = halo ? 4.2 : 2.2;
    ctx.lineJoin = "round";
    ctx.setLineDash(halo ? [] : (DASHES[dash] ?? []));
    ctx.beginPath();
    for (let k = 0; k < size; k++) if (Number.isFinite(x[k]! + y[k]!)) ctx.lineTo(clamp(X(x[k]!)), clamp(Y(y[k]!)));
    ctx.stroke();
  }
  ctx.setLineDash([]);
  if (size < 80) {
    ctx.fillStyle = pathColor(role);
    for (let k = 0; k < size; k++) circle(ctx, X(x[k]!), Y(y[k]!), 1.9);
  }
  const last = size - 1;
  ctx.fillStyle = "#fff";
  circle(ctx, X(x[last]!), Y(y[last]!), 6);
  ctx.fillStyle = pathColor(role);
  circle(ctx, X(x[last]!), Y(y[last]!), 4);
}

/** On the map's own tints the colours of paper are right by day and by night. */
function pathColor(role: string): string {
  return { train: "#0b4f86", other: "#0b6fb0", momentum: "#00704f", adam: "#8d2d68", sgd: "#a85b00", sixth: "#9b3c00" }[role] ?? (role === "reference" || role === "ink" ? "#1b1b18" : color(role));
}

function drawMarker(ctx: CanvasRenderingContext2D, x: number, y: number, text: string, box: { left: number; width: number }): void {
  if (!Number.isFinite(x + y)) return;
  ctx.strokeStyle = "#fff";
  ctx.lineWidth = 4;
  ctx.beginPath();
  ctx.moveTo(x - 5, y);
  ctx.lineTo(x + 5, y);
  ctx.moveTo(x, y - 5);
  ctx.lineTo(x, y + 5);
  ctx.stroke();
  ctx.strokeStyle = "#1b1b18";
  ctx.lineWidth = 1.6;
  ctx.stroke();
  ctx.font = `11px ${MONO}`;
  ctx.textAlign = x > box.left + box.width * 0.7 ? "right" : "left";
  const base = x + (ctx.textAlign === "left" ? 8 : -8);
  ctx.strokeStyle = "rgba(255,255,255,.85)";
  ctx.lineWidth = 3.5;
  ctx.strokeText(text, base, y - 6);
  ctx.fillStyle = "#1b1b18";
  ctx.fillText(text, base, y - 6);
}

function arrow(ctx: CanvasRenderingContext2D, x0: number, y0: number, x1: number, y1: number): void {
  const angle = Math.atan2(y1 - y0, x1 - x0);
  ctx.beginPath();
  ctx.moveTo(x0, y0);
  ctx.lineTo(x1, y1);
  for (const turn of [2.6, -2.6]) {
    ctx.moveTo(x1, y1);
    ctx.lineTo(x1 + 5 * Math.cos(angle + turn), y1 + 5 * Math.sin(angle + turn));
  }
  ctx.stroke();
}

function circle(ctx: CanvasRenderingContext2D, x: number, y: number, size: number): void {
  if (!Number.isFinite(x + y)) return;
  ctx.beginPath();
  ctx.arc(clamp(x), clamp(y), size, 0, 7);
  ctx.fill();
}

/** Rounding leaves 1e-17 where zero is meant. */
function round(value: number, span: number): number {
  return Math.abs(value) < Math.abs(span) * 1e-6 ? 0 : value;
}

function clamp(value: number): number {
  return Math.max(-1e5, Math.min(1e5, value));
}
