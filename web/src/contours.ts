// Lines of equal height on a grid, by marching squares: of a surface that was computed, and of the ornament of the page.

export type Segment = [number, number, number, number];

/** Pieces of the line at `level`, in units of columns and rows. Cells with a value that is not finite are left out. */
export function contour(heights: ArrayLike<number>[], level: number): Segment[] {
  const made: Segment[] = [];
  for (let row = 0; row + 1 < heights.length; row++) {
    const upper = heights[row]!;
    const lower = heights[row + 1]!;
    for (let column = 0; column + 1 < upper.length; column++) {
      const a = upper[column]!;
      const b = upper[column + 1]!;
      const c = lower[column + 1]!;
      const d = lower[column]!;
      if (!Number.isFinite(a + b + c + d)) continue;
      const points: [number, number][] = [];
      if (a > level !== b > level) points.push([column + (level - a) / (b - a), row]);
      if (b > level !== c > level) points.push([column + 1, row + (level - b) / (c - b)]);
      if (c > level !== d > level) points.push([column + (level - d) / (c - d), row + 1]);
      if (d > level !== a > level) points.push([column, row + (level - a) / (d - a)]);
      for (let k = 0; k + 1 < points.length; k += 2) made.push([...points[k]!, ...points[k + 1]!]);
    }
  }
  return made;
}

/** The pieces joined into lines, so that they can be drawn smooth. */
export function joined(pieces: Segment[]): [number, number][][] {
  const key = (x: number, y: number): string => `${x.toFixed(4)},${y.toFixed(4)}`;
  const around = new Map<string, { to: string; at: [number, number] }[]>();
  const link = (from: string, to: string, at: [number, number]): void => {
    const known = around.get(from);
    if (known) known.push({ to, at });
    else around.set(from, [{ to, at }]);
  };
  const where = new Map<string, [number, number]>();
  for (const [x0, y0, x1, y1] of pieces) {
    const one = key(x0, y0);
    const other = key(x1, y1);
    where.set(one, [x0, y0]);
    where.set(other, [x1, y1]);
    link(one, other, [x1, y1]);
    link(other, one, [x0, y0]);
  }
  const lines: [number, number][][] = [];
  const starts = [...around.keys()].sort((a, b) => around.get(a)!.length - around.get(b)!.length);
  for (const start of starts) {
    let here = start;
    const line = [where.get(start)!];
    for (;;) {
      const next = around.get(here)!.pop();
      if (!next) break;
      const back = around.get(next.to)!;
      const place = back.findIndex((each) => each.to === here);
      if (place >= 0) back.splice(place, 1);
      line.push(next.at);
      here = next.to;
    }
    if (line.length > 1) lines.push(line);
  }
  return lines;
}
