// From series to charts: which belong together, what they are called, and the lines that a network must beat.
import type { Drawn } from "../api";
import { sight, type Line, type Mark } from "../lines";
import type { RunDetail } from "../types";
import { num, plural, visible } from "../words";

export interface Group { key: string; title: string; unit: string; lines: Line[]; lost: number[]; note: string; low: number | null; robustHigh: number; above: number; away: boolean }

const TITLES: Record<string, [string, string]> = {
  loss: ["Loss", "loss"], rate: ["Learning rate", "rate"], gradient_norm: ["Gradient norm", "norm"], update_ratio: ["Update ratio", "|update| / |weight|"],
  penalty: ["Penalty", "penalty"], seconds: ["Time of a step, seconds", "seconds"],
  memory: ["Memory, MiB", "MiB"], processors: ["Processors kept busy", "processors"],
};
/** What the process took, in the words of a legend, and by how much its numbers are divided for the chart. */
const SYSTEM: Record<string, [string, number]> = { memory: ["of the process", 2 ** 20], device_memory: ["of its tensors on the device", 2 ** 20], processors: ["since the look before", 1] };
const ORDER = ["loss", "METRIC", "rate", "gradient_norm", "update_ratio", "penalty", "seconds", "memory", "processors"];
/** Columns that swing from step to step, and have a smoothed line over the plain one. */
export const SOFT = ["loss", "gradient_norm", "update_ratio"];
const LONG = 2000; // steps from which a gradient norm is a block of ink without its mean
const WILD = 1000; // times the median at which a column ran away
const SPLITS: Record<string, { role: string; dash: string }> = { train: { role: "train", dash: "dashed" }, validation: { role: "validation", dash: "solid" }, test: { role: "test", dash: "dotted" } };

export function groupsOf(series: Drawn[], run: RunDetail): Group[] {
  const groups = new Map<string, Drawn[]>();
  for (const each of series) {
    const bare = each.tag.replace(/~$/, "");
    const slash = bare.indexOf("/");
    let key = slash < 0 ? bare : bare.slice(slash + 1);
    if (key === "clipped_norm") key = "gradient_norm";
    if (bare === "system/device_memory") key = "memory";
    if (slash >= 0 && each.tag.endsWith("~")) continue; // evaluations are shown as they are
    if (each.tag.endsWith("~") && (!SOFT.includes(key) || each.tag === "clipped_norm~")) continue;
    groups.set(key, [...(groups.get(key) ?? []), each]);
  }
  const rank = (key: string): number => {
    const place = ORDER.indexOf(key in TITLES ? key : "METRIC");
    return place < 0 ? ORDER.length : place;
  };
  return [...groups].sort(([a], [b]) => rank(a) - rank(b)).map(([key, members]) => groupOf(key, members, run));
}

/** A mean over what ran away is far above it for long after: there the plain line is shown alone. */
function isSoft(key: string, plain: Drawn[]): boolean {
  const steps = plain.find((each) => !each.tag.includes("/"));
  if (!steps || (key !== "loss" && steps.total < LONG)) return false;
  const values = Array.from(steps.y).filter(Number.isFinite).sort((a, b) => a - b);
  return !(values[values.length - 1]! > WILD * values[values.length >> 1]!);
}

function groupOf(key: string, members: Drawn[], run: RunDetail): Group {
  const [title, unit] = TITLES[key] ?? [visible(key === run.metric ? `${key[0]!.toUpperCase()}${key.slice(1)}` : key), visible(key)];
  const plain = members.filter((each) => !each.tag.endsWith("~"));
  const soft = plain.length < members.length && isSoft(key, plain);
  const clips = members.find((each) => each.tag === "clipped_norm");
  const whole = members.find((each) => each.tag === "gradient_norm");
  const same = clips && whole && clips.length === whole.length && clips.y.every((value, k) => Object.is(value, whole.y[k]));
  const lines: Line[] = members
    .filter((each) => !(each === clips && same) && (soft || !each.tag.endsWith("~")))
    .map((each) => {
      const [split, name] = each.tag.includes("/") ? each.tag.split("/") : ["", each.tag];
      const [taken, divisor] = split === "system" ? (SYSTEM[name!] ?? [visible(name), 1]) : ["", 1];
      if (taken) return { name: taken, x: each.x, y: each.y.map((value) => value / divisor), role: name === "device_memory" ? "validation" : "train", dash: name === "device_memory" ? "dashed" : "solid", dots: true };
      if (split) return { name: visible(`${split} ${name}`), x: each.x, y: each.y, ...(SPLITS[split!] ?? { role: "other" }), wide: true, dots: true };
      const told = key === "loss" ? "training loss" : unit === title.toLowerCase() ? unit : title.split(",")[0]!.toLowerCase();
      if (each.tag.endsWith("~")) return { name: `${told}, smoothed`, x: each.x, y: each.y, role: "train", wide: true };
      if (each.tag === "clipped_norm") return { name: "after clipping", x: each.x, y: each.y, role: "validation", dash: "dashed" };
      return { name: told, x: each.x, y: each.y, role: soft ? "other" : "train", faint: soft };
    })
    .sort((a, b) => Number(!!b.faint) - Number(!!a.faint));
  const raw = members.filter((each) => !each.tag.endsWith("~"));
  const total = raw.reduce((sum, each) => sum + each.total, 0);
  const shown = raw.reduce((sum, each) => sum + each.shown, 0);
  const lost: number[] = [];
  const counts: string[] = [];
  for (const each of raw) {
    for (let k = 0; k < each.length; k++) if (!Number.isFinite(each.y[k]!)) lost.push(each.x[k]!);
    for (const [name, count] of Object.entries(each.lost)) if (count) counts.push(`${num(count)} × ${name === "Infinity" ? "∞" : name === "-Infinity" ? "−∞" : "NaN"} in ${visible(each.tag)}, first at ${num(each.first_lost[name])}`);
  }
  const parts = [shown < total ? `showing ${num(shown)} of ${plural(total, "point")}, extremes kept` : `all ${plural(total, "point")} shown`, ...counts];
  const { high, above, away } = sight(lines, key === "loss");
  return { key, title, unit, lines, lost: lost.slice(0, 2000), note: parts.join(" · "), low: key === "accuracy" ? null : null, robustHigh: high, above, away };
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
