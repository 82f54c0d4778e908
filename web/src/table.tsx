// The table that stands beside every chart: the same numbers, a page at a time.
import { useId, useState } from "preact/hooks";
import { isSorted, type Line } from "./lines";
import { download } from "./files";
import { sheet } from "./theme";
import type { AxisSpec } from "./types";
import { num, scalar, visible } from "./words";

export interface Rows { columns: string[]; count: number; row: (place: number) => unknown[] }

const PAGE = 50;
const WIDEST = 16;

/** The lines of a chart over their common x; where x does not run in order, point by point. */
export function rowsOf(lines: Line[], x: AxisSpec, sorted: number[]): Rows {
  const shown = lines.slice(0, WIDEST);
  if (shown.every((line) => isSorted(line.x))) {
    const maps = shown.map((line) => {
      const map = new Map<number, number>();
      for (let k = 0; k < line.x.length; k++) map.set(line.x[k]!, line.y[k]!);
      return map;
    });
    return {
      columns: [x.label, ...shown.map((line) => line.name)],
      count: sorted.length,
      row: (place) => [sorted[place], ...maps.map((map) => map.get(sorted[place]!) ?? null)],
    };
  }
  return {
    columns: ["point", ...shown.flatMap((line) => [`${line.name}: ${x.label}`, line.name])],
    count: Math.max(0, ...shown.map((line) => line.x.length)),
    row: (place) => [place, ...shown.flatMap((line) => [line.x[place] ?? null, line.y[place] ?? null])],
  };
}

type Picture = () => HTMLCanvasElement | null;
type Drawing = () => string | null;

export function DataTable({ name, title, make, picture, drawing }: { name: string; title?: string; make: () => Rows; picture?: Picture; drawing?: Drawing }) {
  const [open, setOpen] = useState(false);
  return (
    <details class="twin" onToggle={(event) => setOpen((event.currentTarget as HTMLDetailsElement).open)}>
      <summary>{title ?? <>Table<span class="unseen"> of {name}</span></>}</summary>
      {open && <Paged name={name} rows={make()} picture={picture} drawing={drawing} />}
    </details>
  );
}

/** All rows as RFC 4180 has them. A cell that a spreadsheet would take for a formula begins with an apostrophe. */
function csv(rows: Rows): string {
  const cell = (value: unknown): string => {
    const text = value === null || value === undefined ? "" : typeof value === "number" ? String(value) : String(value).replace(/^[=+@\t\r-]/, "'$&");
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = [rows.columns, ...Array.from({ length: rows.count }, (_, place) => rows.row(place))];
  return lines.map((line) => line.map(cell).join(",")).join("\r\n") + "\r\n";
}

function fileName(name: string): string {
  return visible(name).replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 60) || "chart";
}

/** The chart on the colour of its paper: alone it would be see-through. */
function keepPicture(name: string, canvas: HTMLCanvasElement | null): void {
  if (!canvas) return;
  const sheeted = document.createElement("canvas");
  [sheeted.width, sheeted.height] = [canvas.width, canvas.height];
  const ctx = sheeted.getContext("2d")!;
  ctx.fillStyle = sheet().paper;
  ctx.fillRect(0, 0, canvas.width, canvas.height);
  ctx.drawImage(canvas, 0, 0);
  sheeted.toBlob((blob) => blob && download(`${fileName(name)}.png`, blob, "image/png"));
}

function Paged({ name, rows, picture, drawing }: { name: string; rows: Rows; picture?: Picture; drawing?: Drawing }) {
  const [start, setStart] = useState(0);
  const id = useId();
  const first = Math.min(start, Math.max(Math.floor((rows.count - 1) / PAGE) * PAGE, 0));
  const places = Array.from({ length: Math.min(PAGE, rows.count - first) }, (_, k) => first + k);
  return (
    <div>
      <div class="scroll" tabIndex={0} role="region" aria-labelledby={id}>
        <table class="numbers">
          <caption id={id}>{name}: {rows.count ? `rows ${num(first + 1)} to ${num(first + places.length)} of ${num(rows.count)}` : "no rows"}</caption>
          <thead><tr>{rows.columns.map((column) => <th key={column} scope="col">{visible(column)}</th>)}</tr></thead>
          <tbody>{places.map((place) => <tr key={place}>{rows.row(place).map((cell, k) => <td key={k}>{scalar(cell)}</td>)}</tr>)}</tbody>
        </table>
      </div>
      <p class="buttons">
        {rows.count > PAGE && (
          <>
            <button type="button" class="small" disabled={first === 0} onClick={() => setStart(first - PAGE)}>earlier rows</button>
            <button type="button" class="small" disabled={first + PAGE >= rows.count} onClick={() => setStart(first + PAGE)}>later rows</button>
          </>
        )}
        <button type="button" class="small" onClick={() => download(`${fileName(name)}.csv`, csv(rows), "text/csv")}>Keep as CSV</button>
        {picture && <button type="button" class="small" onClick={() => keepPicture(name, picture())}>Keep as PNG</button>}
        {drawing && <button type="button" class="small" onClick={() => { const drawn = drawing(); if (drawn) download(`${fileName(name)}.svg`, drawn, "image/svg+xml"); }}>Keep as SVG</button>}
      </p>
    </div>
  );
}
