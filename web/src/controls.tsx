// The controls of a simulation, made from its parameters alone.
import { useId, useState } from "preact/hooks";
import { get } from "./api";
import { useData } from "./data";
import type { Parameter, Value } from "./types";
import { num, visible } from "./words";

type Change = (name: string, value: Value) => void;

export function Controls({ parameters, values, onChange }: { parameters: Parameter[]; values: Record<string, Value>; onChange: Change }) {
  return (
    <div class="controls">{parameters.filter((each) => !each.tabs).map((each) => {
      const idle = isIdle(each, parameters, values);
      return <fieldset key={each.name} disabled={idle} class={idle ? "idle" : undefined} title={idle ? "changes nothing as things are set" : undefined}><Control parameter={each} value={values[each.name] ?? each.default} onChange={onChange} /></fieldset>;
    })}</div>
  );
}

/** Whether another control is set so that this one changes nothing. */
function isIdle(parameter: Parameter, parameters: Parameter[], values: Record<string, Value>): boolean {
  return parameter.needs.some(([name, allowed]) => !allowed.includes(values[name] ?? parameters.find((each) => each.name === name)!.default));
}

/** Choices that are laid out as tabs above what they show; arrow keys go from one to the next. */
export function Tabs({ parameters, values, onChange }: { parameters: Parameter[]; values: Record<string, Value>; onChange: Change }) {
  return (
    <>
      {parameters.filter((each) => each.tabs).map((each) => (
        <fieldset key={each.name} class="tabs"><legend>{each.label}</legend>
          {each.choices.map(([choice, label]) => <label key={choice}><input type="radio" name={each.name} value={choice} checked={(values[each.name] ?? each.default) === choice} onChange={() => onChange(each.name, choice)} /><span>{label}</span></label>)}
        </fieldset>
      ))}
    </>
  );
}

function Control({ parameter, value, onChange }: { parameter: Parameter; value: Value; onChange: Change }) {
  const id = useId();
  const help = parameter.help ? <p class="help" id={`${id}-h`}>{parameter.help}</p> : null;
  const described = parameter.help ? `${id}-h` : undefined;
  const { kind, name } = parameter;
  if (kind === "switch") {
    return <div class="control switch"><label><input type="checkbox" checked={value === true || value === "1" || value === "true"} aria-describedby={described} onChange={(event) => onChange(name, event.currentTarget.checked)} /> {parameter.label}</label>{help}</div>;
  }
  if (kind === "choice") {
    return (
      <div class="control"><label for={id}>{parameter.label}</label>
        <select id={id} value={String(value)} aria-describedby={described} onChange={(event) => onChange(name, event.currentTarget.value)}>
          {parameter.choices.map(([choice, label]) => <option key={choice} value={choice}>{label}</option>)}
        </select>{help}</div>
    );
  }
  if (kind === "text") return <RunChoice parameter={parameter} value={value} onChange={onChange} />;
  if (kind === "seed") {
    return (
      <div class="control"><label for={id}>{parameter.label}</label>
        <div class="pair"><Number_ id={id} parameter={parameter} value={value} described={described} onChange={onChange} /><button type="button" class="small" onClick={() => onChange(name, Math.floor(Math.random() * 10000))}>another</button></div>{help}</div>
    );
  }
  const slides = parameter.low !== null && parameter.high !== null;
  return (
    <div class="control"><label for={id}>{parameter.label}{parameter.unit && parameter.unit !== parameter.label.toLowerCase() && <span class="soft"> {parameter.unit}</span>}</label>
      <div class="pair">
        {slides && <Slider parameter={parameter} value={Number(value)} onChange={onChange} />}
        <Number_ id={id} parameter={parameter} value={value} described={described} onChange={onChange} />
      </div>{help}</div>
  );
}

/** The slider moves over `log10` where the parameter is logarithmic; its value is rounded to what can be read. */
function Slider({ parameter, value, onChange }: { parameter: Parameter; value: number; onChange: Change }) {
  const { low, high, log, kind } = parameter;
  const f = (each: number): number => (log ? Math.log10(each) : each);
  const [from, to] = [f(low!), f(high!)];
  const step = kind === "integer" && !log ? Math.max(parameter.step ?? 1, 1) : (parameter.step ?? (to - from) / 200);
  const back = (text: string): number => {
    const raw = log ? 10 ** Number(text) : Number(text);
    const rounded = kind === "integer" ? Math.round(raw) : Number(raw.toPrecision(3));
    return Math.min(Math.max(rounded, low!), high!);
  };
  return <input type="range" min={from} max={to} step={step} value={f(value)} aria-label={parameter.label} aria-valuetext={`${num(value)}${parameter.unit ? ` ${parameter.unit}` : ""}`} onInput={(event) => onChange(parameter.name, back(event.currentTarget.value))} />;
}

/** What is typed goes to the server as it is: what is not legal is refused there, with the nearest value that is. */
function Number_({ id, parameter, value, described, onChange }: { id: string; parameter: Parameter; value: Value; described?: string; onChange: Change }) {
  const [typed, setTyped] = useState<string | null>(null);
  return (
    <input id={id} type="text" inputMode="decimal" class="number" value={typed ?? shown(value)} aria-describedby={described} autocomplete="off"
      onInput={(event) => setTyped(event.currentTarget.value)} onBlur={() => finish()} onKeyDown={(event) => event.key === "Enter" && finish()} />
  );
  function finish(): void {
    if (typed === null) return;
    const number = Number(typed.replace("−", "-"));
    onChange(parameter.name, typed.trim() === "" ? parameter.default : Number.isNaN(number) ? typed : number);
    setTyped(null);
  }
}

function shown(value: Value): string {
  return typeof value === "number" ? String(Number(value.toPrecision(6))) : String(value);
}

function RunChoice({ parameter, value, onChange }: { parameter: Parameter; value: Value; onChange: Change }) {
  const id = useId();
  const isStudy = parameter.name === "study";
  const { data } = useData<{ id: string; name: string; problem?: string }[]>(`${parameter.name} of controls`, async (stop) =>
    isStudy ? (await get<{ studies: { id: string; name: string }[] }>("/api/studies", stop)).studies : (await get<{ runs: { id: string; name: string; problem: string }[] }>("/api/runs", stop)).runs);
  return (
    <div class="control"><label for={id}>{parameter.label}</label>
      <select id={id} value={String(value)} onChange={(event) => onChange(parameter.name, event.currentTarget.value)}>
        <option value="">none: the built-in one</option>
        {(data ?? []).filter((each) => !each.problem).map((each) => <option key={each.id} value={each.id}>{visible(each.name)}</option>)}
      </select>{parameter.help && <p class="help">{parameter.help}</p>}</div>
  );
}
