// Chapters: what each simulation teaches, what of the guides is true, and a question whose wrong answers can be refuted.
import { get } from "../api";
import { useData } from "../data";
import { Failed, Loading, Masthead, Section } from "../parts";
import { LinkTo } from "../results";
import { query, setParameter } from "../route";
import { Glyph } from "../signs";
import type { Learn, Question, Simulation } from "../types";
import { num, plural } from "../words";

const KEY = "trainwright-answers";

function answered(): Record<string, number> {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    return typeof kept === "object" && kept !== null ? (kept as Record<string, number>) : {};
  } catch {
    return {};
  }
}

export function LearnPage() {
  const learn = useData<Learn>("learn", (stop) => get("/api/learn", stop));
  const all = useData<{ simulations: Simulation[] }>("simulations", (stop) => get("/api/simulations", stop));
  const failure = learn.failure ?? all.failure;
  const simulations = all.data?.simulations ?? [];
  const guideOf = (each: Simulation): string => /^G2, chapter \d+/.exec(each.guide)?.[0] ?? each.guide;
  const guides = [...new Set(simulations.map(guideOf))].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  const chapterOf = (guide: string): number => Number(/^G2, chapter (\d+)/.exec(guide)?.[1] ?? NaN);
  const loose = (learn.data?.questions ?? []).filter((question) => !guides.some((guide) => chapterOf(guide) === question.chapter));
  return (
    <>
      <Masthead kind="Learn" title="Training, chapter by chapter" terrain="learn" verdict="Sentences of the craft, each one run as a test; where a sentence is wrong as it is usually written, the right one stands here." facts={learn.data ? [["chapters", num(guides.length)], ["questions", num(learn.data.questions.length)]] : []} />
      <main id="main">
        {failure && <Failed failure={failure} again={() => { learn.again(); all.again(); }} />}
        {!learn.data && !failure && <Loading />}
        {learn.data && learn.data.misconceptions.length > 0 && (
          <Section id="beliefs" title="Widely believed">
            <ul class="claims">{learn.data.misconceptions.map((each) => <li key={each.belief}><p class="written"><Glyph sign="error" /><span class="unseen">not true:</span> <q>{each.belief}</q> <span class="soft">{each.source}</span></p><p>{each.truth}</p><p><LinkTo link={each.link} /></p></li>)}</ul>
          </Section>
        )}
        {guides.map((guide, k) => (
          <Section key={guide} id={`chapter-${k}`} title={guide}>
            {simulations.filter((each) => guideOf(each) === guide).map((each) => (
              <div key={each.name} class="lesson">
                <h3><a href={`#/lab/${each.name}`}>{each.title}</a></h3>
                <p>{each.teaches}</p>
                {each.claims.length > 0 && <details class="twin"><summary>{plural(each.claims.length, "sentence")}, tested</summary><ul class="claims">{each.claims.map((claim, n) => <li key={n}>{claim.as_written && <p class="written"><span class="tag">as written</span> <q>{claim.as_written}</q></p>}<p>{claim.text} <span class="soft">{claim.source}</span></p></li>)}</ul></details>}
              </div>
            ))}
            {learn.data?.questions.filter((question) => question.chapter === chapterOf(guide)).map((question) => <Quiz key={question.question} question={question} />)}
          </Section>
        ))}
        {loose.length > 0 && <Section id="more-questions" title="Questions">{loose.map((question) => <Quiz key={question.question} question={question} />)}</Section>}
      </main>
    </>
  );
}

/** Answers stand in the address, as chapter and letter ("0b,5c"), and in this browser. */
function Quiz({ question }: { question: Question }) {
  const told = (query.value.get("answers") ?? "").split(",").filter((each) => /^\d+[a-z]$/.test(each));
  const mine = told.find((each) => parseInt(each, 10) === question.chapter);
  const asked = mine ? mine.charCodeAt(mine.length - 1) - 97 : answered()[question.question];
  const chosen = asked !== undefined && question.answers[asked] ? asked : null;
  function choose(place: number): void {
    setParameter("answers", [...told.filter((each) => each !== mine), `${question.chapter}${String.fromCharCode(97 + place)}`].join(","));
    try {
      localStorage.setItem(KEY, JSON.stringify({ ...answered(), [question.question]: place }));
    } catch {
      // it is only a convenience
    }
  }
  const answer = chosen === null ? null : question.answers[chosen];
  return (
    <fieldset class="quiz">
      <legend>{question.question}</legend>
      {question.answers.map((each, k) => <label key={k}><input type="radio" name={question.question} checked={chosen === k} onChange={() => choose(k)} /> {each.text}</label>)}
      <div class="feedback" role="status">{answer && <p><Glyph sign={answer.right ? "healthy" : "error"} /> <b>{answer.right ? "Right." : "Not so."}</b> {answer.feedback} {answer.link && <LinkTo link={answer.link} />}</p>}</div>
    </fieldset>
  );
}
