// Asks the lab's own server, and nobody else.
import { signal } from "@preact/signals";

export interface Failure { status: number; what: string; evidence: string; remedy: string }

/** "" while the server answers, else what the reader can do. */
export const trouble = signal("");

export function isFailure(problem: unknown): problem is Failure {
  return typeof problem === "object" && problem !== null && "what" in problem;
}

async function ask(path: string, init?: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...init, headers: { ...init?.headers, "x-trainwright-quiet": "1" } });
  } catch (problem) {
    if (init?.signal?.aborted) throw problem;
    trouble.value = "The lab's server does not answer. Start it again with: trainwright lab";
    throw { status: 0, what: "the lab's server does not answer", evidence: "", remedy: "start it again with: trainwright lab" } satisfies Failure;
  }
  if (response.status === 403) {
    trouble.value = "This page is of an earlier lab. Open the address that the newest `trainwright lab` printed.";
    throw { status: 403, what: "the lab does not know this page", evidence: "its token is old", remedy: "open the newest address" } satisfies Failure;
  }
  trouble.value = "";
  const told = response.headers.get("x-trainwright-status"); // an error that the console need not show
  if (!response.ok || told) {
    const body = await response.json().catch(() => ({}));
    throw { status: told ? Number(told) : response.status, what: "this could not be answered", evidence: "", remedy: "", ...body.error } satisfies Failure;
  }
  return response;
}

export async function get<T>(path: string, stop?: AbortSignal): Promise<T> {
  return (await ask(path, { signal: stop })).json() as Promise<T>;
}

const asked = { "content-type": "application/json", "x-trainwright-lab": "1" };

export async function post<T>(path: string, body: unknown, stop?: AbortSignal): Promise<T> {
  const response = await ask(path, { method: "POST", headers: asked, body: JSON.stringify(body), signal: stop });
  return response.json() as Promise<T>;
}

/** Lines of JSON as they come. */
export async function* lines<T>(path: string, body: unknown, stop: AbortSignal): AsyncGenerator<T> {
  const response = await ask(path, { method: "POST", headers: asked, body: JSON.stringify(body), signal: stop });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n");
    rest = parts.pop()!;
    for (const part of parts) if (part) yield JSON.parse(part) as T;
  }
}

export interface Drawn {
  tag: string; length: number; total: number; shown: number; low: number | string; high: number | string; last: number | string;
  lost: Record<string, number>; first_lost: Record<string, number | null>; x: Float64Array; y: Float64Array;
}
export interface SeriesHead { read: number; axis: string; last_step: number | null; series: Drawn[] }

export interface Wanted { tags: string[]; axis?: string; from?: number | null; to?: number | null; px?: number; smooth?: number; soft?: string[] }

/** Series in their binary form: a head of JSON, then x and y of each as 64-bit numbers. */
export async function series(run: string, wanted: Wanted, stop?: AbortSignal): Promise<SeriesHead> {
  const parts: string[][] = [[]];
  let size = 0;
  for (const tag of wanted.tags) { // an address holds only so much
    size += encodeURIComponent(tag).length + 5;
    if (size > LONGEST) {
      parts.push([]);
      size = 0;
    }
    parts[parts.length - 1]!.push(tag);
  }
  const heads = await Promise.all(parts.map((tags) => some(run, { ...wanted, tags }, stop)));
  return { ...heads[0]!, series: heads.flatMap((head) => head.series) };
}

const LONGEST = 12000;

async function some(run: string, wanted: Wanted, stop?: AbortSignal): Promise<SeriesHead> {
  const query = new URLSearchParams(wanted.tags.map((tag) => ["tag", tag]));
  query.set("x", wanted.axis ?? "step");
  query.set("px", String(Math.round(wanted.px ?? 800)));
  if (wanted.smooth) query.set("smooth", String(wanted.smooth));
  for (const tag of wanted.soft ?? []) query.append("soft", tag);
  if (wanted.from != null) query.set("from", String(wanted.from));
  if (wanted.to != null) query.set("to", String(wanted.to));
  const bytes = await (await ask(`/api/runs/${run}/series?${query}`, { signal: stop })).arrayBuffer();
  const size = new DataView(bytes).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, size))) as SeriesHead;
  let place = 4 + size;
  for (const each of head.series) {
    each.x = new Float64Array(bytes, place, each.length);
    each.y = new Float64Array(bytes, place + 8 * each.length, each.length);
    place += 16 * each.length;
  }
  return head;
}
