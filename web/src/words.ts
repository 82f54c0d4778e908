// Numbers and names in words, the same everywhere on the page.

export type Real = number | string | null | undefined;

/** A number as the server sent it: what JSON lacks comes as "NaN", "Infinity", "-Infinity". */
export function real(value: Real): number {
  return value === null || value === undefined || value === "" ? NaN : Number(value);
}

/** Four digits that count, without needless zeros. */
export function num(value: Real, digits = 4): string {
  const number = real(value);
  if (value === null || value === undefined) return "–";
  if (!Number.isFinite(number)) return Number.isNaN(number) ? "NaN" : number > 0 ? "∞" : "−∞";
  if (Number.isInteger(number) && Math.abs(number) < 1e7) return minus(number.toLocaleString("en-US").replaceAll(",", " "));
  const size = Math.abs(number);
  if (size < 1e-3 || size >= 1e6) return minus(number.toExponential(Math.max(digits - 2, 0)).replace(/\.?0+e/, "e").replace("e+", "e"));
  return minus(String(Number(number.toPrecision(digits))));
}

function minus(text: string): string {
  return text.replace("-", "−").replace("e-", "e−");
}

export function scalar(value: unknown): string {
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Number.isSafeInteger(value) && Math.abs(value as number) < 1e12) return minus(String(value));
  if (typeof value === "number") return num(value);
  if (value === null || value === undefined) return "–";
  if (value === "NaN" || value === "Infinity" || value === "-Infinity") return num(value);
  if (typeof value === "string") return value;
  return JSON.stringify(value);
}

export function plural(count: number, word: string): string {
  return `${num(count)} ${word}${count === 1 ? "" : "s"}`;
}

export function duration(seconds: Real): string {
  const total = real(seconds);
  if (!Number.isFinite(total)) return "–";
  if (total < 1) return `${Math.round(total * 1000)} ms`;
  if (total < 90) return `${num(total, 2)} s`;
  if (total < 5400) return `${Math.floor(total / 60)} min ${Math.round(total % 60)} s`;
  if (total < 172800) return `${Math.floor(total / 3600)} h ${Math.round((total % 3600) / 60)} min`;
  return `${Math.floor(total / 86400)} days`;
}

export function ago(time: Real): string {
  const seconds = Date.now() / 1000 - real(time);
  if (!Number.isFinite(seconds)) return "–";
  if (seconds < 2) return "now";
  if (seconds < 90) return `${Math.round(seconds)} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 129600) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86400)} days ago`;
}

/** Text from outside with what would reorder or hide it shown as an escape. It only ever becomes a text node. */
export function visible(text: unknown): string {
  return String(text ?? "").replace(/[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\u2028\u2029\ufeff]/g, (each) =>
    each === "\n" ? " ↵ " : each === "\t" ? " " : `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** The same for text of several lines. */
export function visibleLines(text: unknown): string {
  return String(text ?? "").split("\n").map((line) => visible(line.replace(/\t/g, "  "))).join("\n");
}

export function short(text: unknown, most = 120): string {
  const whole = visible(text);
  return whole.length > most ? `${whole.slice(0, most)}…` : whole;
}
