// All runs: filter, sort, choose some to compare.
import { signal } from "@preact/signals";
import { useEffect, useMemo, useState } from "preact/hooks";
import { get } from "../api";
import { useData } from "../data";
import { Counts, Empty, Failed, Loading, Masthead, Status } from "../parts";
import { Glyph } from "../signs";
import { place, query, setParameter } from "../route";
import type { RunLine } from "../types";
import { ago, duration, num, plural, real, scalar, short, visible } from "../words";

export interface RunList { runs: RunLine[]; folders: string[]; left_out: { name: string; why: string }[] }

/** The runs that are to be compared, in the order in which they were chosen. */
export const chosen = signal<string[]>([]);
const MOST = 10;
const PAGE = 100;

export function toggle(id: string): void {
  chosen.value = chosen.value.includes(id) ? chosen.value.filter((each) => each !== id) : [...chosen.value, id].slice(-MOST);
}

export function bestOf(run: RunLine): string {
  const split = ["test", "validation", "train"].find((each) => run.best?.[each]);
  if (!split) return "";
  const metric = run.metric && run.best[split]![run.metric] !== undefined ? run.metric : "loss";
  return `${num(run.best[split]![metric])} ${split} ${metric}`;
}

const COLUMNS: [string, string, (run: RunLine) => number | string][] = [
  ["name", "run", (run) => run.name.toLowerCase()],
  ["status", "state", (run) => run.status],
  ["findings", "findings", (run) => -(run.severities.error ?? 0) * 1e6 - (run.severities.warning ?? 0) * 1e3 - (run.severities.note ?? 0)],
  ["steps", "steps", (run) => -run.steps],
  ["loss", "newest loss", (run) => real(run.loss)],
  ["best", "best", (run) => bestOf(run)],
  ["rate", "rate", (run) => real(run.rate as number)],
  ["written", "written", (run) => -run.written],
];

export function Runs() {
  const { data, failure, again } = useData<RunList>("runs", (stop) => get("/api/runs", stop), null);
  const [shown, setShown] = useState(PAGE);
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = window.setInterval(() => { tick((n) => n + 1); again(); }, 5000); // a run that falls silent changes no file
    return () => window.clearInterval(timer);
  }, []);
  const filter = query.value.get("filter") ?? "";
  const sort = query.value.get("sort") ?? "written";
  const found = useMemo(() => {
    const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
    const key = COLUMNS.find(([name]) => name === sort)?.[2] ?? COLUMNS[7]![2];
    const runs = (data?.runs ?? []).filter((run) => {
      const text = `${run.name} ${run.title} ${run.status} ${run.model} ${run.optimizer} ${run.lead} ${run.task}`.toLowerCase();
      return words.every((word) => text.includes(word));
    });
    return runs.sort((a, b) => {
      const [one, other] = [key(a), key(b)];
      return one < other ? -1 : one > other ? 1 : other === other && one !== one ? 1 : 0;
    });
  }, [data, filter, sort]);
  const runs = data?.runs ?? [];
  const live = runs.filter((run) => run.status === "running").length;
  const sick = runs.filter((run) => run.severities.error || run.status === "diverged").length;
  return (
    <>
      <Masthead kind="The lab" title="Runs" terrain="runs" facts={data ? [["runs", num(runs.length)], ["running", num(live)], ["with errors", num(sick)]] : []} />
      <main id="main">
        {failure && <Failed failure={failure} again={again} />}
        {!data && !failure && <Loading />}
        {data && !runs.length && <NoRuns folders={data.folders} />}
        {runs.length > 0 && (
          <section aria-label="All runs">
            <div class="toolbar">
              <label class="filter"><span>Filter</span><input type="search" value={filter} placeholder="name, state, model, finding" onInput={(event) => setParameter("filter", event.currentTarget.value)} /></label>
              <p class="soft" role="status">{found.length === runs.length ? plural(runs.length, "run") : `${num(found.length)} of ${plural(runs.length, "run")}`}</p>
              <p class="tray">{chosen.value.length > 1 ? <a class="button" href={`#/compare?runs=${chosen.value.join(",")}`}>Compare {chosen.value.length} runs</a> : <span class="soft">choose two or more to compare</span>}</p>
            </div>
            <div class="scroll wide" tabIndex={0} role="region" aria-label="table of runs">
              <table class="list">
                <thead><tr><th scope="col"><span class="unseen">compare</span></th>{COLUMNS.map(([name, text]) => (
                  <th key={name} scope="col" class={name === "steps" || name === "loss" || name === "rate" ? "number" : undefined} aria-sort={sort === name ? "ascending" : undefined}><button type="button" class="plain" onClick={() => setParameter("sort", name)}>{text}{sort === name ? " ↓" : ""}</button></th>
                ))}</tr></thead>
                <tbody>{found.slice(0, shown).map((run) => <Row key={run.id} run={run} />)}</tbody>
              </table>
            </div>
            {found.length > shown && <p class="buttons"><button type="button" onClick={() => setShown(shown + PAGE)}>Show {num(Math.min(PAGE, found.length - shown))} more of {num(found.length - shown)}</button></p>}
            {!!data?.left_out.length && <details class="twin"><summary>{plural(data.left_out.length, "folder")} left out</summary><ul class="left-out">{data.left_out.slice(0, 200).map((each) => <li key={each.name}>{short(each.name, 80)} <span class="soft">{visible(each.why)}</span></li>)}</ul></details>}
            {!found.length && <Empty title="No run fits the filter."><p><button type="button" onClick={() => setParameter("filter", null)}>Show all runs</button></p></Empty>}
          </section>
        )}
      </main>
    </>
  );
}

function Row({ run }: { run: RunLine }) {
  const id = `choose-${run.id}`;
  return (
    <tr class={run.status}>
      <td><input id={id} type="checkbox" checked={chosen.value.includes(run.id)} onChange={() => toggle(run.id)} aria-label={`compare ${visible(run.name)}`} /></td>
      <th scope="row"><a href={`#/run/${run.id}`}>{short(run.name, 70)}</a>{(run.problem || run.damage || run.lead) && <span class="under">{!run.problem && run.damage && <Glyph sign="warning" />} {short(run.problem || run.damage || run.lead, 110)}</span>}</th>
      <td><Status status={run.status} /></td>
      <td>{run.problem ? "–" : <Counts severities={run.severities} />}</td>
      <td class="number">{run.problem ? "–" : num(run.steps)}{run.planned && run.planned !== run.steps ? <span class="soft"> / {num(run.planned)}</span> : null}</td>
      <td class="number">{num(run.loss)}</td>
      <td>{bestOf(run)}</td>
      <td class="number">{scalar(run.rate)}</td>
      <td title={run.seconds ? `took ${duration(run.seconds)}` : undefined}>{ago(run.written)}</td>
    </tr>
  );
}

function NoRuns({ folders }: { folders: string[] }) {
  void place.value;
  return (
    <Empty title="No run yet.">
      <p>A run appears here by itself, within a second or two of its first step. Start one in another terminal:</p>
      <pre>trainwright demo{"\n"}trainwright train recipe.toml --folder runs/first{"\n"}trainwright run train.py</pre>
      <p class="soft">Looked in: {folders.map(visible).join(" · ")}</p>
      <p><a href="#/lab">Or try a simulation first</a></p>
    </Empty>
  );
}
