// From a finding to the simulation that shows it, at this run's own values as far as the simulation takes them.
import { useData } from "./data";
import { get } from "./api";
import { toState } from "./state";
import type { Trying } from "./parts";
import type { Finding, RunDetail, Simulation, Value } from "./types";

const SHOWN_BY: Record<string, string[]> = {
  "learning-rate-too-high": ["training-lottery", "learning-rate", "rate-finder"],
  "learning-rate-too-low": ["training-lottery", "learning-rate", "rate-finder"],
  "exploding-gradients": ["clipping", "initialisation", "learning-rate"],
  "vanishing-gradients": ["initialisation"],
  "activations-change-scale-with-depth": ["initialisation"],
  "dead-relu": ["initialisation"],
  "saturated-activations": ["initialisation"],
  "softmax-before-cross-entropy": ["initial-loss"],
  "initial-loss-off": ["initial-loss"],
  "scheduler-wrong-frequency": ["schedules"],
  "scheduler-never-stepped": ["schedules"],
  "warmup-missing": ["schedules"],
  "gradient-wrong": ["gradient-check"],
  "gradient-suspect": ["gradient-check"],
  "missing-zero-grad": ["training-loop"],
  "clipping-without-effect": ["training-loop", "clipping"],
  "training-in-eval-mode": ["training-loop"],
  "evaluating-in-train-mode": ["training-loop"],
  "weight-decay-too-strong": ["weight-decay"],
  "l2-inside-adam": ["weight-decay"],
  "dropout-too-strong": ["dropout"],
  overfitting: ["early-stopping", "loss-curves"],
  "best-checkpoint-passed": ["early-stopping"],
  underfitting: ["loss-curves"],
  plateau: ["loss-curves", "schedules"],
  "non-finite-loss": ["training-lottery", "half-precision"],
  "fp16-underflow": ["half-precision"],
  "best-value-at-edge": ["grid-vs-random"],
  "cannot-overfit-tiny-batch": ["checklist"],
};
/** The names that a simulation may give to a setting of a run. */
const NAMES: Record<string, string[]> = {
  "optimizer.lr": ["rate", "rate_high", "learning_rate", "lr", "middle"],
  "optimizer.momentum": ["momentum"],
  "optimizer.weight_decay": ["weight_decay", "decay"],
  "model.dropout": ["dropout"],
  "train.clip_norm": ["clip_norm", "limit"],
  outputs: ["classes"],
  steps_per_epoch: ["batches", "steps_per_epoch"],
};

export function useTries(run: RunDetail): (finding: Finding) => Trying[] {
  const wanted = run.findings.some((finding) => finding.kind in SHOWN_BY);
  const { data } = useData<Simulation[]>(`tries ${wanted}`, async (stop) => (wanted ? (await get<{ simulations: Simulation[] }>("/api/simulations", stop)).simulations : []));
  return (finding) => (SHOWN_BY[finding.kind] ?? [])
    .map((name) => data?.find((each) => each.name === name))
    .filter((each): each is Simulation => !!each)
    .slice(0, 2)
    .map((simulation) => {
      const state = toState(simulation, valuesOf(simulation, run));
      return { text: `${simulation.title}${state ? ", at this run's values" : ""}`, href: `#/lab/${simulation.name}${state ? `?${state}` : ""}` };
    });
}

function valuesOf(simulation: Simulation, run: RunDetail): Record<string, Value> {
  const values: Record<string, Value> = {};
  for (const [setting, names] of Object.entries(NAMES)) {
    const value: unknown = setting.includes(".") ? run.info.settings?.[setting]?.value : run.info[setting];
    const parameter = simulation.parameters.find((each) => names.includes(each.name) && (each.kind === "number" || each.kind === "integer"));
    if (!parameter || typeof value !== "number" || !Number.isFinite(value)) continue;
    values[parameter.name] = Math.min(Math.max(value, parameter.low ?? -Infinity), parameter.high ?? Infinity);
  }
  return values;
}
