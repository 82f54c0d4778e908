// One simulation: controls from its schema, what it computed, and playing it step by step. All of its state is its address.
import { signal } from "@preact/signals";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { get, isFailure, lines as streamed, post, type Failure } from "../api";
import { Controls, Tabs } from "../controls";
import { useData } from "../data";
import { CopyButton, Failed, Loading, Masthead, Section } from "../parts";
import { download } from "../files";
import { Evidences, LinkTo, Plots, Steps, Tables } from "../results";
import { place, setQuery } from "../route";
import { Glyph } from "../signs";
import { isCalm } from "../theme";
import type { Simulation, Told, Value } from "../types";
import { num, visible } from "../words";
import { fromState, toState } from "../state";

const USUAL = 3; // of speeds from 1 to 10
const QUICK = 1.5; // seconds up to which a change is computed at once
const unfolded = signal(window.innerWidth > 768); // on a narrow page the curve comes first
const PAUSE = 180; // milliseconds that a slider may still move

export function SimulationPage({ name }: { name: string }) {
  const { data, failure, again } = useData<Simulation>(`simulation ${name}`, (stop) => get(`/api/simulations/${encodeURIComponent(name)}`, stop));
  if (!data) return <><Masthead kind="Simulation" title={failure ? "There is no such simulation" : "Simulation"} terrain={name} /><main id="main">{failure ? <><Failed failure={failure} again={again} /><p><a href="#/lab">All simulations</a></p></> : <Loading />}</main></>;
  return <Shown simulation={data} />;
}

function Shown({ simulation }: { simulation: Simulation }) {
  const state = place.value.query;
  const [values, problem] = useMemo(() => fromState(simulation, state), [simulation, state]);
  const [told, setTold] = useState<Told | null>(null);
  const [failure, setFailure] = useState<Failure | null>(null);
  const [busy, setBusy] = useState(false);
  const [turn, setTurn] = useState(0);
  const [frame, setFrame] = useState<number | null>(null);
  const [playing, setPlaying] = useState(false);
  const [speed, setSpeed] = useState(USUAL);
  const job = useRef("");
  const running = useRef<AbortController | null>(null);
  const heavy = simulation.live || simulation.seconds > QUICK;
  const asked = useRef("");

  useEffect(() => {
    if (problem) {
      setFailure(problem);
      return;
    }
    if (heavy && asked.current && turn === 0) return; // what trains waits for the button once it was shown
    const timer = window.setTimeout(() => void compute(), asked.current && !heavy ? PAUSE : 0);
    return () => window.clearTimeout(timer);
  }, [state, heavy ? turn : 0, simulation]);
  useEffect(() => () => running.current?.abort(), []);

  async function compute(): Promise<void> {
    running.current?.abort();
    const stop = new AbortController();
    running.current = stop;
    asked.current = state || "defaults";
    setBusy(true);
    setPlaying(false);
    const body = { values };
    try {
      if (simulation.live) {
        setTold(null);
        for await (const line of streamed<{ job?: string; result?: Told; error?: Failure }>(`/api/simulations/${simulation.name}/stream`, body, stop.signal)) {
          if (line.job) job.current = line.job;
          if (line.error) throw { ...line.error, status: 422 };
          if (line.result) setTold(line.result);
        }
      } else setTold(await post<Told>(`/api/simulations/${simulation.name}/run`, body, stop.signal));
      setFailure(null);
      setFrame(null);
    } catch (caught) {
      if (stop.signal.aborted) return;
      setFailure(isFailure(caught) ? caught : { status: 0, what: String(caught), evidence: "", remedy: "" });
    } finally {
      if (running.current === stop) {
        setBusy(false);
        job.current = "";
      }
    }
  }

  const frames = told?.result.frames ?? 0;
  useEffect(() => {
    if (!playing || !frames) return;
    const timer = window.setInterval(() => setFrame((before) => {
      const next = (before ?? -1) + 1;
      if (next >= frames - 1) setPlaying(false);
      return Math.min(next, frames - 1);
    }), Math.max(45, Math.min(400, 6000 / frames)) * (USUAL / speed));
    return () => window.clearInterval(timer);
  }, [playing, frames, speed]);
  function play(): void {
    if (!frames) return;
    if (isCalm.value) { // nothing moves by itself
      step(1);
      return;
    }
    if (!playing && (frame === null || frame >= frames - 1)) setFrame(0);
    setPlaying(!playing);
  }
  function step(by: number): void {
    setPlaying(false);
    setFrame((before) => Math.max(0, Math.min((before ?? (by > 0 ? -1 : frames - 1)) + by, frames - 1)));
  }
  function change(name: string, value: Value): void {
    setQuery(toState(simulation, { ...values, [name]: value }));
    if (heavy) setTurn(0);
  }
  function reset(): void {
    setPlaying(false);
    setFrame(null);
    setQuery("");
    if (heavy) setTurn((before) => before + 1);
  }
  useEffect(() => {
    function key(event: KeyboardEvent): void {
      const target = event.target as HTMLElement;
      if (event.ctrlKey || event.metaKey || event.altKey || /^(TEXTAREA|SELECT)$/.test(target.tagName) || (target.tagName === "INPUT" && (target as HTMLInputElement).type !== "range")) return;
      if (event.key === " " && !/^(BUTTON|A|SUMMARY)$/.test(target.tagName)) { event.preventDefault(); play(); }
      else if (event.key === ".") step(1);
      else if (event.key === ",") step(-1);
      else if (event.key.toLowerCase() === "r") reset();
      else if (event.key.toLowerCase() === "t") document.querySelector<HTMLElement>(".results details.twin summary")?.click();
    }
    window.addEventListener("keydown", key);
    return () => window.removeEventListener("keydown", key);
  });

  const result = told?.result;
  const sign = result?.verdict.sign;
  const shown = frame === null ? null : frame;
  return (
    <>
      <Masthead kind={`Simulation${simulation.number ? ` ${simulation.number}` : ""} · ${simulation.guide}`} title={simulation.title} terrain={simulation.name} verdict={simulation.teaches} />
      <main id="main" class="simulation">
        <section class="panel" aria-label="Controls">
          {simulation.presets.length > 0 && <div class="presets" role="group" aria-label="Presets">{simulation.presets.map((preset) => (
            <button key={preset.name} type="button" class="small" onClick={() => { setQuery(toState(simulation, preset.values)); if (heavy) setTurn((before) => before + 1); }}>{preset.title}</button>
          ))}</div>}
          <details class="fold" open={unfolded.value}><summary>Controls</summary><Controls parameters={simulation.parameters} values={values} onChange={change} /></details>
          <div class="does"><p class="buttons">
            {heavy && !busy && <button type="button" class="primary" onClick={() => setTurn((before) => before + 1)}>Run</button>}
            {busy && simulation.live && <button type="button" onClick={() => { if (job.current) void post(`/api/jobs/${job.current}/cancel`, {}); else running.current?.abort(); }}>Cancel</button>}
            <button type="button" onClick={reset} aria-keyshortcuts="R">Reset</button>
          </p>
          <p class="buttons">
            <CopyButton text={location.href} what="link" />
            {result?.python && <CopyButton text={result.python} what="Python" />}
            {told && <button type="button" class="small" onClick={() => download(`${simulation.name}.json`, JSON.stringify(told, null, 1), "application/json")}>Keep as JSON</button>}
          </p></div>
        </section>
        <div class="results" aria-busy={busy}>
          <Tabs parameters={simulation.parameters} values={values} onChange={change} />
          {failure && <Failed failure={failure} again={problem ? reset : () => void compute()} />}
          {!result && !failure && <Loading />}
          {result && (
            <>
              <div class={`verdict-box ${sign}`} role="status"><p><Glyph sign={sign!} /> <b>{sign}</b> {visible(result.verdict.text)}</p></div>
              {busy && <progress aria-label="progress" max={1} value={simulation.live ? result.progress : undefined} />}
              {frames > 1 && (
                <div class="player" role="group" aria-label="Animation">
                  {!isCalm.value && <button type="button" onClick={play} aria-keyshortcuts="Space">{playing ? "Pause" : "Play"}</button>}
                  <button type="button" onClick={() => step(-1)} aria-label="one step back">◂</button>
                  <button type="button" onClick={() => step(1)} aria-label="one step on" aria-keyshortcuts=".">▸</button>
                  <input type="range" min={0} max={frames - 1} value={shown ?? frames - 1} aria-label={result.frame_label} onInput={(event) => { setPlaying(false); setFrame(Number(event.currentTarget.value)); }} />
                  <span class="at">{result.frame_label} {result.steps.length === frames || !/^(step|epoch)$/.test(result.frame_label) ? `${num((shown ?? frames - 1) + 1)} of ${num(frames)}` : num(shown ?? frames - 1)}</span>
                  {!isCalm.value && <label class="inline">speed <input type="number" min={1} max={10} value={speed} onChange={(event) => setSpeed(Math.min(Math.max(Number(event.currentTarget.value) || USUAL, 1), 10))} /></label>}
                  {isCalm.value && <span class="soft">motion is reduced: step through it</span>}
                </div>
              )}
              <Steps steps={result.steps} frame={result.frames ? shown ?? result.frames - 1 : null} loops={result.loops} />
              <Plots result={result} frame={shown} />
              <Tables tables={result.tables} />
              <Evidences evidence={result.evidence} />
              {result.python && <details class="twin"><summary>The same in Python</summary><pre tabIndex={0} aria-label="Python">{result.python}</pre></details>}
            </>
          )}
          {simulation.claims.length > 0 && (
            <Section id="claims" title="What is claimed, and tested">
              <ul class="claims">{simulation.claims.map((claim, k) => (
                <li key={k}>{claim.as_written && <p class="written"><span class="tag">as written</span> <q>{claim.as_written}</q></p>}<p>{claim.text} <span class="soft">{claim.source}</span></p>
                  <p>{claim.cases.map((values, n) => <LinkTo key={n} link={{ text: `see it${claim.cases.length > 1 ? ` (${n + 1})` : ""}`, simulation: simulation.name, values }} />)}</p></li>
              ))}</ul>
            </Section>
          )}
        </div>
      </main>
    </>
  );
}
