// Parallel coordinates: one line for each run or trial across one axis for each setting.
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { DASHES } from "./signs";
import { DataTable } from "./table";
import { color, isDark, nth } from "./theme";
import { num, scalar, visible } from "./words";

export interface Coordinate { id: string; name: string; values: Record<string, unknown>; share?: number; lost?: boolean }

const HEIGHT = 282;
const TOP = 34;
const BELOW = 46; // the lower labels, and the place of what a run does not have

export function Parallel({ title, axes, rows }: { title: string; axes: string[]; rows: Coordinate[] }) {
  const [over, setOver] = useState<string | null>(null);
  const id = useId();
  void isDark.value;
  const host = useRef<HTMLDivElement>(null);
  const [room, setRoom] = useState(720);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setRoom(Math.floor(entry!.contentRect.width)));
    observer.observe(host.current!);
    return () => observer.disconnect();
  }, []);
  const wide = Math.max(axes.length * 92, room);
  const at = (k: number): number => 50 + (k * (wide - 100)) / Math.max(axes.length - 1, 1);
  const scales = axes.map((axis) => scaleOf(rows.map((row) => row.values[axis])));
  const path = (row: Coordinate): string => axes.map((axis, k) => {
    const place = scales[k]!.place(row.values[axis]);
    return place === null ? "" : `${at(k).toFixed(1)},${(place < 0 ? HEIGHT - 10 : TOP + (HEIGHT - TOP - BELOW) * (1 - place)).toFixed(1)}`;
  }).filter(Boolean).join(" ");
  return (
    <figure class="chart" aria-labelledby={id}>
      <figcaption><h3 id={id}>{title}</h3><p class="legend at" role="status">{over ?? ""}</p></figcaption>
      <div ref={host} class="scroll" tabIndex={0} role="region" aria-labelledby={id}>
        <svg class="parallel" viewBox={`0 0 ${wide} ${HEIGHT}`} width={wide} height={HEIGHT} role="img" aria-label={`${title}: ${rows.length} lines over ${axes.map(visible).join(", ")}`}>
          {axes.map((axis, k) => (
            <g key={axis} class="axis">
              <line x1={at(k)} x2={at(k)} y1={TOP} y2={HEIGHT - BELOW} />
              <text x={at(k)} y={14} text-anchor="middle">{visible(shared(axes, axis) ? axis : axis.split(".").pop())}</text>
              <text x={at(k)} y={28} text-anchor="middle" class="soft">{scales[k]!.top}</text>
              <text x={at(k)} y={HEIGHT - BELOW + 15} text-anchor="middle" class="soft">{scales[k]!.bottom === scales[k]!.top ? "" : scales[k]!.bottom}</text>
            </g>
          ))}
          {rows.map((row, k) => (
            <polyline key={row.id} points={path(row)} fill="none" stroke={row.lost ? color("reference") : row.share !== undefined ? color("train") : color(nth(k).role)} stroke-width={over === row.name ? 3.2 : 1.5} stroke-dasharray={row.share === undefined ? DASHES[nth(k).dash] : undefined}
              opacity={row.lost ? 0.35 : row.share !== undefined ? 0.15 + 0.85 * row.share ** 3 : 0.9} onPointerEnter={() => setOver(row.name)} onPointerLeave={() => setOver(null)} />
          ))}
        </svg>
      </div>
      {rows.some((row) => axes.some((axis) => row.values[axis] === undefined || row.values[axis] === null)) && <p class="remark">A line that passes below an axis: that one does not have the setting.</p>}
      <DataTable name={title} make={() => ({ columns: ["name", ...axes], count: rows.length, row: (place) => [rows[place]!.name, ...axes.map((axis) => rows[place]!.values[axis])] })} />
    </figure>
  );
}

function shared(axes: string[], axis: string): boolean {
  return axes.filter((each) => each.split(".").pop() === axis.split(".").pop()).length > 1;
}

const MISSING = -1; // below the axis: a setting that a run does not have is no value of it

function scaleOf(values: unknown[]): { place: (value: unknown) => number | null; top: string; bottom: string } {
  const numbers = values.filter((value): value is number => typeof value === "number" && Number.isFinite(value));
  if (numbers.length && numbers.length >= values.filter((value) => value !== undefined && value !== null).length * 0.5) {
    const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
    const log = low > 0 && high / low > 30;
    const f = (value: number): number => (log ? Math.log10(value) : value);
    return { place: (value) => (typeof value === "number" && Number.isFinite(value) ? (high > low ? (f(value) - f(low)) / (f(high) - f(low)) : 0.5) : value === undefined || value === null ? MISSING : null), top: num(high, 3), bottom: `${num(low, 3)}${log ? " log" : ""}` };
  }
  const words = [...new Set(values.filter((value) => value !== undefined && value !== null).map(scalar))];
  return { place: (value) => (value === undefined || value === null ? MISSING : words.length > 1 ? words.indexOf(scalar(value)) / (words.length - 1) : 0.5), top: visible(words[words.length - 1] ?? "").slice(0, 14), bottom: visible(words[0] ?? "").slice(0, 14) };
}
