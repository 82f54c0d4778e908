// Searches: the rounds as shrinking boxes, what mattered, edges that the best values hug, and every trial.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { get } from "../api";
import { Chart } from "../chart";
import { useData } from "../data";
import { Parallel } from "../parallel";
import { Empty, Failed, FindingCard, Loading, Masthead, Section, Status } from "../parts";
import { Glyph } from "../signs";
import { DataTable } from "../table";
import { color, isDark } from "../theme";
import type { Finding, SignName } from "../types";
import { ago, num, plural, real, scalar, short, visible, type Real } from "../words";

interface Axis { scale: string; low: Real; high: Real; choices: unknown[] }
interface Trial { number: number; configuration: number; round: number; values: Record<string, unknown>; status: string; score: Real; steps: number; reason: string }
interface Move { round: number; name: string; action: string; before: Axis; after: Axis; reason: string }
interface Round { number: number; space: Record<string, Axis>; sampler: string; first: number; chunks: number[]; moves: Move[] }
interface Study {
  id: string; name: string; path: string; folder: string; status: string; reason: string; plan: Record<string, Real>; best: Trial | null; findings: Finding[];
  edges: { name: string; side: string; value: unknown; is_limit: boolean }[];
  final: { fresh: Real; optimism: Real; gain: Real; gain_error: Real; is_beyond_noise: boolean | null; fresh_scores: Real[]; default_scores: Real[]; test_scores: Real[]; values: Record<string, unknown> } | null;
  rounds: Round[]; trials: Trial[]; ranking: number[]; steps: number; progress: [Real, Real][]; notes: string[]; failures: { reason: string; trials: number }[];
}

export function Studies() {
  const { data, failure, again } = useData<{ studies: { id: string; name: string; written: number }[] }>("studies", (stop) => get("/api/studies", stop), null);
  return (
    <>
      <Masthead kind="The lab" title="Searches" terrain="searches" verdict="From coarse to fine: which values were tried, where the search went, and what mattered." />
      <main id="main">
        {failure && <Failed failure={failure} again={again} />}
        {!data && !failure && <Loading />}
        {data && !data.studies.length && <Empty title="No search yet."><p>A search appears here as soon as it begins:</p><pre>trainwright tune recipe.toml --folder studies/first</pre><p><a href="#/lab/grid-vs-random">Grid against random search, as a simulation</a></p></Empty>}
        {data && data.studies.length > 0 && <section aria-label="All searches"><ul class="links">{data.studies.map((each) => <li key={each.id}><a href={`#/search/${each.id}`}>{visible(each.name)}</a> <span class="soft">{ago(each.written)}</span></li>)}</ul></section>}
      </main>
    </>
  );
}

export function StudyPage({ id }: { id: string }) {
  const { data: study, failure, again } = useData<Study>(`study ${id}`, (stop) => get(`/api/studies/${encodeURIComponent(id)}`, stop), [id]);
  if (!study) return <><Masthead kind="Search" title="Search" terrain={id} /><main id="main">{failure ? <Failed failure={failure} again={again} /> : <Loading />}</main></>;
  const worst: SignName = study.findings.some((each) => each.severity === "error") ? "error" : study.findings.some((each) => each.severity === "warning") ? "warning" : "healthy";
  const facts: [string, string][] = [["best score", num(study.best?.score)], ["trials", num(study.trials.length)], ["steps of all", num(study.steps)]];
  if (study.final) facts.push(["on fresh seeds", num(study.final.fresh)]);
  const names = Object.keys(study.rounds[0]?.space ?? {});
  return (
    <>
      <Masthead kind={`Search · ${visible(study.path)}`} title={study.name} terrain={study.path} sign={worst} verdict={`${study.status}, ${plural(study.rounds.length, "round")}${study.findings.length ? `; ${plural(study.findings.length, "finding")}: ${visible(study.findings[0]!.title)}` : ""}`} facts={facts}>
        <p class="buttons"><Status status={study.status} /> {study.trials.length > 2 && <a class="button" href={`#/lab/grid-vs-random?1&study=${study.id}`}>Play it again</a>}</p>
      </Masthead>
      <main id="main">
        {study.findings.length > 0 && <Section id="findings" title="Findings">{study.findings.map((finding, k) => <FindingCard key={k} finding={finding} number={k + 1} />)}</Section>}
        <Progress study={study} />
        {names.length > 0 && <Section id="rounds" title="From coarse to fine"><div class="charts">{names.map((name) => <Boxes key={name} study={study} name={name} />)}</div></Section>}
        <ImportanceBars study={study} />
        {study.best && <BestTable study={study} />}
        {study.trials.length > 1 && names.length > 0 && <Section id="trials" title="All trials"><Trials study={study} names={names} /></Section>}
      </main>
    </>
  );
}

function Progress({ study }: { study: Study }) {
  const lines = useMemo(() => [{ name: "best score so far", x: study.progress.map(([x]) => real(x)), y: study.progress.map(([, y]) => real(y)), role: "train", style: "steps", wide: true }], [study.progress]);
  if (!study.progress.length) return <Empty title="No trial has been scored yet."><p>The first scores come after the first rung.</p></Empty>;
  return <Section id="progress" title="Progress"><Chart title="best score" x={{ label: "steps of all trials together" }} y={{ label: "score, lower is better" }} lines={lines} height={200} /></Section>;
}

/** One setting: a box for each round's range, a dot for each trial, the best ones full. */
function Boxes({ study, name }: { study: Study; name: string }) {
  void isDark.value;
  const host = useRef<HTMLElement>(null);
  const [wide, setWide] = useState(520);
  useEffect(() => {
    if (!host.current) return;
    const observer = new ResizeObserver(([entry]) => setWide(Math.max(Math.floor(entry!.contentRect.width), 200)));
    observer.observe(host.current);
    return () => observer.disconnect();
  }, []);
  const spaces = study.rounds.map((round) => round.space[name]).filter((axis): axis is Axis => !!axis);
  const tried = study.trials.filter((trial) => typeof trial.values[name] === "number" && !(study.rounds[0]!.space[name]?.choices?.length));
  if (!tried.length || !spaces.length) return <Choices study={study} name={name} />;
  const log = spaces[0]!.scale === "log";
  const all = [...tried.map((trial) => trial.values[name] as number), ...spaces.flatMap((axis) => [real(axis.low), real(axis.high)])].filter((value) => Number.isFinite(value) && (!log || value > 0));
  const f = (value: number): number => (log ? Math.log10(value) : value);
  const [low, high] = [f(Math.min(...all)), f(Math.max(...all))];
  const row = 44;
  const X = (value: number): number => 16 + ((f(value) - low) / (high - low || 1)) * (wide - 32);
  const tall = study.rounds.length * row + 26;
  const edges = study.edges.filter((edge) => edge.name === name);
  const rank = new Map(study.ranking.map((number, place) => [number, place]));
  const good = (trial: Trial): number => 1 - (rank.get(trial.number) ?? study.trials.length) / study.trials.length;
  return (
    <figure ref={host} class="chart" aria-label={name}>
      <figcaption><h3>{visible(name)}</h3><p class="legend">{study.best && <span class="at">best <b>{scalar(study.best.values[name])}</b></span>}{log && <span>logarithmic</span>}</p></figcaption>
      <svg class="boxes" viewBox={`0 0 ${wide} ${tall}`} role="img" aria-label={`${name}: ${study.rounds.map((round) => `round ${round.number + 1} from ${num(round.space[name]?.low)} to ${num(round.space[name]?.high)}`).join(", ")}`}>
        {study.rounds.map((round, k) => {
          const axis = round.space[name];
          const members = tried.filter((trial) => trial.round === round.number);
          return (
            <g key={k}>
              {axis && <rect x={X(real(axis.low))} width={Math.max(X(real(axis.high)) - X(real(axis.low)), 2)} y={k * row + 4} height={row - 8} class="box" />}
              <text x={4} y={k * row + 15} class="soft">{k + 1}</text>
              {members.map((trial) => <circle key={trial.number} cx={X(trial.values[name] as number)} cy={k * row + 12 + ((trial.number * 7919) % (row - 22))} r={3.4} fill={trial.status === "failed" ? "none" : color("train")} stroke={trial.status === "failed" ? color("error") : "none"} opacity={trial.status === "failed" ? 1 : 0.18 + 0.82 * good(trial) ** 2} />)}
            </g>
          );
        })}
        {study.best && typeof study.best.values[name] === "number" && <line x1={X(study.best.values[name] as number)} x2={X(study.best.values[name] as number)} y1={0} y2={study.rounds.length * row} class="bestline" />}
        <text x={16} y={tall - 6} class="soft">{num(log ? 10 ** low : low, 3)}</text>
        <text x={wide - 16} y={tall - 6} text-anchor="end" class="soft">{num(log ? 10 ** high : high, 3)}</text>
      </svg>
      {edges.map((edge) => <p key={edge.side} class="remark"><Glyph sign="warning" /> the best values hug the {edge.side} end, {scalar(edge.value)}{edge.is_limit ? ", which cannot be passed" : ""}</p>)}
      {study.rounds.flatMap((round) => round.moves).filter((move) => move.name === name && move.action !== "kept").map((move, k) => <p key={k} class="remark">after round {move.round + 1}: {visible(move.action)}; {visible(move.reason)}</p>)}
      <DataTable name={name} make={() => ({ columns: ["trial", "round", name, "score", "state"], count: tried.length, row: (place) => [tried[place]!.number, tried[place]!.round + 1, tried[place]!.values[name], tried[place]!.score, tried[place]!.status] })} />
    </figure>
  );
}

function Choices({ study, name }: { study: Study; name: string }) {
  const values = [...new Set(study.trials.map((trial) => scalar(trial.values[name])))];
  const best = (value: string): number => Math.min(...study.trials.filter((trial) => scalar(trial.values[name]) === value).map((trial) => real(trial.score)).filter(Number.isFinite));
  return (
    <figure class="chart" aria-label={name}>
      <figcaption><h3>{visible(name)}</h3></figcaption>
      <table><thead><tr><th scope="col">value</th><th scope="col">trials</th><th scope="col">best score</th></tr></thead><tbody>{values.map((value) => <tr key={value}><td>{visible(value)}</td><td class="number">{study.trials.filter((trial) => scalar(trial.values[name]) === value).length}</td><td class="number">{num(best(value))}</td></tr>)}</tbody></table>
    </figure>
  );
}

function ImportanceBars({ study }: { study: Study }) {
  const { data } = useData<{ importance: { name: string; share: Real; deviation: Real }[] }>(`importance ${study.id} ${study.trials.length} ${study.status}`, (stop) => get(`/api/studies/${study.id}/importance`, stop));
  if (!data?.importance.length) return null;
  return (
    <Section id="importance" title="What mattered" aside="share of the score's variance">
      <div class="scroll" tabIndex={0} role="region" aria-label="shares"><table class="bars"><thead class="unseen"><tr><th scope="col">setting</th><th scope="col">share</th></tr></thead><tbody>{data.importance.map((each) => (
        <tr key={each.name}><th scope="row">{visible(each.name)}</th><td><meter min={0} max={1} value={real(each.share)} aria-label={`share of ${each.name}`} /> {num(real(each.share) * 100, 2)} % <span class="soft">± {num(real(each.deviation) * 100, 2)}</span></td></tr>
      ))}</tbody></table></div>
    </Section>
  );
}

function BestTable({ study }: { study: Study }) {
  const { final } = study;
  return (
    <Section id="best" title="The best">
      <dl class="facts">{Object.entries(study.best!.values).map(([name, value]) => <div key={name}><dt>{visible(name)}</dt><dd>{visible(scalar(value))}</dd></div>)}</dl>
      {final && (
        <dl class="facts">
          <div><dt>search promised</dt><dd>{num(study.best!.score)}</dd></div>
          <div><dt>fresh seeds</dt><dd>{num(final.fresh)} <span class="soft">({final.fresh_scores.map((each) => num(each)).join(", ")})</span></dd></div>
          {final.gain !== null && <div><dt>gain over the defaults</dt><dd>{num(final.gain)}{final.gain_error !== null && <> ± {num(final.gain_error)}</>} {final.is_beyond_noise === null ? "" : final.is_beyond_noise ? "beyond the noise of its repeats" : "within the noise of its repeats"}</dd></div>}
          {final.test_scores.length > 0 && <div><dt>untouched split</dt><dd>{final.test_scores.map((each) => num(each)).join(", ")}</dd></div>}
        </dl>
      )}
    </Section>
  );
}

function Trials({ study, names }: { study: Study; names: string[] }) {
  const order = useMemo(() => study.ranking.map((number) => study.trials.find((trial) => trial.number === number)!), [study]);
  return (
    <>
      <Parallel title="each trial across its settings, the best ones dark" axes={[...names, "score"]} rows={[...order].reverse().slice(-300).map((trial) => ({ id: String(trial.number), name: `trial ${trial.number}: ${num(trial.score)}`, values: { ...trial.values, score: real(trial.score) }, share: 1 - order.indexOf(trial) / order.length, lost: trial.status === "failed" }))} />
      <div class="scroll" tabIndex={0} role="region" aria-label="the best trials">
        <table><caption>the best {num(Math.min(order.length, 25))} of {plural(order.length, "trial")}: those that came further first, then by score</caption><thead><tr><th scope="col">trial</th><th scope="col">state</th><th scope="col" class="number">steps</th><th scope="col" class="number">score</th>{names.map((name) => <th key={name} scope="col">{visible(name)}</th>)}</tr></thead>
          <tbody>{order.slice(0, 25).map((trial) => <tr key={trial.number}><td>{trial.number}</td><td><Status status={trial.status} /></td><td class="number">{num(trial.steps)}</td><td class="number">{num(trial.score)}</td>{names.map((name) => <td key={name} class="number">{short(scalar(trial.values[name]), 24)}</td>)}</tr>)}</tbody></table>
      </div>
    </>
  );
}
