// Keys, signs, and where everything of the page is to be had without it.
import { Masthead, Section } from "../parts";
import { Glyph } from "../signs";

const KEYS: [string, [string, string][]][] = [
  ["On a chart", [["Tab", "go to the chart"], ["← →", "along the curve; with Shift ten times as far"], ["Home End", "to its ends"], ["+ −", "closer, wider"], ["0 or Esc", "the whole run"]]],
  ["On a map of layers", [["← → ↑ ↓", "from value to value"]]],
  ["In a simulation", [["Space", "play, pause"], [".", "one step on"], ["R", "back to the defaults"], ["T", "the table of the first chart"], ["← →", "on a slider: to the next place"]]],
];

export function Help() {
  return (
    <>
      <Masthead kind="Help" title="How to read this page" terrain="help" />
      <main id="main">
        <Section id="signs" title="Signs">
          <dl class="facts signs">
            <div><dt><Glyph sign="error" /> error</dt><dd>exact, or certain: the training is wrong as it stands</dd></div>
            <div><dt><Glyph sign="warning" /> warning</dt><dd>the numbers say so; read the evidence before you believe it</dd></div>
            <div><dt><Glyph sign="note" /> note</dt><dd>worth knowing, nothing to mend</dd></div>
            <div><dt><Glyph sign="healthy" /> healthy</dt><dd>it was looked for and not found</dd></div>
          </dl>
          <p>The same signs, words and numbers stand in the terminal and in the report. A finding is drawn on every curve: a shaded interval where its evidence lies, a numbered pin below, a card with the remedy. A triangle at the upper edge of a curve that points down marks values that are not finite; an arrow at an edge marks where a line leaves the window. A rule that is not wanted can be muted on its card, with a reason: it is folded, not hidden.</p>
        </Section>
        <Section id="keys" title="Keys">
          {KEYS.map(([where, keys]) => (
            <div key={where} class="keys"><h3>{where}</h3><dl class="facts">{keys.map(([key, what]) => <div key={key}><dt><kbd>{key}</kbd></dt><dd>{what}</dd></div>)}</dl></div>
          ))}
        </Section>
        <Section id="shown" title="What is shown of long runs">
          <p>Up to five thousand points come as they are. Of more, each pixel keeps its first, least, greatest and last point, so that a spike of a single step is there at every zoom; the line below a chart says how many of how many are shown. The smoothed line is made of all points, looks back only, and does not change when you zoom.</p>
        </Section>
        <Section id="terminal" title="Without this page">
          <pre tabIndex={0} aria-label="commands">trainwright runs{"\n"}trainwright runs show runs/first --json -{"\n"}trainwright report runs/first{"\n"}trainwright lab list{"\n"}trainwright lab run learning-rate --set rate=0.5 --json -{"\n"}trainwright explain TW301</pre>
        </Section>
      </main>
    </>
  );
}
