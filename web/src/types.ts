// What the server sends. Numbers that may be NaN or infinite come as strings too.
import type { Real } from "./words";

export type SignName = "healthy" | "note" | "warning" | "error";

export interface Evidence { name: string; value: unknown; threshold: unknown; step: number | null; unit: string }
export interface Remedy { text: string; change: Record<string, unknown> | null }
export interface Place { file: string | null; line: number | null; module: string | null; parameter: string | null }
export interface Finding {
  code: string; kind: string; severity: "error" | "warning" | "note"; title: string; where: Place; step: number | null;
  evidence: Evidence[]; because: string; remedies: Remedy[]; confidence: number;
}
export interface RunLine {
  id: string; name: string; title: string; status: string; problem: string; task: string | null; model: string; optimizer: string;
  loss: Real; steps: number; planned: number | null; seconds: number | null; started: number | null; written: number;
  metric: string | null; best: Record<string, Record<string, Real>>; rate: unknown; seed: unknown;
  severities: Record<string, number>; lead: string; signature: string; damage: string;
}
export interface Check {
  check: string; status: "passed" | "warned" | "failed" | "skipped"; findings: Finding[]; value: string; expected: string;
  seconds: number; reason: string;
}
export interface RunEvent { time: number; step: number; name: string; detail: Record<string, unknown> }
export interface RunDetail extends RunLine {
  folder: string; info: Record<string, any>; outcome: Record<string, any> | null; findings: Finding[]; digest: string | null;
  versions: Record<string, unknown>; data: Record<string, any>; checks: Check[]; events: RunEvent[]; cursor: number; recipe: string;
  patience: number; resolved: { finding: Finding; found: number | null; gone: number | null }[];
}

export type Value = number | string | boolean;
export interface Parameter {
  name: string; label: string; kind: "number" | "integer" | "choice" | "switch" | "seed" | "text"; default: Value;
  low: number | null; high: number | null; log: boolean; step: number | null; unit: string; choices: [string, string][]; help: string;
  tabs: boolean; needs: [string, Value[]][];
}
export interface AxisSpec { label: string; unit?: string; log?: boolean; low?: Real; high?: Real }
export interface SimSeries {
  name: string; x: Real[]; y: Real[]; role: string; style: string; dash: string; low: Real[]; high: Real[]; played: boolean;
}
export interface Marker { x: Real; y: Real; text: string; sign: SignName | null }
export interface Span { x0: Real; x1: Real; text: string; sign: SignName | null }
export interface SimPlot { title: string; x: AxisSpec; y: AxisSpec; series: SimSeries[]; markers: Marker[]; spans: Span[]; off_scale: number }
export interface SimPath { name: string; x: Real[]; y: Real[]; role: string; dash: string; style: string; played: boolean }
export interface SimField {
  title: string; x_axis: AxisSpec; y_axis: AxisSpec; x: Real[]; y: Real[]; values: Real[][]; log: boolean; paths: SimPath[];
  markers: Marker[]; arrows: [number, number, number, number][]; caveat: string; off_scale: number;
}
export interface SimTable { title: string; columns: string[]; rows: unknown[][]; signs: (SignName | null)[] }
export interface Link { text: string; simulation: string; values: Record<string, Value> }
export interface SimStep { title: string; text: string; formula: string; worked: string; numbers: Evidence[]; sign: SignName | null; links: Link[] }
export interface Result {
  verdict: { sign: SignName; text: string }; plots: SimPlot[]; fields: SimField[]; tables: SimTable[]; steps: SimStep[];
  evidence: Evidence[]; python: string; frames: number; frame_label: string; loops: string; progress: number; done: boolean;
}
export interface Preset { name: string; title: string; values: Record<string, Value> }
export interface Claim { text: string; source: string; as_written: string; cases: Record<string, Value>[] }
export interface Simulation {
  name: string; number: number; title: string; guide: string; teaches: string; parameters: Parameter[]; presets: Preset[];
  claims: Claim[]; live: boolean; seconds: number;
}
export interface Told { values: Record<string, Value>; state: string; result: Result }
export interface Question { chapter: number; question: string; answers: { text: string; right: boolean; feedback: string; link: Link | null }[] }
export interface Misconception { belief: string; truth: string; source: string; link: Link }
export interface Learn { questions: Question[]; misconceptions: Misconception[] }
