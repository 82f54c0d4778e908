// All simulations.
import { get } from "../api";
import { useData } from "../data";
import { Failed, Loading, Masthead } from "../parts";
import type { Simulation } from "../types";
import { num } from "../words";

export function LabIndex() {
  const { data, failure, again } = useData<{ simulations: Simulation[] }>("simulations", (stop) => get("/api/simulations", stop));
  const sorted = [...(data?.simulations ?? [])].sort((a, b) => (a.number || 99) - (b.number || 99) || a.title.localeCompare(b.title));
  return (
    <>
      <Masthead kind="The lab" title="Simulations" terrain="lab" verdict="Every number here was computed by trainwright and torch on this machine: the same optimizers, schedules and checks that train your network." facts={data ? [["simulations", num(sorted.length)], ["claims that are tested", num(sorted.reduce((sum, each) => sum + each.claims.length, 0))]] : []} />
      <main id="main">
        {failure && <Failed failure={failure} again={again} />}
        {!data && !failure && <Loading />}
        {sorted.length > 0 && <section aria-label="All simulations"><ul class="sheets">{sorted.map((each) => (
          <li key={each.name}><a href={`#/lab/${each.name}`}><span class="ordinal">{each.number || "·"}</span><span class="name">{each.title}</span><span class="what">{each.teaches}</span><span class="soft source">{each.guide}{each.live ? " · trains while you watch" : ""}</span></a></li>
        ))}</ul></section>}
      </main>
    </>
  );
}
