// Day and night: the system's choice, or the reader's own, and the colours as a canvas needs them.
import { effect, signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";
const KEY = "trainwright-theme";

function stored(): Theme {
  try {
    const value = localStorage.getItem(KEY);
    return value === "light" || value === "dark" ? value : "system";
  } catch {
    return "system";
  }
}

export const theme = signal<Theme>(stored());
const night = matchMedia("(prefers-color-scheme: dark)");
export const isDark = signal(false);
export const isCalm = signal(false);
const calm = matchMedia("(prefers-reduced-motion: reduce)");

export function startTheme(): void {
  const judge = (): void => {
    isDark.value = theme.value === "dark" || (theme.value === "system" && night.matches);
  };
  night.addEventListener("change", judge);
  isCalm.value = calm.matches;
  calm.addEventListener("change", () => (isCalm.value = calm.matches));
  effect(() => {
    judge();
    if (theme.value === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme.value;
    try {
      localStorage.setItem(KEY, theme.value);
    } catch {
      // a browser that keeps nothing still shows everything
    }
  });
}

// Okabe and Ito's colours; at night the two darkest are lifted, on paper the lightest is darkened.
const DAY: Record<string, string> = {
  sgd: "#d98a00", momentum: "#009e73", adam: "#b8568f", other: "#3c9bd0", fifth: "#a38f00", sixth: "#d55e00",
  train: "#0072b2", validation: "#d55e00", test: "#009e73", reference: "#5b5e55", ink: "#21241f",
  healthy: "#009e73", note: "#0072b2", warning: "#d98a00", error: "#d55e00",
};
const NIGHT: Record<string, string> = {
  ...DAY, sgd: "#e69f00", momentum: "#1fbf93", adam: "#cc79a7", other: "#56b4e9", fifth: "#f0e442", sixth: "#ea7a2a",
  train: "#56b4e9", validation: "#ea7a2a", test: "#1fbf93", reference: "#a5aa9f", ink: "#e9e4d8",
  healthy: "#1fbf93", note: "#56b4e9", warning: "#e69f00", error: "#ea7a2a",
};
const SERIES = ["train", "validation", "momentum", "adam", "sgd", "other", "fifth", "ink"];
const DASHES = ["solid", "dashed", "dotted", "dashdot"];

export function color(role: string): string {
  const colors = isDark.value ? NIGHT : DAY;
  return colors[role] ?? colors.ink!;
}

/** A colour and a dash for the n-th of several equal series: neighbours differ in both, and no pair comes twice in 32. */
export function nth(place: number): { role: string; dash: string } {
  return { role: SERIES[place % SERIES.length]!, dash: DASHES[(place + Math.floor(place / SERIES.length)) % DASHES.length]! };
}

export function sheet(): { paper: string; ink: string; soft: string; line: string; grid: string; contour: string } {
  const style = getComputedStyle(document.documentElement);
  const read = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  return { paper: read("sheet"), ink: read("ink"), soft: read("soft"), line: read("line"), grid: read("grid"), contour: read("contour") };
}
