// The frame of every page: where one can go, the state of the connection, day and night.
import { useEffect, useErrorBoundary } from "preact/hooks";
import { trouble } from "./api";
import { connection } from "./live";
import { Compare } from "./pages/compare";
import { Help } from "./pages/help";
import { LabIndex } from "./pages/lab";
import { LearnPage } from "./pages/learn";
import { RunPage } from "./pages/run";
import { Runs } from "./pages/runs";
import { SimulationPage } from "./pages/simulation";
import { Studies, StudyPage } from "./pages/studies";
import { Verify } from "./pages/verify";
import { Empty, Failed, Masthead } from "./parts";
import { place } from "./route";
import { Glyph } from "./signs";
import { theme, type Theme } from "./theme";

const NAVIGATION: [string, string, string[]][] = [
  ["runs", "Runs", ["runs", "run"]],
  ["compare", "Compare", ["compare"]],
  ["searches", "Searches", ["searches", "search"]],
  ["verify", "Verify", ["verify"]],
  ["lab", "Lab", ["lab"]],
  ["learn", "Learn", ["learn"]],
  ["help", "Help", ["help"]],
];

const NEXT: Record<Theme, Theme> = { system: "dark", dark: "light", light: "system" };
const THEMES: Record<Theme, string> = { system: "auto", dark: "night", light: "day" };
const CONNECTIONS = { live: "live", asking: "every 5 s", lost: "no answer" } as const;

/** A page that cannot be drawn says so, and leaves the others usable. */
function Guarded() {
  const [problem, reset] = useErrorBoundary((error) => console.warn(error));
  const { page, name } = place.value;
  useEffect(() => {
    if (problem) reset();
  }, [page, name]);
  if (!problem) return <Page />;
  return (
    <>
      <Masthead kind="The lab" title="This page could not be drawn" />
      <main id="main"><Failed failure={{ status: 0, what: "what the server sent could not be shown", evidence: String(problem), remedy: "look at it in the terminal: trainwright runs show" }} again={reset} /></main>
    </>
  );
}

function Page() {
  const { page, name } = place.value;
  if (page === "runs") return <Runs />;
  if (page === "run") return <RunPage key={name} id={name} />;
  if (page === "compare") return <Compare />;
  if (page === "searches") return <Studies />;
  if (page === "search") return <StudyPage key={name} id={name} />;
  if (page === "verify") return <Verify id={name} />;
  if (page === "lab") return name ? <SimulationPage key={name} name={name} /> : <LabIndex />;
  if (page === "learn") return <LearnPage />;
  if (page === "help") return <Help />;
  return (
    <>
      <Masthead kind="Nowhere" title="There is no such page" />
      <main id="main"><Empty title="The address names a page that the lab does not have."><p><a href="#/runs">Go to the runs</a></p></Empty></main>
    </>
  );
}

export function App() {
  const { page, name } = place.value;
  useEffect(() => {
    window.scrollTo(0, 0);
  }, [page, name]);
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => { event.preventDefault(); document.getElementById("title")?.focus(); }}>Skip to the page</a>
      <div class="bar">
        <nav aria-label="Pages">
          <a class="brand" href="#/runs"><Mark /> trainwright <span>lab</span></a>
          <ul>{NAVIGATION.map(([to, text, pages]) => <li key={to}><a href={`#/${to}`} aria-current={pages.includes(page) ? "page" : undefined}>{text}</a></li>)}</ul>
          <p class="tools">
            <span class={`connection ${connection.value}`} role="status"><Glyph sign={connection.value === "live" ? "healthy" : connection.value === "lost" ? "error" : "note"} /><span class="unseen">connection: </span>{CONNECTIONS[connection.value]}</span>
            <button type="button" class="small" onClick={() => (theme.value = NEXT[theme.value])}><span class="unseen">colours: </span>{THEMES[theme.value]}</button>
          </p>
        </nav>
      </div>
      {trouble.value && <p class="trouble" role="alert"><Glyph sign="error" /> {trouble.value}</p>}
      <Guarded />
      <footer><p>Served by this machine alone. The page only reads: it can neither slow nor stop a run.</p></footer>
    </>
  );
}

function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" width="22" height="22" aria-hidden="true" focusable="false">
      <g fill="none" stroke="currentColor" stroke-width="1.7">
        <path d="M2 20c3-10 11-16 18-15s10 8 9 14-8 10-15 10S0 26 2 20z" /><path d="M7 20c2-7 8-10 13-9s6 5 5 9-6 6-10 6-9-1-8-6z" /><path d="M13 19c1-3 4-4 6-3s3 2 2 4-3 2-4 2-4-1-4-3z" />
      </g>
    </svg>
  );
}
