// What a component shows of the server: fetched, fetched again when it changed, and never out of order.
import { useEffect, useRef, useState } from "preact/hooks";
import { isFailure, type Failure } from "./api";
import { onChange } from "./live";

export interface Loaded<T> { data: T | null; failure: Failure | null; again: () => void }

const LEAST = 700; // milliseconds between two loads of one thing while it changes

/** Loads by `load` now, whenever `key` changes, and whenever something in `watched` changes (null: anything). */
export function useData<T>(key: string, load: (stop: AbortSignal) => Promise<T>, watched?: string[] | null): Loaded<T> {
  const [state, setState] = useState<{ key: string; data: T | null; failure: Failure | null }>({ key, data: null, failure: null });
  const [turn, setTurn] = useState(0);
  const current = useRef(load);
  current.current = load;
  useEffect(() => {
    const stop = new AbortController();
    current
      .current(stop.signal)
      .then((data) => setState({ key, data, failure: null }))
      .catch((problem: unknown) => {
        if (stop.signal.aborted) return;
        const failure = isFailure(problem) ? problem : { status: 0, what: String(problem), evidence: "", remedy: "" };
        setState((before) => ({ key, data: before.key === key ? before.data : null, failure }));
      });
    return () => stop.abort();
  }, [key, turn]);
  const names = watched === null ? null : (watched ?? []).join(" ");
  useEffect(() => {
    if (names === "") return;
    let waiting = 0;
    let latest = 0;
    const stop = onChange((changed) => {
      if (changed && names !== null && !names.split(" ").some((name) => changed.has(name))) return;
      if (waiting) return;
      const pause = Math.max(LEAST - (Date.now() - latest), 0);
      waiting = window.setTimeout(() => {
        waiting = 0;
        latest = Date.now();
        setTurn((before) => before + 1);
      }, pause);
    });
    return () => {
      stop();
      window.clearTimeout(waiting);
    };
  }, [names]);
  const fresh = state.key === key;
  return { data: fresh ? state.data : null, failure: fresh ? state.failure : null, again: () => setTurn((before) => before + 1) };
}
