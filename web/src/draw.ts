// Draws on the canvas of a chart: bands, lines, points, bars, steps and stems, spans behind them and marks before them.
import type uPlot from "uplot";
import type { Line, Mark, Stretch } from "./lines";
import { color, sheet } from "./theme";

const DASHES: Record<string, number[]> = { solid: [], dashed: [7, 4], dotted: [1.5, 3.5], dashdot: [8, 3, 1.5, 3] };

export interface Scene { lines: Line[]; marks: Mark[]; spans: Stretch[]; lost: number[]; xLog: boolean; yLog: boolean }
type Map1 = (value: number) => number;

export function drawScene(plot: uPlot, scene: Scene): void {
  const { ctx } = plot;
  const { left, top, width, height } = plot.bbox;
  const ratio = devicePixelRatio || 1;
  const x = scaled(plot.scales.x!, left, width, scene.xLog);
  const y = scaled(plot.scales.y!, top + height, -height, scene.yLog);
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, top, width, height);
  ctx.clip();
  for (const span of scene.spans) drawSpan(ctx, span, x, top, height, ratio);
  for (const line of scene.lines) drawLine(ctx, line, x, y, ratio, top + height);
  for (const line of scene.lines) if (!line.faint) drawLeaving(ctx, line, x, y, ratio, plot.bbox);
  const taken: Taken[] = [];
  for (const mark of scene.marks) drawMark(ctx, mark, x, y, plot.bbox, ratio, taken, scene.lines);
  if (scene.lost.length) drawLost(ctx, scene.lost, x, top, ratio);
  ctx.restore();
  ctx.save();
  ctx.strokeStyle = sheet().soft; // the neatline
  ctx.lineWidth = ratio;
  ctx.strokeRect(Math.round(left) + 0.5, Math.round(top) + 0.5, Math.round(width) - 1, Math.round(height) - 1);
  ctx.restore();
}

function scaled(scale: uPlot.Scale, start: number, length: number, log: boolean): Map1 {
  const f: Map1 = log ? (value) => (value > 0 ? Math.log10(value) : NaN) : (value) => value;
  const low = f(scale.min ?? 0);
  const high = f(scale.max ?? 1);
  const far = 1e7; // beyond what a canvas draws without wrapping round
  return (value) => Math.max(-far, Math.min(far, start + ((f(value) - low) / (high - low || 1)) * length));
}

function drawSpan(ctx: CanvasRenderingContext2D, span: Stretch, x: Map1, top: number, height: number, ratio: number): void {
  const from = x(span.x0);
  const to = Math.max(x(span.x1), from + ratio);
  const paint = color(span.sign ?? "reference");
  ctx.fillStyle = paint;
  ctx.globalAlpha = span.sign ? 0.09 : 0.03; // what is over is only hinted at
  ctx.fillRect(from, top, to - from, height);
  ctx.globalAlpha = 0.8;
  ctx.strokeStyle = paint;
  ctx.lineWidth = ratio;
  ctx.setLineDash(span.sign === "error" ? [] : span.sign === "warning" ? [5 * ratio, 3 * ratio] : [1.5 * ratio, 3 * ratio]);
  ctx.beginPath();
  ctx.moveTo(from, top);
  ctx.lineTo(from, top + height);
  ctx.stroke();
  ctx.setLineDash([]);
  ctx.globalAlpha = 1;
}

function drawLine(ctx: CanvasRenderingContext2D, line: Line, x: Map1, y: Map1, ratio: number, floor: number): void {
  const paint = color(line.role);
  const size = line.x.length;
  ctx.strokeStyle = ctx.fillStyle = paint;
  ctx.lineWidth = (line.faint ? 1 : line.wide ? 2.4 : 1.7) * ratio;
  ctx.lineJoin = ctx.lineCap = "round";
  ctx.globalAlpha = line.faint ? 0.42 : 1;
  const style = line.style ?? "line";
  if (line.low && line.high && line.low.length === size && size) {
    ctx.save();
    ctx.globalAlpha = 0.16;
    ctx.beginPath();
    for (let k = 0; k < size; k++) ctx.lineTo(x(line.x[k]!), y(line.high[k]!));
    for (let k = size - 1; k >= 0; k--) ctx.lineTo(x(line.x[k]!), y(line.low[k]!));
    ctx.fill();
    ctx.restore();
  }
  if (style === "points") {
    for (let k = 0; k < size; k++) shape(ctx, x(line.x[k]!), y(line.y[k]!), 3 * ratio, line.dash ?? "solid");
  } else if (style === "bars" || style === "stems") {
    const gap = size > 1 ? Math.abs(x(line.x[1]!) - x(line.x[0]!)) : 24 * ratio;
    const wide = style === "stems" ? 1.5 * ratio : Math.max(Math.min(gap * 0.72, 60 * ratio), ratio);
    const zero = Number.isFinite(y(0)) ? Math.min(y(0), floor) : floor;
    for (let k = 0; k < size; k++) {
      const at = y(line.y[k]!);
      if (!Number.isFinite(at)) continue;
      ctx.fillRect(x(line.x[k]!) - wide / 2, Math.min(at, zero), wide, Math.abs(zero - at));
      if (style === "stems") dot(ctx, x(line.x[k]!), at, 2.8 * ratio);
    }
  } else {
    ctx.setLineDash((DASHES[line.dash ?? "solid"] ?? []).map((each) => each * ratio));
    ctx.beginPath();
    let open = false;
    let alone = -1;
    const lonely: number[] = []; // points between two that are missing would vanish from a line
    for (let k = 0; k < size; k++) {
      const px = x(line.x[k]!);
      const py = y(line.y[k]!);
      if (!Number.isFinite(px) || !Number.isFinite(py)) {
        if (alone >= 0) lonely.push(alone);
        open = false;
        alone = -1;
        continue;
      }
      if (!open) ctx.moveTo(px, py);
      else {
        if (style === "steps") ctx.lineTo(px, y(line.y[k - 1]!));
        ctx.lineTo(px, py);
      }
      alone = open ? -1 : k;
      open = true;
    }
    if (alone >= 0) lonely.push(alone);
    ctx.stroke();
    ctx.setLineDash([]);
    for (const k of lonely) dot(ctx, x(line.x[k]!), y(line.y[k]!), 2.2 * ratio);
    if (line.dots && size <= 60) for (let k = 0; k < size; k++) dot(ctx, x(line.x[k]!), y(line.y[k]!), 2.6 * ratio);
  }
  ctx.globalAlpha = 1;
}

function dot(ctx: CanvasRenderingContext2D, x: number, y: number, size: number): void {
  if (!Number.isFinite(x) || !Number.isFinite(y)) return;
  ctx.beginPath();
  ctx.arc(x, y, size, 0, 7);
  ctx.fill();
}

/** A point as its series has it: round, square, a diamond or a triangle, as a line would be dashed. */
export function shape(ctx: CanvasRenderingContext2D, x: number, y: number, size: number, dash: string): void {
  if (!Number.isFinite(x) || !Number.isFinite(y)) return;
  if (dash === "dashed") return ctx.fillRect(x - size * 0.9, y - size * 0.9, size * 1.8, size * 1.8);
  if (dash === "solid") return dot(ctx, x, y, size);
  ctx.beginPath();
  const corners = dash === "dashdot" ? [[0, -1.3], [1.2, 0.9], [-1.2, 0.9]] as const : [[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]] as const;
  for (const [dx, dy] of corners) ctx.lineTo(x + dx * size, y + dy * size);
  ctx.fill();
}

interface Taken { left: number; right: number; height: number }

function drawMark(ctx: CanvasRenderingContext2D, mark: Mark, x: Map1, y: Map1, box: uPlot.BBox, ratio: number, taken: Taken[], lines: Line[]): void {
  const colors = sheet();
  const paint = mark.sign ? color(mark.sign) : colors.soft;
  const px = Number.isFinite(mark.x) ? x(mark.x) : NaN;
  const py = Number.isFinite(mark.y) ? y(mark.y) : NaN;
  ctx.strokeStyle = paint;
  ctx.fillStyle = paint;
  ctx.lineWidth = 1.2 * ratio;
  ctx.setLineDash([6 * ratio, 4 * ratio]);
  ctx.beginPath();
  if (!Number.isFinite(py) && Number.isFinite(px)) {
    ctx.moveTo(px, box.top);
    ctx.lineTo(px, box.top + box.height);
  } else if (!Number.isFinite(px) && Number.isFinite(py)) {
    ctx.moveTo(box.left, py);
    ctx.lineTo(box.left + box.width, py);
  } else if (Number.isFinite(px)) {
    ctx.setLineDash([]);
    ctx.arc(px, py, 4.5 * ratio, 0, 7);
  }
  ctx.stroke();
  ctx.setLineDash([]);
  if (!mark.text) return;
  ctx.font = `${11 * ratio}px ${MONO}`;
  ctx.textAlign = "left";
  ctx.textBaseline = "alphabetic";
  const wide = ctx.measureText(mark.text).width;
  const horizontal = !Number.isFinite(px);
  const tall = 13 * ratio;
  const right = box.left + box.width - wide - 4 * ratio;
  const bases = horizontal ? [right - 2 * ratio, box.left + 6 * ratio] : [Math.min(px + 7 * ratio, right), px - wide - 7 * ratio];
  const heights = Number.isFinite(py) ? [py - 6 * ratio, py + 15 * ratio] : [box.top + 14 * ratio, box.top + box.height - 7 * ratio];
  // Beside the curves where there is room beside them, and else where it was always.
  let [base, height, fewest] = [bases[0]!, heights[0]!, Infinity];
  for (const each of bases) {
    for (const level of heights) {
      if (each < box.left || level < box.top + 12 * ratio || level > box.top + box.height - 2 * ratio) continue;
      const crossed = lines.reduce((sum, line) => sum + crossings(line, x, y, each, each + wide, level - tall, level + 2 * ratio), 0)
        + (taken.some((other) => Math.abs(other.height - level) < tall && each < other.right && each + wide > other.left) ? 30 : 0);
      if (crossed < fewest) [base, height, fewest] = [each, level, crossed];
    }
  }
  const down = height < box.top + box.height / 2;
  for (let k = 0; k < taken.length; k++) { // labels of near lines stand beside each other
    const other = taken[k]!;
    if (Math.abs(other.height - height) < tall && base < other.right && base + wide > other.left) {
      if (horizontal) base = other.left - wide - 14 * ratio;
      else height += down ? tall : -tall;
      k = -1;
      if (base < box.left || height > box.top + box.height || height < box.top) return;
    }
  }
  taken.push({ left: base - 4 * ratio, right: base + wide + 4 * ratio, height });
  ctx.strokeStyle = colors.paper;
  ctx.lineWidth = 4 * ratio;
  ctx.lineJoin = "round";
  ctx.strokeText(mark.text, base, height);
  ctx.fillStyle = colors.ink;
  ctx.fillText(mark.text, base, height);
}

/** How much of a line lies in a box, in points and in steps along its longer pieces. */
function crossings(line: Line, x: Map1, y: Map1, left: number, right: number, top: number, bottom: number): number {
  let count = 0;
  for (let k = 0; k < line.x.length; k++) {
    const px = x(line.x[k]!);
    const before = k > 0 && line.style !== "points" ? x(line.x[k - 1]!) : px;
    if (Math.max(px, before) < left || Math.min(px, before) > right) continue;
    const pieces = Math.min(Math.max(Math.round(Math.abs(px - before) / 6), 1), 40);
    const [from, to] = [k > 0 ? y(line.y[k - 1]!) : NaN, y(line.y[k]!)];
    for (let piece = 1; piece <= pieces; piece++) {
      const share = piece / pieces;
      const at = before + (px - before) * share;
      const level = line.style === "steps" && share < 1 ? from : share < 1 ? from + (to - from) * share : to;
      if (at >= left && at <= right && level >= top && level <= bottom) count++;
    }
  }
  return count;
}

/** An arrow at the edge where a line leaves the window: what diverged is not out of mind because it is out of sight. */
function drawLeaving(ctx: CanvasRenderingContext2D, line: Line, x: Map1, y: Map1, ratio: number, box: uPlot.BBox): void {
  let out = 0;
  let last = -Infinity;
  ctx.fillStyle = color(line.role);
  for (let k = 0; k < line.x.length; k++) {
    const [px, py] = [x(line.x[k]!), y(line.y[k]!)];
    const side = py < box.top - 1 ? -1 : py > box.top + box.height + 1 ? 1 : 0;
    if (side && side !== out && px - last > 14 * ratio && px >= box.left && px <= box.left + box.width) {
      const edge = side < 0 ? box.top + 9 * ratio : box.top + box.height - 9 * ratio;
      const at = Math.max(box.left + 6 * ratio, Math.min(px, box.left + box.width - 6 * ratio));
      ctx.beginPath();
      ctx.moveTo(at - 5 * ratio, edge);
      ctx.lineTo(at + 5 * ratio, edge);
      ctx.lineTo(at, edge + side * 8 * ratio);
      ctx.fill();
      last = px;
    }
    if (Number.isFinite(py)) out = side;
  }
}

/** Marks in the gutter at the top where values are not finite. */
function drawLost(ctx: CanvasRenderingContext2D, lost: number[], x: Map1, top: number, ratio: number): void {
  ctx.fillStyle = color("error");
  for (const at of lost) {
    const px = x(at);
    ctx.beginPath();
    ctx.moveTo(px - 4 * ratio, top + 1);
    ctx.lineTo(px + 4 * ratio, top + 1);
    ctx.lineTo(px, top + 8 * ratio);
    ctx.fill();
  }
}

export const MONO = 'ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace';
