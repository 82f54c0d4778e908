// A chart as SVG: the same drawing as on the canvas, taken down as shapes, with its axes, title and legend.
import type uPlot from "uplot";
import { MONO, drawScene, type Scene } from "./draw";
import { color, sheet } from "./theme";

export interface Ticks { x: [number[], (string | null)[]]; y: [number[], (string | null)[]] }
export interface Named { name: string; role: string; dash?: string; style?: string; faint?: boolean }

const DASHES: Record<string, string> = { dashed: "6 3", dotted: "1.5 3", dashdot: "7 3 1.5 3" };

function escaped(text: string): string {
  // What XML cannot hold, a control character in a name say, is left out.
  return text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "").replace(/[&<>"]/g, (each) => `&#${each.charCodeAt(0)};`);
}

function short(value: number): string {
  return String(Math.round(value * 100) / 100);
}

/** As much of a canvas's context as the charts draw with; what it is told becomes SVG. */
class Recorder {
  strokeStyle = "#000";
  fillStyle = "#000";
  lineWidth = 1;
  lineJoin = "miter";
  lineCap = "butt";
  globalAlpha = 1;
  font = "";
  textAlign = "left";
  textBaseline = "alphabetic";
  readonly shapes: string[] = [];
  private path = "";
  private dash: number[] = [];
  private clips = 0;
  private readonly kept: object[] = [];
  private readonly ruler = document.createElement("canvas").getContext("2d")!;

  save(): void {
    const { strokeStyle, fillStyle, lineWidth, globalAlpha, dash, clips } = this;
    this.kept.push({ strokeStyle, fillStyle, lineWidth, globalAlpha, dash, clips });
  }
  restore(): void {
    const before = this.kept.pop() as { clips: number } | undefined;
    if (!before) return;
    for (; this.clips > before.clips; this.clips--) this.shapes.push("</g>");
    Object.assign(this, before);
  }
  beginPath(): void { this.path = ""; }
  moveTo(x: number, y: number): void { this.path += `M${short(x)} ${short(y)}`; }
  lineTo(x: number, y: number): void { this.path += `${this.path ? "L" : "M"}${short(x)} ${short(y)}`; }
  rect(x: number, y: number, wide: number, high: number): void { this.path += `M${short(x)} ${short(y)}h${short(wide)}v${short(high)}h${short(-wide)}Z`; }
  arc(x: number, y: number, r: number): void { this.path += `M${short(x - r)} ${short(y)}a${short(r)} ${short(r)} 0 1 0 ${short(2 * r)} 0a${short(r)} ${short(r)} 0 1 0 ${short(-2 * r)} 0`; } // whole circles alone
  clip(): void {
    const id = `c${this.shapes.length}`;
    this.shapes.push(`<clipPath id="${id}"><path d="${this.path}"/></clipPath><g clip-path="url(#${id})">`);
    this.clips++;
  }
  setLineDash(dash: number[]): void { this.dash = dash; }
  fill(): void { if (this.path) this.shapes.push(`<path d="${this.path}" fill="${this.fillStyle}"${this.see()}/>`); }
  stroke(): void { if (this.path) this.shapes.push(`<path d="${this.path}" fill="none" ${this.line()}/>`); }
  fillRect(x: number, y: number, wide: number, high: number): void { this.shapes.push(`<rect ${box(x, y, wide, high)} fill="${this.fillStyle}"${this.see()}/>`); }
  strokeRect(x: number, y: number, wide: number, high: number): void { this.shapes.push(`<rect ${box(x, y, wide, high)} fill="none" ${this.line()}/>`); }
  fillText(text: string, x: number, y: number): void { this.text(text, x, y, `fill="${this.fillStyle}"`); }
  strokeText(text: string, x: number, y: number): void { this.text(text, x, y, `fill="none" ${this.line()}`); }
  measureText(text: string): TextMetrics {
    this.ruler.font = this.font;
    return this.ruler.measureText(text);
  }

  private see(): string { return this.globalAlpha < 1 ? ` opacity="${this.globalAlpha}"` : ""; }
  private line(): string {
    return `stroke="${this.strokeStyle}" stroke-width="${short(this.lineWidth)}" stroke-linejoin="${this.lineJoin}" stroke-linecap="${this.lineCap}"${this.dash.length ? ` stroke-dasharray="${this.dash.map(short).join(" ")}"` : ""}${this.see()}`;
  }
  private text(text: string, x: number, y: number, paint: string): void {
    this.shapes.push(`<text x="${short(x)}" y="${short(y)}" style="font:${escaped(this.font)}" ${paint}>${escaped(text)}</text>`);
  }
}

function box(x: number, y: number, wide: number, high: number): string {
  if (wide < 0) [x, wide] = [x + wide, -wide];
  if (high < 0) [y, high] = [y + high, -high];
  return `x="${short(x)}" y="${short(y)}" width="${short(wide)}" height="${short(high)}"`;
}

const HEAD = 46; // the title, and the legend below it

/** The chart as it stands on the page, at its size there, on the colour of its paper. */
export function asSvg(plot: uPlot, scene: Scene, ticks: Ticks, title: string, across: string, legend: Named[]): string {
  const ratio = devicePixelRatio || 1;
  const { left, top, width, height } = plot.bbox;
  const colors = sheet();
  const recorder = new Recorder();
  drawScene({ ctx: recorder, bbox: plot.bbox, scales: plot.scales } as unknown as uPlot, scene);
  const label = (text: string, x: number, y: number, anchor: string, more = ""): string => `<text x="${short(x)}" y="${short(y)}" text-anchor="${anchor}" fill="${colors.soft}" style="font:${11 * ratio}px ${escaped(MONO)}"${more}>${escaped(text)}</text>`;
  const grid: string[] = [];
  const place = (value: number, axis: "x" | "y"): number => plot.valToPos(value, axis, true);
  const line = (x1: number, y1: number, x2: number, y2: number): string => `<path d="M${short(x1)} ${short(y1)}L${short(x2)} ${short(y2)}" stroke="${colors.grid}" stroke-width="${ratio}"/>`;
  ticks.x[0].forEach((value, k) => {
    const x = place(value, "x");
    if (x < left - 1 || x > left + width + 1 || !ticks.x[1][k]) return;
    grid.push(line(x, top, x, top + height), label(ticks.x[1][k]!, x, top + height + 18 * ratio, "middle"));
  });
  ticks.y[0].forEach((value, k) => {
    const y = place(value, "y");
    if (y < top - 1 || y > top + height + 1 || !ticks.y[1][k]) return;
    grid.push(line(left, y, left + width, y), label(ticks.y[1][k]!, left - 8 * ratio, y + 4 * ratio, "end"));
  });
  let at = left;
  const named = legend.map((each) => {
    const wide = (24 + 8 + each.name.length * 7) * ratio;
    const y = -12 * ratio;
    const key = each.style === "points" ? `<circle cx="${short(at + 12 * ratio)}" cy="${short(y)}" r="${short(3 * ratio)}" fill="${color(each.role)}"/>` : `<path d="M${short(at)} ${short(y)}h${short(24 * ratio)}" stroke="${color(each.role)}" stroke-width="${short(2.2 * ratio)}"${DASHES[each.dash ?? ""] ? ` stroke-dasharray="${DASHES[each.dash!]}"` : ""}${each.faint ? ' opacity="0.5"' : ""}/>`;
    const text = label(each.name, at + 30 * ratio, y + 4 * ratio, "start");
    at += wide + 14 * ratio;
    return key + text;
  });
  const [wide, tall] = [Math.max(plot.width * ratio, at), plot.height * ratio];
  const view = `0 ${short(-HEAD * ratio)} ${short(wide)} ${short(tall + (HEAD + 16) * ratio)}`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="${view}" width="${short(wide / ratio)}" height="${short(tall / ratio + HEAD + 16)}" role="img"><title>${escaped(title)}</title>`
    + `<rect x="0" y="${short(-HEAD * ratio)}" width="100%" height="100%" fill="${colors.paper}"/>`
    + `<text x="${short(left)}" y="${short(-28 * ratio)}" fill="${colors.ink}" style="font:${16 * ratio}px serif">${escaped(title)}</text>${named.join("")}`
    + `${grid.join("")}${label(across, left + width / 2, top + height + 36 * ratio, "middle")}${recorder.shapes.join("")}</svg>\n`;
}
