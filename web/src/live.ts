// One stream of changes for all tabs of a browser: one tab holds it and tells the others. Where no stream comes through,
// each tab asks every few seconds.
import { signal } from "@preact/signals";
import { get } from "./api";

interface Changes { number: number; all: boolean; changed: string[] }
type Listener = (changed: Set<string> | null) => void;

const PERIOD = 5000; // milliseconds between two questions where there is no stream
const SILENCE = 4000; // after so long without a stream, asking begins
const listeners = new Set<Listener>();
const channel = "BroadcastChannel" in window ? new BroadcastChannel("trainwright-lab") : null;
export const connection = signal<"live" | "asking" | "lost">("asking");
let last = 0;
let heard = 0;

/** Calls `listener` with the identifiers that changed, or with null where anything may have. Returns how to stop. */
export function onChange(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function tell(changes: Changes, fromStream: boolean): void {
  if (fromStream) {
    heard = Date.now();
    connection.value = "live";
  }
  last = changes.number;
  if (!changes.all && !changes.changed.length) return;
  for (const listener of listeners) listener(changes.all ? null : new Set(changes.changed));
}

function hold(): Promise<never> {
  return new Promise(() => {
    const source = new EventSource(`/api/stream?since=${last}`);
    source.addEventListener("open", () => {
      connection.value = "live";
      heard = Date.now();
      channel?.postMessage({ alive: true });
    });
    source.addEventListener("changes", (event) => {
      const changes = JSON.parse((event as MessageEvent<string>).data) as Changes;
      tell(changes, true);
      channel?.postMessage({ changes });
    });
    source.addEventListener("error", () => {
      connection.value = "asking";
    });
    setInterval(() => {
      if (source.readyState !== EventSource.OPEN) return;
      heard = Date.now();
      channel?.postMessage({ alive: true });
    }, 2000);
  });
}

async function askAgain(): Promise<void> {
  if (Date.now() - heard < SILENCE) return;
  try {
    tell(await get<Changes>(`/api/changes?since=${last}`), false);
    connection.value = "asking";
  } catch {
    connection.value = "lost";
  }
}

export function start(): void {
  channel?.addEventListener("message", (event) => {
    heard = Date.now();
    connection.value = "live";
    if (event.data.changes) tell(event.data.changes as Changes, true);
  });
  if (navigator.locks) void navigator.locks.request("trainwright-lab-stream", hold);
  setInterval(() => void askAgain(), PERIOD);
}
