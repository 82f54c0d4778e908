// Where the reader is: all of it stands in the address behind the hash, and none of it is ever run.
import { computed, signal } from "@preact/signals";

export interface Place { page: string; name: string; query: string }

function read(): Place {
  const text = location.hash.replace(/^#\/?/, "");
  const cut = text.indexOf("?");
  const path = cut < 0 ? text : text.slice(0, cut);
  const [page = "", name = ""] = path.split("/");
  return { page: page || "runs", name: decode(name), query: cut < 0 ? "" : text.slice(cut + 1) };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

export const place = signal<Place>(read());
export const query = computed(() => new URLSearchParams(place.value.query));

window.addEventListener("hashchange", () => {
  place.value = read();
});

/** Changes the query without a new entry of the history: sliders would fill it. */
export function setQuery(text: string): void {
  const { page, name } = place.value;
  const hash = `#/${page}${name ? `/${encodeURIComponent(name)}` : ""}${text ? `?${text}` : ""}`;
  if (hash === location.hash) return;
  history.replaceState(null, "", hash);
  place.value = read();
}

export function setParameter(name: string, value: string | null): void {
  const next = new URLSearchParams(place.value.query);
  if (value === null || value === "") next.delete(name);
  else next.set(name, value);
  setQuery(next.toString());
}
