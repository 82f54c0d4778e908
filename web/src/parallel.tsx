// Parallel coordinates: one line for each run or trial across one axis for each setting.
import { useId, useState } from "preact/hooks";
import { DataTable } from "./table";
import { color, isDark, nth } from "./theme";
import { num, scalar, visible } from "./words";

export interface Coordinate { id: string; name: string; values: Record<string, unknown>; share?: number; lost?: boolean }

const HEIGHT = 260;
const TOP = 34;

export function Parallel({ title, axes, rows }: { title: string; axes: string[]; rows: Coordinate[] }) {
  const [over, setOver] = useState<string | null>(null);
  const id = useId();
  void isDark.value;
  const wide = Math.max(axes.length * 120, 720);
  const at = (k: number): number => 50 + (k * (wide - 100)) / Math.max(axes.length - 1, 1);
  const scales = axes.map((axis) => scaleOf(rows.map((row) => row.values[axis])));
  const path = (row: Coordinate): string => axes.map((axis, k) => {
    const place = scales[k]!.place(row.values[axis]);
    return place === null ? "" : `${at(k).toFixed(1)},${(TOP + (HEIGHT - TOP - 24) * (1 - place)).toFixed(1)}`;
  }).filter(Boolean).join(" ");
  return (
    <figure class="chart" aria-labelledby={id}>
      <figcaption><h3 id={id}>{title}</h3><p class="legend at" role="status">{over ?? ""}</p></figcaption>
      <div class="scroll" tabIndex={0} role="region" aria-labelledby={id}>
        <svg class="parallel" viewBox={`0 0 ${wide} ${HEIGHT}`} width={wide} height={HEIGHT} role="img" aria-label={`${title}: ${rows.length} lines over ${axes.map(visible).join(", ")}`}>
          {axes.map((axis, k) => (
            <g key={axis} class="axis">
              <line x1={at(k)} x2={at(k)} y1={TOP} y2={HEIGHT - 24} />
              <text x={at(k)} y={14} text-anchor="middle">{visible(axis.split(".").pop())}</text>
              <text x={at(k)} y={28} text-anchor="middle" class="soft">{scales[k]!.top}</text>
              <text x={at(k)} y={HEIGHT - 8} text-anchor="middle" class="soft">{scales[k]!.bottom}</text>
            </g>
          ))}
          {rows.map((row, k) => (
            <polyline key={row.id} points={path(row)} fill="none" stroke={row.lost ? color("reference") : row.share !== undefined ? color("train") : color(nth(k).role)} stroke-width={over === row.name ? 3.2 : 1.5}
              opacity={row.lost ? 0.35 : row.share !== undefined ? 0.15 + 0.85 * row.share ** 3 : 0.9} onPointerEnter={() => setOver(row.name)} onPointerLeave={() => setOver(null)} />
          ))}
        </svg>
      </div>
      <DataTable name={title} make={() => ({ columns: ["name", ...axes], count: rows.length, row: (place) => [rows[place]!.name, ...axes.map((axis) => rows[place]!.values[axis])] })} />
    </figure>
  );
}

function scaleOf(values: unknown[]): { place: (value: unknown) => number | null; top: string; bottom: string } {
  const numbers = values.filter((value): value is number => typeof value === "number" && Number.isFinite(value));
  if (numbers.length && numbers.length >= values.filter((value) => value !== undefined && value !== null).length * 0.5) {
    const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
    const log = low > 0 && high / low > 30;
    const f = (value: number): number => (log ? Math.log10(value) : value);
    return { place: (value) => (typeof value === "number" && Number.isFinite(value) ? (high > low ? (f(value) - f(low)) / (f(high) - f(low)) : 0.5) : null), top: num(high, 3), bottom: `${num(low, 3)}${log ? " log" : ""}` };
  }
  const words = [...new Set(values.map(scalar))];
  return { place: (value) => (words.length > 1 ? words.indexOf(scalar(value)) / (words.length - 1) : 0.5), top: visible(words[words.length - 1] ?? "").slice(0, 14), bottom: visible(words[0] ?? "").slice(0, 14) };
}
