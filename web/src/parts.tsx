// What several pages show: the head of a page, findings as cards, states of a run, and what is empty or failed.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { isFailure, post, type Failure } from "./api";
import { download } from "./files";
import { mute, muted, unmute } from "./muted";
import { Glyph, Sign } from "./signs";
import { Terrain } from "./terrain";
import type { Evidence, Finding, SignName } from "./types";
import { num, scalar, short, visible, visibleLines } from "./words";

export function Masthead({ kind, title, terrain, sign, verdict, facts, children }: {
  kind: string; title: string; terrain?: string; sign?: SignName; verdict?: string; facts?: [string, string][]; children?: ComponentChildren;
}) {
  useEffect(() => {
    const mark = sign === "error" ? "▲ " : sign === "warning" ? "◆ " : "";
    document.title = `${mark}${short(title, 60)} · trainwright lab`;
  }, [title, sign]);
  return (
    <header class="masthead">
      <Terrain name={terrain ?? title} />
      <div class="inner">
        <p class="kind">{kind}</p>
        <h1 id="title" tabIndex={-1}>{short(title, 200)}</h1>
        {verdict && <p class="verdict">{sign && <Glyph sign={sign} />} {sign && <span class="unseen">{sign}: </span>}{verdict}</p>}
        {facts && facts.length > 0 && <dl class="figures">{facts.map(([name, value]) => <div key={name}><dt>{visible(name)}</dt><dd>{visible(value)}</dd></div>)}</dl>}
        {children}
      </div>
    </header>
  );
}

export function Section({ id, title, aside, children }: { id: string; title: string; aside?: string; children: ComponentChildren }) {
  return <section id={id} aria-labelledby={`${id}-h`}><h2 id={`${id}-h`}>{title}{aside && <span class="aside"> {aside}</span>}</h2>{children}</section>;
}

export function Empty({ title, children }: { title: string; children: ComponentChildren }) {
  return <div class="empty"><p class="lead">{title}</p>{children}</div>;
}

export function Failed({ failure, again }: { failure: Failure; again?: () => void }) {
  return (
    <div class="empty failed" role="alert">
      <p class="lead"><Glyph sign="error" /> {visible(failure.what)}</p>
      {failure.evidence && <p><span class="tag">evidence</span> {visible(failure.evidence)}</p>}
      {failure.remedy && <p><span class="tag">remedy</span> {visible(failure.remedy)}</p>}
      {again && <button type="button" onClick={again}>Try again</button>}
    </div>
  );
}

export function Loading() {
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = window.setTimeout(() => setLate(true), 300);
    return () => window.clearTimeout(timer);
  }, []);
  return <p class="loading" role="status">{late ? "reading…" : ""}</p>;
}

const STATUS: Record<string, SignName> = { running: "note", finished: "healthy", stopped: "healthy", stalled: "warning", diverged: "error", interrupted: "warning", unreadable: "error", failed: "error", pruned: "note" };

export function Status({ status }: { status: string }) {
  return <span class={`status ${status in STATUS ? status : ""}`}><Glyph sign={STATUS[status] ?? "note"} /> {status}</span>;
}

export function Counts({ severities }: { severities: Record<string, number> }) {
  const found = (["error", "warning", "note"] as const).filter((each) => severities[each]);
  if (!found.length) return <span class="none">none</span>;
  return <span class="counts">{found.map((each) => <span key={each} class="sign"><Glyph sign={each} />{severities[each]} <span class="unseen">{each}{severities[each] === 1 ? "" : "s"} </span></span>)}</span>;
}

export function evidenceText(evidence: Evidence): string {
  const value = evidence.value === true && evidence.threshold === null ? "" : `: ${scalar(evidence.value)}${evidence.unit ? ` ${evidence.unit}` : ""}`;
  const beside = [evidence.threshold !== null && evidence.threshold !== undefined ? `threshold ${scalar(evidence.threshold)}` : "", evidence.step !== null && evidence.step !== undefined ? `step ${num(evidence.step)}` : ""].filter(Boolean);
  return visible(`${evidence.name}${value}${beside.length ? ` (${beside.join(", ")})` : ""}`);
}

function placeText(finding: Finding): string {
  const { file, line, module, parameter } = finding.where ?? {};
  const parts = [file ? `${file}${line ? `:${line}` : ""}` : "", parameter ? `${parameter} (parameter)` : module !== null && module !== undefined ? (module ? `${module} (module)` : "the whole model") : ""];
  return visible(parts.filter(Boolean).join(", "));
}

export interface Trying { text: string; href: string }

export function FindingCard({ finding, number, run, onPoint, tries, mutes }: { finding: Finding; number: number; run?: string; onPoint?: (step: number) => void; tries?: Trying[]; mutes?: boolean }) {
  const place = placeText(finding);
  const reason = mutes ? muted.value[finding.kind] : undefined;
  if (reason !== undefined) {
    return (
      <p class="muted" id={`finding-${number}`} tabIndex={-1}><Glyph sign={finding.severity} /> {number} <span class="soft">{visible(finding.code)}</span> {visible(finding.title)} <span class="soft">muted: {visible(reason)}</span> <button type="button" class="small" onClick={() => unmute(finding.kind)}>Unmute</button></p>
    );
  }
  return (
    <article class={`card ${finding.severity}`} id={`finding-${number}`} tabIndex={-1} aria-labelledby={`finding-${number}-t`} onFocus={() => finding.step !== null && onPoint?.(finding.step)}>
      <p class="margin"><Glyph sign={finding.severity} /><span class="ordinal">{number}</span></p>
      <div>
        <p class="code"><Sign sign={finding.severity} /> {visible(finding.code)} <span class="slug">{visible(finding.kind)}</span></p>
        <h3 id={`finding-${number}-t`}>{visible(finding.title)}</h3>
        {(place || finding.step !== null) && <p class="where">{place}{place && finding.step !== null ? ", " : ""}{finding.step !== null ? `at step ${num(finding.step)}` : ""}</p>}
        <dl>
          {finding.evidence?.length > 0 && <><dt>evidence</dt><dd><ul>{finding.evidence.map((each, k) => <li key={k}>{evidenceText(each)}</li>)}</ul></dd></>}
          {finding.because && <><dt>because</dt><dd>{visible(finding.because)}</dd></>}
          {finding.remedies?.length > 0 && <><dt>remedy</dt><dd><ul>{finding.remedies.map((remedy, k) => (
            <li key={k}>{visible(remedy.text)}{remedy.change && run && <Patch run={run} finding={number - 1} remedy={k} />}</li>
          ))}</ul></dd></>}
          {!!tries?.length && <><dt>try it</dt><dd>{tries.map((each) => <a key={each.href} class="try" href={each.href}>{each.text}</a>)}</dd></>}
          <dt>more</dt><dd><code>trainwright explain {visible(finding.code)}</code>{finding.confidence < 1 && <span class="soft"> · confidence {num(finding.confidence, 2)}</span>}{mutes && <Mute kind={finding.kind} />}</dd>
        </dl>
      </div>
    </article>
  );
}

/** A rule is muted with a reason, in this browser; the line for the recipe mutes it for everybody. */
function Mute({ kind }: { kind: string }) {
  const [reason, setReason] = useState<string | null>(null);
  if (reason === null) return <> <button type="button" class="small" onClick={() => setReason("")}>Mute this rule</button></>;
  return (
    <form class="buttons" onSubmit={(event) => { event.preventDefault(); if (reason.trim()) mute(kind, reason.trim()); }}>
      <label>why <input type="text" required value={reason} onInput={(event) => setReason(event.currentTarget.value)} /></label>
      <button type="submit" class="small">Mute in this browser</button>
      <CopyButton text={`[doctor]\nignore = ["${kind}"]  # ${reason.trim()}`} what="the recipe's line" />
    </form>
  );
}

/** The change of a remedy as a new recipe and its difference. Nothing is written: the reader copies it, or keeps the file. */
function Patch({ run, finding, remedy }: { run: string; finding: number; remedy: number }) {
  const [made, setMade] = useState<{ recipe: string; difference: string } | null>(null);
  const [failure, setFailure] = useState<Failure | null>(null);
  async function ask(): Promise<void> {
    try {
      setMade(await post(`/api/runs/${run}/patched`, { finding, remedy }));
      setFailure(null);
    } catch (problem) {
      if (isFailure(problem)) setFailure(problem);
    }
  }
  if (failure) return <Failed failure={failure} />;
  if (!made) return <> <button type="button" class="small" onClick={() => void ask()}>Apply to a new recipe</button></>;
  return (
    <div class="patch">
      <pre tabIndex={0} aria-label="what changes in the recipe">{visibleLines(made.difference)}</pre>
      <p class="buttons"><CopyButton text={made.recipe} what="the recipe" /><button type="button" class="small" onClick={() => download("changed.toml", made.recipe)}>Keep as changed.toml</button></p>
    </div>
  );
}

export function CopyButton({ text, what }: { text: string; what: string }) {
  const [done, setDone] = useState(false);
  async function copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    setDone(true);
    window.setTimeout(() => setDone(false), 1500);
  }
  return <button type="button" class="small" onClick={() => void copy()}>{done ? "copied" : `Copy ${what}`}</button>;
}
