// Rules that the reader has muted in this browser, each with a reason: their findings are folded, never hidden.
import { effect, signal } from "@preact/signals";

const KEY = "trainwright-muted";

function stored(): Record<string, string> {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    return typeof kept === "object" && kept !== null ? (kept as Record<string, string>) : {};
  } catch {
    return {};
  }
}

/** Reasons by kinds. */
export const muted = signal<Record<string, string>>(stored());

effect(() => {
  try {
    localStorage.setItem(KEY, JSON.stringify(muted.value));
  } catch {
    // a browser that keeps nothing mutes until the page is closed
  }
});

export function mute(kind: string, reason: string): void {
  muted.value = { ...muted.value, [kind]: reason };
}

export function unmute(kind: string): void {
  const { [kind]: _, ...rest } = muted.value;
  muted.value = rest;
}
