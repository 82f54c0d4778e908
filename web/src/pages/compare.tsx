// Several runs side by side: one curve of each, groups over seeds, and what differs in what they were asked.
import { signal } from "@preact/signals";
import { useMemo, useState } from "preact/hooks";
import { get, series, type SeriesHead } from "../api";
import { Chart } from "../chart";
import { useData } from "../data";
import { sight, valueAt, type Line, type Mark } from "../lines";
import { Parallel, type Coordinate } from "../parallel";
import { Empty, Failed, Loading, Masthead, Section, Status } from "../parts";
import { query, setParameter } from "../route";
import { nth } from "../theme";
import type { RunDetail } from "../types";
import { num, plural, real, scalar, short, visible } from "../words";
import { SOFT } from "./run_curves";
import { bestOf, chosen, type RunList } from "./runs";

const MOST = 10;
const AXES = [["step", "step"], ["epoch", "epoch"], ["time", "seconds of training"]] as const;
const cursor = signal<number | null>(null);

export function Compare() {
  const asked = (query.value.get("runs") ?? "").split(",").filter((id) => /^[0-9a-f]{16}$/.test(id)).slice(0, MOST);
  return asked.length ? <Compared key={asked.join()} ids={asked} /> : <Choose />;
}

function Choose() {
  const { data, failure, again } = useData<RunList>("compare runs", (stop) => get("/api/runs", stop), null);
  const newest = data?.runs.filter((run) => !run.problem).slice(0, 4).map((run) => run.id) ?? [];
  return (
    <>
      <Masthead kind="The lab" title="Compare" terrain="compare" verdict="Runs by step, epoch or time; groups over seeds; what differs in what they were asked." />
      <main id="main">
        {failure && <Failed failure={failure} again={again} />}
        {!data && !failure && <Loading />}
        {data && (newest.length > 1 ? (
          <Empty title="Choose runs in the table of runs."><p class="buttons">
            {chosen.value.length > 1 && <a class="button" href={`#/compare?runs=${chosen.value.join(",")}`}>Compare the {chosen.value.length} that you chose</a>}
            <a class="button" href={`#/compare?runs=${newest.join(",")}`}>Compare the newest {newest.length}</a> <a href="#/runs">To the runs</a></p></Empty>
        ) : <Empty title="There are not yet two runs to compare."><p><a href="#/runs">To the runs</a></p></Empty>)}
      </main>
    </>
  );
}

function settingsOf(run: RunDetail): Record<string, unknown> {
  const settings = (run.info.settings ?? {}) as Record<string, { value: unknown }>;
  return Object.fromEntries(Object.entries(settings).map(([name, setting]) => [name, setting?.value]));
}

function Compared({ ids }: { ids: string[] }) {
  const axis = query.value.get("x") ?? "step";
  const asked = query.value.get("tag");
  const grouped = query.value.get("seeds") === "group";
  const details = useData<(RunDetail | null)[]>(`details ${ids.join()}`, (stop) => Promise.all(ids.map((id) => get<RunDetail>(`/api/runs/${id}`, stop).catch(() => null))), ids);
  const tags = useData<string[]>(`all tags ${ids.join()}`, async (stop) => {
    const found = await Promise.all(ids.map((id) => get<{ tags: { tag: string }[] }>(`/api/runs/${id}/tags`, stop).catch(() => ({ tags: [] }))));
    return [...new Set(found.flatMap((each) => each.tags.map((one) => one.tag)))].filter((each) => !each.startsWith("layer/") && each !== "epoch");
  }, ids);
  const tag = asked ?? (!tags.data || tags.data.includes("validation/loss") ? "validation/loss" : "loss");
  const curves = useData<(SeriesHead | null)[]>(`curves ${ids.join()} ${axis} ${tag} ${details.data?.length ?? 0}`, (stop) => Promise.all(ids.map((id) => series(id, { tags: [tag], axis, px: 900, smooth: SOFT.includes(tag) ? Math.max(8, ...(details.data ?? []).map((run) => (run?.steps ?? 0) / 60)) : 0 }, stop).catch(() => null))), ids);
  const runs = (details.data ?? []).filter((run): run is RunDetail => !!run);
  const differing = useMemo(() => {
    const all = runs.map(settingsOf);
    const names = [...new Set(all.flatMap((each) => Object.keys(each)))];
    return names.filter((name) => new Set(all.map((each) => JSON.stringify(each[name]))).size > 1);
  }, [details.data]);
  const base = runs.find((run) => run.id === query.value.get("base")) ?? runs[0];
  const apart = query.value.get("minus") === "base" && !grouped && runs.length > 1;
  const plain = useMemo(() => linesOf(ids, details.data ?? [], curves.data ?? [], grouped, differing), [details.data, curves.data, grouped, differing]);
  const lines = useMemo(() => (apart ? { ...plain, lines: minus(plain.lines, plain.owners.indexOf(base?.id ?? "")) } : plain), [plain, apart, base?.id]);
  const { totals, shown } = lines.counted;
  const { high, above, away } = useMemo(() => sight(lines.lines, tag.endsWith("loss") && !apart), [lines, tag, apart]);
  const log = !apart && (query.value.has("log") ? query.value.get("log") === "1" : away);
  const [whole, setWhole] = useState(false);
  const axes = differing.filter((name) => name !== "train.seed");
  return (
    <>
      <Masthead kind="Compare" title={`${num(ids.length)} runs side by side`} terrain={ids.join()} facts={[["settings that differ", num(differing.length)]]} />
      <main id="main">
        {details.failure && <Failed failure={details.failure} again={details.again} />}
        {details.data && runs.length < ids.length && <p class="remark">{plural(ids.length - runs.length, "run")} of the address could not be found.</p>}
        <Section id="curves" title="Curves">
          <div class="toolbar">
            <label class="inline">curve <select value={tag} onChange={(event) => setParameter("tag", event.currentTarget.value)}>{[...new Set([tag, ...(tags.data ?? [])])].map((each) => <option key={each} value={each}>{visible(each)}</option>)}</select></label>
            <fieldset class="choice"><legend>over</legend>{AXES.map(([name, text]) => <label key={name}><input type="radio" name="axis" checked={axis === name} onChange={() => setParameter("x", name)} />{text}</label>)}</fieldset>
            <label class="inline"><input type="checkbox" checked={grouped} onChange={(event) => setParameter("seeds", event.currentTarget.checked ? "group" : null)} /> one band for all seeds of the same settings</label>
            {runs.length > 1 && <label class="inline"><input type="checkbox" checked={apart} disabled={grouped} onChange={(event) => setParameter("minus", event.currentTarget.checked ? "base" : null)} /> less the baseline, {short(base?.name ?? "", 40)}</label>}
          </div>
          {!curves.data && !curves.failure && <Loading />}
          {curves.data && !lines.lines.length && <Empty title={`None of these runs has recorded ${visible(tag)}.`}><p>Choose another curve above.</p></Empty>}
          {lines.lines.length > 0 && <Chart title={apart ? `${visible(tag)}, less that of ${short(base?.name ?? "", 40)}` : visible(tag)} marks={apart ? LEVEL : undefined} x={{ label: AXES.find(([name]) => name === axis)?.[1] ?? "step" }} y={{ label: apart ? "difference" : tag, log, high: whole || log || Number.isNaN(high) ? null : high }} lines={lines.lines} height={360} cursor={cursor} onLog={apart ? undefined : () => setParameter("log", log ? "0" : "1")} note={shown < totals ? `showing ${num(shown)} of ${plural(totals, "point")}, extremes kept` : `all ${plural(totals, "point")} shown`} />}
          {lines.lines.length > 0 && !log && !Number.isNaN(high) && <p class="remark"><button type="button" class="small" onClick={() => setWhole(!whole)}>{whole ? "keep what matters in sight" : `${plural(above, "point")} above the window: show all`}</button></p>}
        </Section>
        {base && <Differences runs={runs} differing={differing} base={base} />}
        {runs.length > 1 && axes.length > 0 && (
          <Section id="parallel" title="Parallel coordinates"><Parallel title="what differs, and how it ended" axes={[...axes, "best"]} rows={runs.map((run): Coordinate => ({ id: run.id, name: short(run.name, 40), values: { ...settingsOf(run), best: score(run) } }))} /></Section>
        )}
      </main>
    </>
  );
}

function linesOf(ids: string[], details: (RunDetail | null)[], curves: (SeriesHead | null)[], grouped: boolean, differing: string[]): { lines: Line[]; owners: string[]; counted: { totals: number; shown: number } } {
  const raw = ids.map((id, k) => ({ id, run: details[k] ?? null, drawn: curves[k]?.series.find((each) => each.tag.endsWith("~")) ?? curves[k]?.series[0] }));
  const found = raw.filter((each) => each.drawn && each.run);
  const counted = { totals: found.reduce((sum, each) => sum + each.drawn!.total, 0), shown: found.reduce((sum, each) => sum + each.drawn!.shown, 0) };
  const owners = found.map((each) => each.id);
  if (!grouped) return { counted, owners, lines: found.map(({ run, drawn }, k) => ({ name: short(run!.name, 40), x: drawn!.x, y: drawn!.y, ...nth(k), wide: drawn!.length < 60, dots: drawn!.length < 60 })) };
  const groups = new Map<string, typeof found>();
  for (const each of found) {
    const settings = settingsOf(each.run!);
    const key = differing.filter((name) => name !== "train.seed").map((name) => `${name} = ${scalar(settings[name])}`).join(", ") || "same settings";
    groups.set(key, [...(groups.get(key) ?? []), each]);
  }
  const lines = [...groups].map(([name, members], k): Line => {
    // Only x that all members have: a mean over a changing number of runs would show jumps that no run made.
    const maps = members.map(({ drawn }) => new Map(Array.from(drawn!.x, (x, place) => [x, drawn!.y[place]!])));
    const x = [...maps[0]!.keys()].filter((each) => maps.every((map) => map.has(each)));
    const columns = x.map((each) => maps.map((map) => map.get(each)!));
    return { name: `${short(name, 60)} (${plural(members.length, "run")})`, x, y: columns.map((each) => each.reduce((a, b) => a + b, 0) / each.length), low: columns.map((each) => Math.min(...each)), high: columns.map((each) => Math.max(...each)), ...nth(k), wide: true };
  });
  return { counted, owners: [], lines };
}

const LEVEL: Mark[] = [{ x: NaN, y: 0, text: "the baseline", sign: null }];

/** Every line less the one at `place`: what that one had last, where it has no point of its own. */
function minus(lines: Line[], place: number): Line[] {
  const base = lines[place];
  if (!base) return lines;
  return lines.filter((line) => line !== base).map((line) => {
    const x = Array.from(line.x).filter((each) => valueAt(base, each) !== null && each <= base.x[base.x.length - 1]!);
    return { ...line, x, y: x.map((each) => valueAt(line, each)! - valueAt(base, each)!), low: undefined, high: undefined };
  });
}

function score(run: RunDetail): number {
  return real(bestOf(run).split(" ")[0]!.replaceAll("−", "-"));
}

/** What a run gained over the baseline, where both were measured alike. */
function gain(run: RunDetail, base: RunDetail): string {
  const alike = run !== base && bestOf(run).split(" ").slice(1).join() === bestOf(base).split(" ").slice(1).join();
  const by = score(run) - score(base);
  return alike && Number.isFinite(by) ? ` (${by > 0 ? "+" : ""}${num(by, 3)})` : "";
}

function Differences({ runs, differing, base }: { runs: RunDetail[]; differing: string[]; base: RunDetail }) {
  return (
    <Section id="differences" title="What differs">
      <div class="scroll" tabIndex={0} role="region" aria-label="differences">
        <table><thead><tr><th scope="col">setting</th>{runs.map((run) => <th key={run.id} scope="col"><a href={`#/run/${run.id}`}>{short(run.name, 40)}</a></th>)}</tr></thead>
          <tbody>
            {runs.length > 1 && <tr><th scope="row">baseline</th>{runs.map((run) => <td key={run.id}>{run === base ? "this one" : <button type="button" class="small" onClick={() => setParameter("base", run.id)} aria-label={`compare with it: ${visible(run.name)}`}>compare with it</button>}</td>)}</tr>}
            <tr><th scope="row">state</th>{runs.map((run) => <td key={run.id}><Status status={run.status} /></td>)}</tr>
            <tr><th scope="row">best</th>{runs.map((run) => <td key={run.id}>{bestOf(run)}<span class="soft">{gain(run, base)}</span></td>)}</tr>
            <tr><th scope="row">findings</th>{runs.map((run) => <td key={run.id}>{run.findings.map((each) => visible(each.kind)).join(", ") || "none"}</td>)}</tr>
            {differing.map((name) => <tr key={name}><th scope="row">{visible(name)}</th>{runs.map((run) => <td key={run.id}>{short(scalar(settingsOf(run)[name]), 60)}</td>)}</tr>)}
          </tbody></table>
      </div>
      {!differing.length && <p class="remark">All settings are the same.</p>}
    </Section>
  );
}
