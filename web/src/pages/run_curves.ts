// From series to charts: which belong together, what they are called, and the lines that a network must beat.
import type { Drawn } from "../api";
import type { Line, Mark } from "../lines";
import type { RunDetail } from "../types";
import { num, plural, visible } from "../words";

export interface Group { key: string; title: string; unit: string; lines: Line[]; lost: number[]; note: string; low: number | null; robustHigh: number; above: number }

const TITLES: Record<string, [string, string]> = {
  loss: ["Loss", "loss"], rate: ["Learning rate", "rate"], gradient_norm: ["Gradient norm", "norm"], update_ratio: ["Update ratio", "|update| / |weight|"],
  penalty: ["Penalty", "penalty"], seconds: ["Time of a step", "seconds"],
};
const ORDER = ["loss", "METRIC", "rate", "gradient_norm", "update_ratio", "penalty", "seconds"];
const SPLITS: Record<string, { role: string; dash: string }> = { train: { role: "train", dash: "dashed" }, validation: { role: "validation", dash: "solid" }, test: { role: "test", dash: "dotted" } };
const CRUSHED = 12; // times the 95 % quantile from which the rest of a curve would be crushed flat

export function groupsOf(series: Drawn[], run: RunDetail): Group[] {
  const groups = new Map<string, Drawn[]>();
  for (const each of series) {
    const bare = each.tag.replace(/~$/, "");
    const slash = bare.indexOf("/");
    let key = slash < 0 ? bare : bare.slice(slash + 1);
    if (key === "clipped_norm") key = "gradient_norm";
    if (slash >= 0 && each.tag.endsWith("~")) continue; // evaluations are shown as they are
    if (each.tag.endsWith("~") && key !== "loss") continue;
    groups.set(key, [...(groups.get(key) ?? []), each]);
  }
  const rank = (key: string): number => {
    const place = ORDER.indexOf(key in TITLES ? key : "METRIC");
    return place < 0 ? ORDER.length : place;
  };
  return [...groups].sort(([a], [b]) => rank(a) - rank(b)).map(([key, members]) => groupOf(key, members, run));
}

function groupOf(key: string, members: Drawn[], run: RunDetail): Group {
  const [title, unit] = TITLES[key] ?? [visible(key === run.metric ? `${key[0]!.toUpperCase()}${key.slice(1)}` : key), visible(key)];
  const soft = members.some((each) => each.tag.endsWith("~"));
  const clips = members.find((each) => each.tag === "clipped_norm");
  const whole = members.find((each) => each.tag === "gradient_norm");
  const same = clips && whole && clips.length === whole.length && clips.y.every((value, k) => Object.is(value, whole.y[k]));
  const lines: Line[] = members
    .filter((each) => !(each === clips && same))
    .map((each) => {
      const [split, name] = each.tag.includes("/") ? each.tag.split("/") : ["", each.tag];
      if (split) return { name: visible(`${split} ${name}`), x: each.x, y: each.y, ...(SPLITS[split!] ?? { role: "other" }), wide: true, dots: true };
      if (each.tag === "loss~") return { name: "training loss, smoothed", x: each.x, y: each.y, role: "train", wide: true };
      if (each.tag === "loss") return { name: "training loss", x: each.x, y: each.y, role: soft ? "other" : "train", faint: soft };
      if (each.tag === "clipped_norm") return { name: "after clipping", x: each.x, y: each.y, role: "validation", dash: "dashed" };
      return { name: unit === title.toLowerCase() ? unit : title.toLowerCase(), x: each.x, y: each.y, role: "train" };
    })
    .sort((a, b) => Number(!!b.faint) - Number(!!a.faint));
  const raw = members.filter((each) => !each.tag.endsWith("~"));
  const total = raw.reduce((sum, each) => sum + each.total, 0);
  const shown = raw.reduce((sum, each) => sum + each.shown, 0);
  const lost: number[] = [];
  const counts: string[] = [];
  for (const each of raw) {
    for (let k = 0; k < each.length; k++) if (!Number.isFinite(each.y[k]!)) lost.push(each.x[k]!);
    for (const [name, count] of Object.entries(each.lost)) if (count) counts.push(`${num(count)} × ${name === "Infinity" ? "∞" : name === "-Infinity" ? "−∞" : "NaN"} in ${visible(each.tag)}, first at ${num(each.first_lost)}`);
  }
  const parts = [shown < total ? `showing ${num(shown)} of ${plural(total, "point")}, extremes kept` : `all ${plural(total, "point")} shown`, ...counts];
  const { high, above } = robust(lines);
  return { key, title, unit, lines, lost: lost.slice(0, 2000), note: parts.join(" · "), low: key === "accuracy" ? null : null, robustHigh: high, above };
}

/** Where few points are so high that the rest would be crushed, the window that keeps the rest in sight. */
function robust(lines: Line[]): { high: number; above: number } {
  const values: number[] = [];
  for (const line of lines) for (let k = 0; k < line.y.length; k++) if (Number.isFinite(line.y[k]!)) values.push(line.y[k]!);
  if (values.length < 20) return { high: NaN, above: 0 };
  values.sort((a, b) => a - b);
  const most = values[values.length - 1]!;
  const high = values[Math.floor(values.length * 0.95)]! * 1.5;
  if (!(high > 0) || most < high * CRUSHED) return { high: NaN, above: 0 };
  return { high, above: values.filter((value) => value > high).length };
}

/** Horizontal lines: what guessing and what trivial models reach, and the floor that a second softmax leaves. */
export function baselinesOf(run: RunDetail): { loss: Mark[]; metric: Mark[] } {
  const { info } = run;
  const level = (y: unknown, text: string, sign: Mark["sign"] = null): Mark[] => (typeof y === "number" && Number.isFinite(y) ? [{ x: NaN, y, text, sign }] : []);
  const classes = info.outputs as number;
  const guessing = info.task === "classification" && classes > 1 && info.loss === "cross_entropy" ? Math.log(classes) : NaN;
  const constant = info.targets?.constant_loss ?? info.baselines?.constant_loss;
  const loss = [...level(guessing, `log ${classes}: guessing`)];
  if (!(Math.abs(constant - guessing) < 0.03 * guessing)) loss.push(...level(constant, "constant predictor"));
  loss.push(...level(info.baselines?.linear_loss, info.baselines?.linear_model || "linear model"));
  if (run.findings.some((each) => each.kind === "softmax-before-cross-entropy")) loss.push(...level(Math.log(1 + (classes - 1) / Math.E), "floor of a second softmax", "error"));
  const metric = [...level(info.baselines?.constant_metric, "constant predictor"), ...level(info.baselines?.linear_metric, info.baselines?.linear_model || "linear model")];
  return { loss, metric };
}
