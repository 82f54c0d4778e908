// The four signs, each with a shape of its own, and the swatches of a legend. Their words stand beside them.
import { color, isDark } from "./theme";
import type { SignName } from "./types";

const SHAPES: Record<SignName, string> = {
  error: "M8 2 L15 14 H1 Z",
  warning: "M8 1 L15 8 L8 15 L1 8 Z",
  note: "M8 2 A6 6 0 1 0 8 14 A6 6 0 1 0 8 2 Z",
  healthy: "",
};

export function Glyph({ sign }: { sign: SignName }) {
  return (
    <svg class={`glyph ${sign}`} viewBox="0 0 16 16" width="14" height="14" aria-hidden="true" focusable="false">
      {sign === "healthy" ? <path d="M2 9 L6 13 L14 3" fill="none" stroke="currentColor" stroke-width="2.6" /> : <path d={SHAPES[sign]} fill="currentColor" />}
    </svg>
  );
}

/** A sign with its word. */
export function Sign({ sign, word }: { sign: SignName; word?: string }) {
  return <span class="sign"><Glyph sign={sign} /> {word ?? sign}</span>;
}

export const DASHES: Record<string, string> = { dashed: "6 3", dotted: "1.5 3", dashdot: "7 3 1.5 3" };

export function Swatch({ role, dash, style, faint }: { role: string; dash?: string; style?: string; faint?: boolean }) {
  void isDark.value;
  const paint = color(role);
  const points = style === "points";
  return (
    <svg class="swatch" viewBox="0 0 24 10" width="24" height="10" aria-hidden="true" focusable="false" opacity={faint ? 0.5 : 1}>
      {style === "bars" ? <rect x="5" y="1" width="14" height="8" fill={paint} />
        : points && dash === "dashed" ? <rect x="9" y="2" width="6" height="6" fill={paint} />
        : points && dash === "dashdot" ? <path d="M12 1 L16 8.5 L8 8.5 Z" fill={paint} />
        : points && dash && dash !== "solid" ? <path d="M12 1 L16 5 L12 9 L8 5 Z" fill={paint} />
        : points ? <circle cx="12" cy="5" r="3" fill={paint} />
        : <line x1="1" x2="23" y1="5" y2="5" stroke={paint} stroke-width={faint ? 1.4 : 2.4} stroke-dasharray={DASHES[dash ?? ""] ?? "none"} stroke-linecap="round" />}
    </svg>
  );
}
