// The checks before a run: what was measured, beside what was expected.
import { get } from "../api";
import { useData } from "../data";
import { Empty, Failed, FindingCard, Loading, Masthead, Section } from "../parts";
import { Glyph } from "../signs";
import type { RunDetail, SignName } from "../types";
import { duration, num, plural, visible } from "../words";
import type { RunList } from "./runs";

const SIGNS: Record<string, SignName> = { passed: "healthy", warned: "warning", failed: "error", skipped: "note" };

export function Verify({ id }: { id: string }) {
  return id ? <Checks key={id} id={id} /> : <Choose />;
}

function Choose() {
  const { data, failure, again } = useData<RunList>("verify runs", (stop) => get("/api/runs", stop), null);
  return (
    <>
      <Masthead kind="Before a long run" title="Verify" terrain="verify" verdict="In under a minute: is the gradient right, does the loss start where it should, can a tiny batch be learnt by heart?" />
      <main id="main">
        <Section id="how" title="How to ask for it"><p>The checks run your own model and data, so they run in your terminal; every run of a recipe begins with them.</p><pre tabIndex={0} aria-label="command">trainwright verify recipe.toml</pre></Section>
        {failure && <Failed failure={failure} again={again} />}
        {!data && !failure && <Loading />}
        {data && (data.runs.length ? (
          <Section id="verified" title="Checks of a run"><ul class="links">{data.runs.slice(0, 100).map((run) => <li key={run.id}><a href={`#/verify/${run.id}`}>{visible(run.name)}</a></li>)}</ul></Section>
        ) : <Empty title="No run has been checked yet."><p><a href="#/lab">The simulations show each check at work</a></p></Empty>)}
      </main>
    </>
  );
}

function Checks({ id }: { id: string }) {
  const { data: run, failure, again } = useData<RunDetail>(`verify ${id}`, (stop) => get(`/api/runs/${encodeURIComponent(id)}`, stop), [id]);
  if (!run) return <><Masthead kind="Verify" title="Checks" terrain={id} /><main id="main">{failure ? <Failed failure={failure} again={again} /> : <Loading />}</main></>;
  const count = (status: string): number => run.checks.filter((each) => each.status === status).length;
  const worst: SignName = count("failed") ? "error" : count("warned") ? "warning" : "healthy";
  const findings = run.checks.flatMap((each) => each.findings ?? []);
  const facts: [string, string][] = (["passed", "warned", "failed", "skipped"] as const).filter(count).map((each) => [each, num(count(each))]);
  return (
    <>
      <Masthead kind={`Verify · ${visible(run.name)}`} title="Checks before the first step" terrain={run.name} sign={run.checks.length ? worst : undefined}
        verdict={run.checks.length ? (worst === "healthy" ? "Ready to train." : worst === "warning" ? "It can train; read the warnings." : "It should not train like this.") : "This run was not checked."} facts={facts}>
        <p class="buttons"><a class="button" href={`#/run/${run.id}`}>To its curves</a></p>
      </Masthead>
      <main id="main">
        {!run.checks.length && <Empty title="No checks were kept with this run."><p>Runs of a recipe begin with them, unless they were switched off.</p></Empty>}
        {findings.length > 0 && <Section id="findings" title="Findings" aside={plural(findings.length, "finding")}>{findings.map((finding, k) => <FindingCard key={k} finding={finding} number={k + 1} />)}</Section>}
        {run.checks.length > 0 && (
          <Section id="checks" title="Checklist">
            <div class="scroll" tabIndex={0} role="region" aria-label="table of all checks">
              <table class="checks"><thead><tr><th scope="col">check</th><th scope="col">state</th><th scope="col">measured</th><th scope="col">expected</th><th scope="col">time</th></tr></thead>
                <tbody>{run.checks.map((check) => (
                  <tr key={check.check}><th scope="row">{visible(check.check)}</th><td><span class="sign"><Glyph sign={SIGNS[check.status] ?? "note"} /> {check.status}</span></td><td>{visible(check.value || check.reason)}</td><td>{visible(check.expected)}</td><td class="number">{check.seconds ? duration(check.seconds) : ""}</td></tr>
                ))}</tbody></table>
            </div>
          </Section>
        )}
      </main>
    </>
  );
}
