// The controls beside the picture: presets, sliders for every shape, joints, gaze and light.

import { groupShapes, PRESETS, type ShapePair, type Weights } from "./arkit";
import type { State, Turn } from "./state";

/** A preset that comes with the page: the expression found in one photo. */
export interface PhotoPreset {
  /** Name of the photo's view, "photo1". */
  view: string;
  label: string;
  weights: Weights;
}

export interface PanelCallbacks {
  /** A slider moved; `state` already holds its value. */
  changed(): void;
  /** A preset was chosen. */
  preset(weights: Weights): void;
  reset(): void;
}

type Attributes = Record<string, string | boolean>;

export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Array<Node | string>
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== false) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

interface Slider {
  row: HTMLElement;
  show(): void;
}

let serial = 0;

function slider(
  label: string,
  spoken: string,
  range: readonly [number, number, number],
  format: (value: number) => string,
  read: () => number,
  write: (value: number) => void,
): Slider {
  const id = `slider-${++serial}`;
  const [low, high, step] = range;
  const attributes = { type: "range", id, min: String(low), max: String(high), step: String(step), "aria-label": spoken };
  const input = element("input", attributes);
  const output = element("output", { for: id });
  const row = element("div", { class: "slider" }, element("label", { for: id }, label), input, output);
  const show = (): void => {
    const value = read();
    input.value = String(value);
    output.value = format(value);
    const [zero, at] = [Math.max(low, 0), value].map((v) => (100 * (v - low)) / (high - low)) as [number, number];
    input.style.setProperty("--from", `${Math.min(zero, at)}%`);
    input.style.setProperty("--to", `${Math.max(zero, at)}%`);
    row.classList.toggle("moved", Math.abs(value) > 1e-3);
  };
  input.addEventListener("input", () => {
    write(Number(input.value));
    show();
  });
  input.addEventListener("dblclick", () => {
    write(Math.min(Math.max(0, low), high));
    show();
  });
  show();
  return { row, show };
}

function group(title: string, open: boolean, ...rows: Node[]): HTMLDetailsElement {
  const count = element("span", { class: "count", "aria-hidden": "true" });
  return element("details", { class: "group", open }, element("summary", {}, title, count), ...rows);
}

const percent = (value: number): string => value.toFixed(2);
const degrees = (value: number): string => `${Math.round(value)}°`;

/** Words for a joint's name: "left_eye" -> "Left eye". */
function jointLabel(name: string): string {
  const text = name.replace(/[_.]+/g, " ").replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
  return text.charAt(0).toUpperCase() + text.slice(1);
}

const TURN_RANGES: ReadonlyArray<readonly [string, 0 | 1 | 2, number]> = [
  ["turn", 1, 45],
  ["nod", 0, 35],
  ["tilt", 2, 30],
];

export class Panel {
  private readonly sliders: Slider[] = [];
  private readonly shapeRows: Array<{ row: HTMLElement; text: string; group: HTMLDetailsElement }> = [];
  private readonly groups: HTMLDetailsElement[] = [];
  private linked = true;

  constructor(
    private readonly host: HTMLElement,
    private readonly state: State,
    private readonly callbacks: PanelCallbacks,
  ) {}

  build(shapes: readonly string[], joints: readonly string[], hasGaze: boolean, photos: readonly PhotoPreset[]): void {
    this.host.replaceChildren();
    const usable = Object.entries(PRESETS).filter(([, weights]) => Object.keys(weights).every((name) => shapes.includes(name)));
    if (shapes.length > 0) {
      this.host.append(this.presetRow([...usable, ...photos.map(({ label, weights }) => [label, weights] as const)]));
      this.host.append(this.searchRow(shapes.length));
    }
    const shapeGroups = groupShapes(shapes);
    let first = true;
    for (const [title, pairs] of shapeGroups) {
      const box = group(title, first);
      for (const pair of pairs) box.append(...this.shapeSliders(pair, box, title));
      this.groups.push(box);
      this.host.append(box);
      first = false;
    }
    if (shapes.length > 0) this.host.append(element("p", { class: "nothing", hidden: true }, "No shape has this name."));
    if (joints.length > 0 || hasGaze) this.host.append(this.jointGroup(joints, hasGaze, shapes.length === 0));
    this.host.append(this.lightGroup());
    this.refresh();
  }

  /** Take every value from the state again. */
  refresh(): void {
    for (const { show } of this.sliders) show();
    for (const box of this.groups) {
      const moved = box.querySelectorAll(".slider.moved:not([hidden])").length;
      const count = box.querySelector(".count");
      if (count) count.textContent = moved > 0 ? String(moved) : "";
    }
  }

  private presetRow(presets: ReadonlyArray<readonly [string, Weights]>): HTMLElement {
    const buttons = presets.map(([label, weights]) => {
      const button = element("button", { type: "button", class: "chip" }, label);
      button.addEventListener("click", () => this.callbacks.preset(weights));
      return button;
    });
    return element("div", { class: "chips", role: "group", "aria-label": "Expression presets" }, ...buttons);
  }

  private searchRow(total: number): HTMLElement {
    const search = element("input", { type: "search", placeholder: `Search ${total} shapes`, "aria-label": "Search shapes", autocomplete: "off", spellcheck: "false" });
    search.addEventListener("input", () => this.filter(search.value));
    const link = element("input", { type: "checkbox", id: "link-sides", checked: true });
    link.addEventListener("change", () => {
      this.linked = link.checked;
      this.host.classList.toggle("unlinked", !this.linked);
      this.refresh();
    });
    const reset = element("button", { type: "button", class: "plain" }, "Reset");
    reset.addEventListener("click", () => {
      search.value = "";
      this.filter("");
      this.callbacks.reset();
    });
    const label = element("label", { for: "link-sides", class: "check" }, link, "Left and right together");
    return element("div", { class: "tools" }, search, reset, label);
  }

  private shapeSliders(pair: ShapePair, box: HTMLDetailsElement, title: string): HTMLElement[] {
    const { morph } = this.state;
    const sides = pair.names.length === 2 ? ["left", "right"] : [""];
    return pair.names.map((name, at) => {
      const write = (value: number): void => {
        for (const target of this.linked ? pair.names : [name]) morph[target] = value;
        this.refresh();
        this.callbacks.changed();
      };
      const spoken = sides[at] ? `${pair.label}, ${sides[at]}` : pair.label;
      const made = slider(pair.label, spoken, [0, 1, 0.01], percent, () => morph[name] ?? 0, write);
      if (sides[at]) made.row.querySelector("label")?.append(element("span", { class: "side" }, sides[at]));
      if (at === 1) made.row.classList.add("twin");
      made.row.title = name;
      this.sliders.push(made);
      this.shapeRows.push({ row: made.row, text: `${name} ${spoken} ${title}`.toLowerCase(), group: box });
      return made.row;
    });
  }

  private jointGroup(joints: readonly string[], hasGaze: boolean, open: boolean): HTMLElement {
    const { state } = this;
    const rows: HTMLElement[] = [];
    const add = (label: string, limit: number, read: () => number, write: (value: number) => void): void => {
      const set = (value: number): void => {
        write(value);
        this.refresh();
        this.callbacks.changed();
      };
      const made = slider(label, `${label}, degrees`, [-limit, limit, 1], degrees, read, set);
      this.sliders.push(made);
      rows.push(made.row);
    };
    if (hasGaze) {
      add("Gaze sideways", 35, () => state.gaze[0], (value) => (state.gaze[0] = value));
      add("Gaze up and down", 25, () => state.gaze[1], (value) => (state.gaze[1] = value));
    }
    for (const name of joints) {
      const turn = (): Turn => (state.joint[name] ??= [0, 0, 0]);
      for (const [word, axis, limit] of TURN_RANGES) {
        add(`${jointLabel(name)} ${word}`, limit, () => state.joint[name]?.[axis] ?? 0, (value) => (turn()[axis] = value));
      }
    }
    const box = group("Head, neck and gaze", open, ...rows);
    this.groups.push(box);
    return box;
  }

  private lightGroup(): HTMLElement {
    const { state } = this;
    const write = (value: number): void => {
      state.light = value;
      this.callbacks.changed();
    };
    const made = slider("Turn the light", "Turn the light, degrees", [-180, 180, 1], degrees, () => state.light, write);
    this.sliders.push(made);
    return group("Light", false, made.row);
  }

  private filter(text: string): void {
    const wanted = text.trim().toLowerCase();
    let found = 0;
    for (const { row, text: name } of this.shapeRows) {
      row.hidden = !name.includes(wanted);
      if (!row.hidden) found++;
    }
    this.groups.forEach((box, at) => {
      const mine = this.shapeRows.filter(({ group }) => group === box);
      if (mine.length === 0) return;
      box.hidden = mine.every(({ row }) => row.hidden);
      box.open = wanted !== "" ? !box.hidden : at === 0;
    });
    const nothing = this.host.querySelector<HTMLElement>(".nothing");
    if (nothing) nothing.hidden = found > 0;
  }
}
