// The one ornament: contour lines of a small terrain, drawn anew for each page from its name. It means nothing.
import { useMemo } from "preact/hooks";
import { contour, joined } from "./contours";

const COLUMNS = 96;
const ROWS = 26;
const CELL = 10;
const LEVELS = 20;

function chance(name: string): () => number {
  let state = 2166136261;
  for (let k = 0; k < name.length; k++) state = Math.imul(state ^ name.charCodeAt(k), 16777619);
  return () => {
    state = Math.imul(state ^ (state >>> 15), 2246822507) + 0x9e3779b9;
    return ((state ^ (state >>> 13)) >>> 0) / 4294967296;
  };
}

function heights(name: string): Float64Array[] {
  const next = chance(name);
  const hills = Array.from({ length: 9 }, () => [next(), next() * 1.2 - 0.1, 0.08 + next() * 0.12, [-0.5, 0.45, 0.6][Math.floor(next() * 3)]!] as const);
  const centre = 0.68 + next() * 0.14;
  const tilt = next() - 0.5;
  return Array.from({ length: ROWS }, (_, row) =>
    Float64Array.from({ length: COLUMNS }, (_, column) => {
      const x = column / (COLUMNS - 1);
      const y = row / (ROWS - 1);
      const u = x - centre;
      const v = 0.32 * (y - 0.5);
      let height = 3.2 * Math.sqrt(u * u + 4 * (v + tilt * u * 0.3) ** 2 + 0.004);
      for (const [hx, hy, r, a] of hills) height += a * Math.exp(-((x - hx) ** 2 + 0.1 * (y - hy) ** 2) / (r * r));
      return height;
    }),
  );
}

export function Terrain({ name }: { name: string }) {
  const paths = useMemo(() => {
    const ground = heights(name);
    const all = ground.flatMap((row) => [...row]);
    const low = Math.min(...all);
    const high = Math.max(...all);
    return Array.from({ length: LEVELS - 1 }, (_, k) =>
      joined(contour(ground, low + ((high - low) * (k + 1)) / LEVELS))
        .map((line) => smooth(line.map(([x, y]) => [x * CELL, y * CELL])))
        .join(""),
    );
  }, [name]);
  return (
    <svg class="terrain" viewBox={`0 0 ${(COLUMNS - 1) * CELL} ${(ROWS - 1) * CELL}`} preserveAspectRatio="xMaxYMid slice" aria-hidden="true" focusable="false">
      {paths.map((path, k) => <path key={k} d={path} class={(k + 1) % 5 === 0 ? "index" : undefined} />)}
    </svg>
  );
}

function smooth(line: [number, number][]): string {
  const middle = (k: number): string => `${((line[k]![0] + line[k + 1]![0]) / 2).toFixed(1)} ${((line[k]![1] + line[k + 1]![1]) / 2).toFixed(1)}`;
  let path = `M${line[0]![0].toFixed(1)} ${line[0]![1].toFixed(1)}L${middle(0)}`;
  for (let k = 1; k + 1 < line.length; k++) path += `Q${line[k]![0].toFixed(1)} ${line[k]![1].toFixed(1)} ${middle(k)}`;
  const end = line[line.length - 1]!;
  return `${path}L${end[0].toFixed(1)} ${end[1].toFixed(1)}`;
}
