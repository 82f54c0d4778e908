// One run, live: verdict, curves with the findings on them, layers, findings as cards, and what it was asked to do.
import { signal, type Signal } from "@preact/signals";
import { useEffect, useMemo, useState } from "preact/hooks";
import { get, isFailure, series, type Failure, type SeriesHead } from "../api";
import { Chart } from "../chart";
import { useData } from "../data";
import { download } from "../files";
import { HeatMap, type Layers } from "../heat";
import type { Mark, Pin, Range, Stretch } from "../lines";
import { Empty, Failed, FindingCard, Loading, Masthead, Section, Status } from "../parts";
import { query, setParameter } from "../route";
import { Glyph } from "../signs";
import type { RunDetail, SignName } from "../types";
import { useTries } from "../tries";
import { duration, num, plural, real, scalar, visible, visibleLines } from "../words";
import { baselinesOf, groupsOf, SOFT, type Group } from "./run_curves";
import { RateAgainstCurvature, Resemblance, Weights } from "./run_looks";

const AXES: [string, string][] = [["step", "step"], ["epoch", "epoch"], ["time", "seconds of training"]];

export function RunPage({ id }: { id: string }) {
  const { data: run, failure, again } = useData<RunDetail>(`run ${id}`, (stop) => get(`/api/runs/${encodeURIComponent(id)}`, stop), [id]);
  const silent = run?.status === "running" || run?.status === "stalled";
  useEffect(() => {
    if (!silent) return;
    const timer = window.setInterval(again, 3000); // silence is no change of any file
    return () => window.clearInterval(timer);
  }, [silent]);
  if (!run) {
    return (
      <>
        <Masthead kind="Run" title={failure ? "This run cannot be shown" : "Run"} terrain={id} />
        <main id="main">{failure ? <Failed failure={failure} again={again} /> : <Loading />}</main>
      </>
    );
  }
  return <Shown run={run} failure={failure} />;
}

const WORSE = 1.2; // times the loss of a constant guess: more than the noise of one batch

function verdictOf(run: RunDetail): [SignName, string] {
  if (run.problem) return ["error", run.problem];
  const serious = run.findings.filter((each) => each.severity !== "note");
  const made = run.planned && run.planned !== run.steps ? `${num(run.steps)} of ${num(run.planned)} steps` : plural(run.steps, "step");
  const ended = run.status === "running" ? `running, ${made}` : run.status === "stalled" ? `stalled: nothing written for ${duration(Date.now() / 1000 - run.written)}` : run.status === "finished" ? "finished" : `${run.status} at step ${num(run.steps)}`;
  if (serious.length) return [serious.some((each) => each.severity === "error") || run.status === "diverged" ? "error" : "warning", `${ended}; ${plural(serious.length, "finding")}: ${visible(serious[0]!.title)}`];
  if (run.status === "diverged") return ["error", `${ended}. ${visible(run.outcome?.reason)}`];
  if (run.status === "stalled" || run.status === "interrupted") return ["warning", ended];
  if (run.loss !== null && run.loss !== undefined && !Number.isFinite(real(run.loss))) return ["error", `${ended}; the loss is ${num(run.loss)}`];
  if (run.damage) return ["warning", `${ended}; ${visible(run.damage)}`];
  const guess = real(run.info.targets?.constant_loss);
  if (run.status !== "running" && guess > 0 && real(run.loss) > WORSE * guess) return ["warning", `${ended}; the newest loss, ${num(run.loss)}, is above the ${num(guess)} of a constant guess`];
  return ["healthy", run.status === "running" ? `${ended}, healthy so far` : `${ended}, healthy`];
}

function Shown({ run, failure }: { run: RunDetail; failure: Failure | null }) {
  const [sign, verdict] = verdictOf(run);
  const cursor = useMemo(() => signal<number | null>(null), []);
  const ended = run.status !== "running";
  const { data: judged } = useData<Judged>(`judged ${run.id} ${ended ? run.signature : ""}`, (stop) => (ended && !run.problem ? get<Judged>(`/api/runs/${run.id}/judged`, stop) : Promise.resolve({ healthy: [], not_judged: {} })));
  const info = run.info;
  const facts: [string, string][] = [];
  for (const split of ["validation", "test"]) for (const [name, value] of Object.entries(run.best?.[split] ?? {})) facts.push([`${split} ${name}`, num(value)]);
  if (!facts.length && run.loss !== null) facts.push(["newest loss", num(run.loss)]);
  facts.push(["steps", run.planned && run.planned !== run.steps ? `${num(run.steps)} of ${num(run.planned)}` : num(run.steps)]);
  if (run.seconds) facts.push(["time", duration(run.seconds)]);
  if (info.parameters) facts.push(["parameters", num(info.parameters)]);
  const asked = [info.task, info.model, info.loss, [info.optimizer, info.schedule].filter(Boolean).join(", "), run.title].filter(Boolean);
  return (
    <>
      <Masthead kind={`Run · ${visible(run.name)}`} title={run.name.split("/").pop() || run.title || "run"} terrain={run.name} sign={sign} verdict={verdict} facts={facts}>
        <p class="asked">{asked.map((each) => <span key={each}>{visible(each)}</span>)}</p>
        <p class="buttons"><Status status={run.status} /> <a class="button" href={`#/verify/${run.id}`}>Checks</a> <a class="button" href={`#/lab/loss-landscape?1&folder=${run.id}`}>Landscape</a> <a class="button" href={`#/lab/schedules?1&folder=${run.id}`}>Schedule</a> <ReportButton run={run} /></p>
      </Masthead>
      <main id="main">
        {failure && <Failed failure={failure} />}
        {run.problem ? <Empty title={run.problem}><p class="soft">{visible(run.folder)}</p></Empty> : (
          <>
            <p class="unseen" role="status">{run.findings.length ? `${plural(run.findings.length, "finding")}: ${run.findings.map((each) => `${each.severity}, ${visible(each.title)}`).join("; ")}` : "no finding"}</p>
            <Section id="findings" title="Findings" aside={run.findings.length ? plural(run.findings.length, "finding") : ""}><Findings run={run} cursor={cursor} judged={judged} /></Section>
            <Curves run={run} cursor={cursor} />
            <Resemblance run={run} looked={judged?.healthy ?? []} />
            <LayerMap run={run} cursor={cursor} />
            {run.recipe && <RateAgainstCurvature run={run} />}
            {run.events.some((event) => event.name === "checkpoint") && <Weights run={run} />}
            <Told run={run} />
          </>
        )}
      </main>
    </>
  );
}

function ReportButton({ run }: { run: RunDetail }) {
  const [state, setState] = useState<"" | "making" | "failed">("");
  async function make(): Promise<void> {
    setState("making");
    try {
      const response = await fetch(`/api/runs/${run.id}/report`, { credentials: "same-origin" });
      if (!response.ok) throw new Error(String(response.status));
      download(`${run.name.split("/").pop()}.html`, await response.text(), "text/html");
      setState("");
    } catch {
      setState("failed");
    }
  }
  return <button type="button" disabled={state === "making"} onClick={() => void make()}>{state === "making" ? "making the report…" : state === "failed" ? "the report failed; again" : "Report as one file"}</button>;
}

interface Judged { healthy: string[]; not_judged: Record<string, string> | [string, string][] }

function Findings({ run, cursor, judged: data }: { run: RunDetail; cursor: Signal<number | null>; judged: Judged | null }) {
  const tries = useTries(run);
  const missing = data ? Object.entries(data.not_judged ?? {}) : [];
  return (
    <>
      {run.findings.map((finding, k) => (
        <FindingCard key={finding.kind} finding={finding} number={k + 1} mutes run={run.recipe ? run.id : undefined} tries={tries(finding)} onPoint={(step) => { if ((query.value.get("x") ?? "step") === "step") cursor.value = step; }} />
      ))}
      {!run.findings.length && (
        run.loss !== null && run.loss !== undefined && !Number.isFinite(real(run.loss)) ? <p class="absence"><Glyph sign="error" /> The run kept no finding; but its newest loss is {num(run.loss)}.</p>
          : run.damage ? <p class="absence"><Glyph sign="warning" /> No finding was kept; {visible(run.damage)}.</p>
          : <p class="absence"><Glyph sign="healthy" /> {run.status === "running" ? "No finding so far; the doctor looks on while it trains." : "No finding."}</p>
      )}
      {run.resolved.length > 0 && (
        <ul class="resolved" aria-label="findings that came and went">{run.resolved.map(({ finding, found, gone }) => (
          <li key={finding.kind}><Glyph sign={finding.severity} /> <span class="soft">{visible(finding.code)}</span> {visible(finding.title)} <span class="soft">found at step {num(found)}, resolved at step {num(gone)}</span></li>
        ))}</ul>
      )}
      {data && data.healthy.length > 0 && (
        <details class="twin"><summary>{plural(data.healthy.length, "rule")} found nothing{missing.length ? `, ${num(missing.length)} could not judge` : ""}</summary>
          <p class="rules">{data.healthy.map((kind) => <code key={kind}>{kind}</code>)}</p>
          {missing.length > 0 && <ul class="rules">{missing.map(([kind, why]) => <li key={kind}><code>{visible(kind)}</code> {visible(why)}</li>)}</ul>}
        </details>
      )}
    </>
  );
}

function Curves({ run, cursor }: { run: RunDetail; cursor: Signal<number | null> }) {
  const axis = AXES.some(([name]) => name === query.value.get("x")) ? query.value.get("x")! : "step";
  const smooth = Math.max(0, real(query.value.get("smooth") ?? "") || 0);
  const [range, setRange] = useState<Range | null>(null);
  const [px, setPx] = useState(800);
  useEffect(() => setRange(null), [axis]);
  const tags = useData<{ tags: { tag: string; points: number }[]; read: number; torn: number }>(`tags ${run.id}`, (stop) => get(`/api/runs/${run.id}/tags`, stop), [run.id]);
  const names = (tags.data?.tags ?? []).map((each) => each.tag).filter((tag) => !tag.startsWith("layer/") && tag !== "epoch");
  const half = smooth || defaultHalf(run.steps);
  const key = `series ${run.id} ${axis} ${half} ${names.join(" ")} ${range?.join(" ") ?? ""} ${px}`;
  const drawn = useData<SeriesHead | null>(key, async (stop) => {
    if (!names.length) return null;
    const wanted = { tags: names, axis, px, smooth: half, soft: SOFT, from: range?.[0] ?? null, to: range?.[1] ?? null };
    return series(run.id, wanted, stop);
  }, [run.id]);
  const [kept, setKept] = useState<SeriesHead | null>(null);
  useEffect(() => {
    if (drawn.data) setKept(drawn.data);
  }, [drawn.data]);
  const data = drawn.data ?? (kept?.axis === axis ? kept : null); // while a zoom loads, what was there stays
  useEffect(() => {
    const read = tags.data?.read ?? 1;
    if (read >= 1) return;
    const timer = window.setTimeout(() => { tags.again(); drawn.again(); }, 300);
    return () => window.clearTimeout(timer);
  }, [tags.data]);
  const groups = useMemo(() => (data ? groupsOf(data.series, run) : []), [data]);
  const label = AXES.find(([name]) => name === axis)![1];
  const per = real(run.info.steps_per_epoch);
  const onAxis = (step: number): number => (axis === "step" ? step : axis === "epoch" && per ? step / per : NaN);
  const { pins, spans } = useMemo(() => marksOf(run, onAxis), [run.findings, run.steps, axis]);
  const baselines = useMemo(() => baselinesOf(run), [run.info, run.findings]);
  const logs = query.value.get("log")?.split(",").filter(Boolean) ?? ["gradient_norm", "update_ratio", ...groups.filter((group) => group.away).map((group) => group.key)];
  if (tags.failure && !tags.data) return <Section id="curves" title="Curves"><Failed failure={tags.failure} again={tags.again} /></Section>;
  if (isFailure(drawn.failure) && !data) return <Failed failure={drawn.failure} again={drawn.again} />;
  return (
    <Section id="curves" title="Curves">
      <div class="toolbar">
        <fieldset class="choice"><legend>over</legend>{AXES.map(([name, text]) => <label key={name}><input type="radio" name="axis" checked={axis === name} onChange={() => setParameter("x", name === "step" ? null : name)} />{text}</label>)}</fieldset>
        <label class="inline">smoothing, half-life <input type="number" min="0" step="any" value={smooth || ""} placeholder={String(half)} onChange={(event) => setParameter("smooth", event.currentTarget.value)} /> steps</label>
        {range && <button type="button" onClick={() => setRange(null)}>Show all</button>}
        <p class="soft">drag to zoom, double-click for all</p>
      </div>
      {(tags.data?.read ?? 1) < 1 && <p class="remark" role="status">Reading a long run: {num(Math.floor((tags.data!.read) * 100))} % so far.</p>}
      {!!tags.data?.torn && <p class="remark">{plural(tags.data.torn, "line")} of metrics.jsonl could not be read and {tags.data.torn === 1 ? "is" : "are"} left out.</p>}
      {run.damage && names.length > 0 && <p class="remark"><Glyph sign="warning" /> {visible(run.damage)}.</p>}
      {tags.data && !names.length && <Empty title="No step has been recorded yet."><p>{run.status === "running" ? "The curves begin with the first step." : run.damage ? `${visible(run.damage)}.` : "The run ended before its first step."}</p></Empty>}
      {!data && names.length > 0 && <Loading />}
      <div class="charts">
        {groups.map((group) => (
          <RunChart key={group.key} group={group} label={label} log={logs.includes(group.key)} cursor={cursor} range={range} setRange={setRange} setPx={setPx} pins={pins} spans={spans}
            marks={group.key === "loss" ? baselines.loss : group.key === run.metric ? baselines.metric : []} toggleLog={() => setParameter("log", (logs.includes(group.key) ? logs.filter((each) => each !== group.key) : [...logs, group.key]).join(",") || "none")} />
        ))}
      </div>
    </Section>
  );
}

function defaultHalf(steps: number): number {
  return steps < 40 ? 0 : Math.max(2, Math.round(steps / 60));
}

function RunChart({ group, label, log, cursor, range, setRange, setPx, pins, spans, marks, toggleLog }: {
  group: Group; label: string; log: boolean; cursor: Signal<number | null>; range: Range | null; setRange: (range: Range | null) => void;
  setPx: (px: number) => void; pins: Pin[]; spans: Stretch[]; marks: Mark[]; toggleLog: () => void;
}) {
  const [whole, setWhole] = useState(false);
  const high = whole || log ? NaN : group.robustHigh;
  return (
    <div>
      <Chart title={group.title} x={{ label }} y={{ label: group.unit, log, high: Number.isFinite(high) ? high : null, low: group.low }} lines={group.lines} marks={marks} spans={spans} pins={pins} lost={group.lost}
        note={group.note} cursor={cursor} range={range} onRange={setRange} onWidth={setPx} onLog={toggleLog} />
      {Number.isFinite(group.robustHigh) && !log && <p class="remark"><button type="button" class="small" onClick={() => setWhole(!whole)}>{whole ? "keep what matters in sight" : `${plural(group.above, "point")} above the window: show all`}</button></p>}
    </div>
  );
}

function marksOf(run: RunDetail, onAxis: (step: number) => number): { pins: Pin[]; spans: Stretch[] } {
  const pins: Pin[] = [];
  const spans: Stretch[] = [];
  run.findings.forEach((finding, k) => {
    const at = finding.step ?? null;
    if (at === null) return;
    const known = finding.evidence.map((each) => each.step).filter((step): step is number => typeof step === "number");
    const [from, to] = [Math.min(at, ...known), Math.max(at, ...known)];
    if (!Number.isFinite(onAxis(at))) return;
    spans.push({ x0: onAxis(from), x1: onAxis(to > from ? to : from), text: finding.title, sign: finding.severity });
    pins.push({ x: onAxis(at), number: k + 1, sign: finding.severity, text: `${finding.severity}, ${visible(finding.title)}, at step ${num(at)}`, href: `#finding-${k + 1}` });
  });
  for (const { finding, found, gone } of run.resolved) {
    if (found === null || gone === null || !Number.isFinite(onAxis(found))) continue;
    spans.push({ x0: onAxis(found), x1: onAxis(gone), text: `${finding.title} (resolved)`, sign: null });
  }
  return { pins, spans };
}

const FIELDS: [string, string, boolean][] = [["std", "spread of activations", true], ["dead_fraction", "dead units", false], ["zero_fraction", "zero activations", false], ["flat_fraction", "saturated units", false], ["weight_norm", "weight norm", true], ["gradient_norm", "gradient norm", true]];

function LayerMap({ run, cursor }: { run: RunDetail; cursor: Signal<number | null> }) {
  const field = FIELDS.find(([name]) => name === query.value.get("layer")) ?? FIELDS[0]!;
  const { data } = useData<Layers>(`layers ${run.id} ${field[0]}`, (stop) => get(`/api/runs/${run.id}/layers?field=${field[0]}`, stop), [run.id]);
  if (!data) return null;
  const controls = <label class="inline">shows <select value={field[0]} onChange={(event) => setParameter("layer", event.currentTarget.value)}>{FIELDS.map(([name, text]) => <option key={name} value={name}>{text}</option>)}</select></label>;
  return (
    <Section id="layers" title="Layers">
      {data.layers.length ? <HeatMap title={`${field[1]}, layer by layer`} layers={data} log={field[2]} cursor={cursor} controls={controls} />
        : <Empty title={`No layer has recorded its ${field[1]}.`}><p>{controls}</p></Empty>}
    </Section>
  );
}

function Told({ run }: { run: RunDetail }) {
  const settings = Object.entries((run.info.settings ?? {}) as Record<string, { value: unknown; where: { line: number } | null; given?: boolean }>);
  const own = settings.filter(([, setting]) => setting?.where || setting?.given);
  const line = (event: RunDetail["events"][number]): string => visible(event.detail.text ?? event.detail.phase ?? event.detail.name ?? event.detail.kind ?? "");
  return (
    <Section id="told" title="What it was asked, and what happened">
      {settings.length > 0 && (
        <div class="scroll" tabIndex={0} role="region" aria-label="settings">
          <table><caption>{own.length ? `${plural(own.length, "setting")} of your own` : "all settings are defaults"}</caption><thead><tr><th scope="col">setting</th><th scope="col">value</th><th scope="col">written at</th></tr></thead>
            <tbody>{own.map(([name, setting]) => <tr key={name}><td>{visible(name)}</td><td>{visible(scalar(setting.value))}</td><td>{setting.where ? `line ${num(setting.where.line)}` : "the command or the call"}</td></tr>)}</tbody></table>
        </div>
      )}
      {settings.length > own.length && <details class="twin"><summary>{plural(settings.length - own.length, "default")}</summary><div class="scroll" tabIndex={0} role="region" aria-label="defaults"><table><thead><tr><th scope="col">setting</th><th scope="col">value</th></tr></thead><tbody>{settings.filter(([, setting]) => !setting?.where && !setting?.given).map(([name, setting]) => <tr key={name}><td>{visible(name)}</td><td>{visible(scalar(setting?.value))}</td></tr>)}</tbody></table></div></details>}
      {run.recipe && <details class="twin"><summary>Recipe</summary><pre tabIndex={0} aria-label="recipe">{visibleLines(run.recipe)}</pre></details>}
      {run.events.length > 0 && <details class="twin"><summary>{plural(run.events.length, "event")}</summary><ol class="events">{run.events.slice(-200).map((event, k) => <li key={k}><span class="at">step {num(event.step)}</span> {visible(event.name)} {line(event)}</li>)}</ol></details>}
      <dl class="facts">
        <div><dt>folder</dt><dd>{visible(run.folder)}</dd></div>
        {run.digest && <div><dt>weights digest</dt><dd>{visible(run.digest)}</dd></div>}
        {Object.entries(run.versions).map(([name, value]) => <div key={name}><dt>{visible(name)}</dt><dd>{visible(scalar(value))}</dd></div>)}
      </dl>
    </Section>
  );
}
