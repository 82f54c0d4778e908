// Layers over steps as a map of tints: depth from top to bottom, time from left to right.
import type { Signal } from "@preact/signals";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { tint } from "./field";
import { DataTable } from "./table";
import { isDark, sheet } from "./theme";
import { num, real, short, type Real } from "./words";

export interface Layers { steps: Real[]; layers: string[]; kinds: Record<string, string>; values: Real[][] }

const ROW = 18;

/** "3 Linear": a number alone says nothing of the layer. */
function named(layers: Layers, name: string): string {
  const kind = layers.kinds[name];
  return kind ? `${name} ${kind}` : name;
}

export function HeatMap({ title, layers, log, cursor, controls }: { title: string; layers: Layers; log: boolean; cursor?: Signal<number | null>; controls?: preact.ComponentChildren }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [at, setAt] = useState<{ row: number; column: number } | null>(null);
  const id = useId();
  const dark = isDark.value;
  const values = layers.values.map((row) => row.map(real));
  const finite = values.flat().filter((value) => Number.isFinite(value) && (!log || value > 0)).map((value) => (log ? Math.log10(value) : value));
  const low = finite.reduce((a, b) => Math.min(a, b), Infinity);
  const high = finite.reduce((a, b) => Math.max(a, b), -Infinity);
  const steps = layers.steps.map(real);
  useEffect(() => {
    const ctx = canvas.current!.getContext("2d")!;
    canvas.current!.width = Math.max(steps.length, 1);
    canvas.current!.height = Math.max(values.length, 1);
    const colors = sheet();
    values.forEach((row, y) => row.forEach((value, x) => {
      const share = ((log ? Math.log10(value) : value) - low) / (high - low || 1);
      ctx.fillStyle = Number.isNaN(value) ? colors.paper : log && value <= 0 ? "rgb(10,24,44)" : `rgb(${tint(Number.isFinite(share) ? share : 1)})`;
      ctx.fillRect(x, y, 1, 1);
    }));
  }, [layers, log, dark]);

  function go(row: number, column: number): void {
    const next = { row: Math.max(0, Math.min(row, values.length - 1)), column: Math.max(0, Math.min(column, steps.length - 1)) };
    setAt(next);
    if (cursor) cursor.value = steps[next.column] ?? null;
  }
  function key(event: KeyboardEvent): void {
    const here = at ?? { row: 0, column: steps.length - 1 };
    const moves: Record<string, [number, number]> = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    go(here.row + move[0], here.column + move[1]);
  }
  const told = at ? `${named(layers, layers.layers[at.row]!)} at step ${num(steps[at.column])}: ${num(values[at.row]![at.column])}` : "";
  return (
    <figure class="chart heat" aria-labelledby={`${id}-t`}>
      <figcaption>
        <h3 id={`${id}-t`}>{title}</h3>
        <p class="legend at" role="status">{told || "arrow keys or the pointer read a layer"}</p>
        {controls}
      </figcaption>
      <div class="heat-grid">
        <ol class="rows" aria-hidden="true" style={{ lineHeight: `${ROW}px` }}>{layers.layers.map((name) => <li key={name} title={named(layers, name)}>{short(named(layers, name), 26)}</li>)}</ol>
        <canvas
          ref={canvas} tabIndex={0} role="img" onKeyDown={key} style={{ height: `${values.length * ROW}px` }}
          aria-label={`${title}: ${layers.layers.length} layers over ${steps.length} moments, from ${num(log ? 10 ** low : low)} to ${num(log ? 10 ** high : high)}. ${told}`}
          onPointerMove={(event) => {
            const box = event.currentTarget.getBoundingClientRect();
            go(Math.floor((event.clientY - box.top) / ROW), Math.floor(((event.clientX - box.left) / box.width) * steps.length));
          }}
        />
      </div>
      <p class="axis-name" aria-hidden="true">step {num(steps[0])} to {num(steps[steps.length - 1])}</p>
      <div class="tints" aria-hidden="true">
        <span>{num(log ? 10 ** low : low, 3)}</span>
        <svg viewBox="0 0 80 6" preserveAspectRatio="none" height="8">{Array.from({ length: 40 }, (_, k) => <rect key={k} x={k * 2} width="2.1" height="6" fill={`rgb(${tint(k / 39)})`} />)}</svg>
        <span>{num(log ? 10 ** high : high, 3)}{log ? ", logarithmic" : ""}</span>
      </div>
      <DataTable name={title} make={() => ({
        columns: ["step", ...layers.layers.slice(0, 40).map((name) => named(layers, name))], count: steps.length,
        row: (place) => [steps[place], ...values.slice(0, 40).map((row) => row[place])],
      })} />
    </figure>
  );
}
