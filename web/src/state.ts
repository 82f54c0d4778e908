// The state of a simulation in an address: a version, and what differs from the defaults. It is read, never run.
import type { Failure } from "./api";
import type { Simulation, Value } from "./types";

const VERSION = "1";

export function toState(simulation: Simulation, values: Record<string, Value>): string {
  const parts = simulation.parameters
    .filter((each) => values[each.name] !== undefined && values[each.name] !== each.default)
    .map((each) => `${each.name}=${encodeURIComponent(write(values[each.name]!))}`);
  return parts.length ? [VERSION, ...parts].join("&") : "";
}

function write(value: Value): string {
  return typeof value === "boolean" ? (value ? "1" : "0") : String(value);
}

/** The values of an address, the defaults for the rest. Whether they are legal, the server says. */
export function fromState(simulation: Simulation, state: string): [Record<string, Value>, Failure | null] {
  const values: Record<string, Value> = Object.fromEntries(simulation.parameters.map((each) => [each.name, each.default]));
  if (!state) return [values, null];
  const [version, ...parts] = state.split("&");
  if (version !== VERSION) {
    return [values, { status: 0, what: "the address was made by another version", evidence: `its state begins with '${version!.slice(0, 20)}'`, remedy: "begin at the defaults" }];
  }
  for (const part of parts) {
    const cut = part.indexOf("=");
    const parameter = simulation.parameters.find((each) => each.name === part.slice(0, cut));
    if (!parameter) continue;
    let text = "";
    try {
      text = decodeURIComponent(part.slice(cut + 1));
    } catch {
      continue;
    }
    if (parameter.kind === "switch") values[parameter.name] = ["1", "true", "on", "yes"].includes(text) ? true : ["0", "false", "off", "no"].includes(text) ? false : text;
    else if (parameter.kind === "choice" || parameter.kind === "text") values[parameter.name] = text;
    else values[parameter.name] = text.trim() === "" || Number.isNaN(Number(text)) ? text : Number(text);
  }
  return [values, null];
}
