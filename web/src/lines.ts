// The lines of a chart as numbers: ranges that stay useful, the place under the cursor, and a summary in words.
import { num, plural } from "./words";
import type { AxisSpec, SignName } from "./types";
import { real } from "./words";

export interface Line {
  name: string; x: ArrayLike<number>; y: ArrayLike<number>; role: string; style?: string; dash?: string;
  low?: ArrayLike<number>; high?: ArrayLike<number>; faint?: boolean; wide?: boolean; dots?: boolean; quiet?: boolean;
}
export interface Mark { x: number; y: number; text: string; sign: SignName | null }
export interface Stretch { x0: number; x1: number; text: string; sign: SignName | null }
export interface Pin { x: number; number: number; sign: SignName; text: string; href: string }

export type Range = [number, number];

export function isSorted(x: ArrayLike<number>): boolean {
  for (let place = 1; place < x.length; place++) if (!(x[place]! >= x[place - 1]!)) return false;
  return true;
}

/** All different x of the lines, in order. */
export function places(lines: Line[]): number[] {
  const all = new Set<number>();
  for (const line of lines) for (let k = 0; k < line.x.length; k++) if (Number.isFinite(line.x[k]!)) all.add(line.x[k]!);
  return [...all].sort((a, b) => a - b);
}

/** The window of an axis: its own limits where it has some, else what the numbers need, with a little room. */
export function windowOf(axis: AxisSpec, values: Iterable<ArrayLike<number>>, room: number): Range {
  let low = Infinity;
  let high = -Infinity;
  for (const each of values) {
    for (let k = 0; k < each.length; k++) {
      const value = each[k]!;
      if (!Number.isFinite(value) || (axis.log && value <= 0)) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  if (low > high) [low, high] = axis.log ? [0.1, 1] : [0, 1];
  const ownLow = real(axis.low);
  const ownHigh = real(axis.high);
  if (ownHigh < high && ownHigh > low) high = ownHigh; // the room is that of what is in sight
  if (ownLow > low && ownLow < high) low = ownLow;
  const from = axis.log ? Math.log10(low) : low;
  const to = axis.log ? Math.log10(high) : high;
  const pad = to > from ? (to - from) * room : (axis.log ? 0.5 : Math.abs(to) * 0.1 || 0.5);
  const back = (value: number): number => (axis.log ? 10 ** value : value);
  const least = Number.isFinite(ownLow) && (!axis.log || ownLow > 0) ? ownLow : back(room || to === from ? from - pad : from);
  const most = Number.isFinite(ownHigh) && (!axis.log || ownHigh > 0) ? ownHigh : back(room || to === from ? to + pad : to);
  return most > least ? [least, most] : [least, least + 1];
}

const CRUSHED = 12; // times what is usual from which the rest of a curve would be crushed flat

/** Where a curve ran away, or few points are very high, the window that keeps the rest in sight; NaN where all fits.
 * Where most of it ran `away`, a logarithmic axis shows more. */
export function sight(lines: Line[], isLoss: boolean): { high: number; above: number; away: boolean } {
  const values: number[] = [];
  const firsts: number[] = [];
  for (const line of lines) {
    let first = NaN;
    for (let k = 0; k < line.y.length; k++) {
      if (!Number.isFinite(line.y[k]!)) continue;
      if (Number.isNaN(first)) first = line.y[k]!;
      values.push(line.y[k]!);
    }
    if (Number.isFinite(first)) firsts.push(first);
  }
  const none = { high: NaN, above: 0, away: false };
  if (!values.length) return none;
  values.sort((a, b) => a - b);
  firsts.sort((a, b) => a - b);
  const most = values[values.length - 1]!;
  const start = firsts[firsts.length >> 1]!;
  let high = NaN;
  if (isLoss && start > 0 && most > CRUSHED * start) high = 4 * start; // a loss far above where training began has diverged
  else if (values.length >= 20) {
    const usual = values[Math.floor(values.length * 0.95)]! * 1.5;
    if (usual > 0 && most >= usual * CRUSHED) high = usual;
  }
  if (Number.isNaN(high)) return none;
  const above = values.filter((value) => value > high).length;
  return { high, above, away: above > values.length / 2 && values[0]! > 0 };
}

/** Three to six round numbers at equal distances between two ends. */
export function evenly(low: number, high: number): number[] {
  const power = 10 ** Math.floor(Math.log10((high - low) / 3));
  const step = [1, 2, 5].map((each) => each * power).find((each) => (high - low) / each <= 6) ?? 10 * power;
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.max(Math.floor(high / step + 1e-9) - first + 1, 0) }, (_, k) => (first + k) * step);
}

/** The place of the nearest of `sorted` to `x`. */
export function nearest(sorted: ArrayLike<number>, x: number): number {
  let low = 0;
  let high = sorted.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! < x) low = middle;
    else high = middle;
  }
  return Math.abs(sorted[low]! - x) <= Math.abs((sorted[high] ?? Infinity) - x) ? low : high;
}

/** The newest value of a line at or before `x`. */
export function valueAt(line: Line, x: number): number | null {
  if (!line.x.length || !isSorted(line.x)) return null;
  const place = nearest(line.x, x);
  const found = line.x[place]! > x && place > 0 ? place - 1 : place;
  return line.x[found]! > x ? null : line.y[found]!;
}

export function summary(lines: Line[], x: AxisSpec): string {
  return lines
    .filter((line) => !line.faint || lines.length === 1)
    .slice(0, 12)
    .map((line) => {
      let low = -1;
      let high = -1;
      let first = -1;
      let last = -1;
      let lost = 0;
      for (let k = 0; k < line.y.length; k++) {
        if (!Number.isFinite(line.y[k]!)) {
          lost++;
          continue;
        }
        if (first < 0) first = k;
        last = k;
        if (low < 0 || line.y[k]! < line.y[low]!) low = k;
        if (high < 0 || line.y[k]! > line.y[high]!) high = k;
      }
      const missing = lost ? `, ${plural(lost, "value")} not finite` : "";
      if (first < 0) return `${line.name}: no finite value${missing}`;
      if (line.style === "points") return `${line.name}: ${plural(line.y.length, "point")}, from ${num(line.y[low]!)} at ${x.label} ${num(line.x[low]!)} to ${num(line.y[high]!)} at ${num(line.x[high]!)}${missing}`;
      const ends = `from ${num(line.y[first]!)} to ${num(line.y[last]!)}`;
      const least = `least ${num(line.y[low]!)} at ${x.label} ${num(line.x[low]!)}`;
      return `${line.name}: ${ends}, ${least}, greatest ${num(line.y[high]!)}${missing}`;
    })
    .join(". ");
}
