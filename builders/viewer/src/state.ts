// What the viewer shows, and its twin in the address bar: #view=left&map=clay&morph=jawOpen:0.6&joint=head:0:20:0&gaze=10:-5

import type { Weights } from "./arkit";

export const SURFACES = ["albedo", "clay", "sigma", "provenance"] as const;
export type Surface = (typeof SURFACES)[number];

/** Camera angles in degrees about the head's centre: yaw towards the person's left, pitch upwards. */
export const VIEWS: Record<string, readonly [number, number]> = {
  front: [0, 0],
  threequarter: [38, 4],
  profile: [90, 0],
  left: [90, 0],
  right: [-90, 0],
  back: [180, 0],
  top: [0, 75],
  below: [0, -35],
};

/** Degrees about the head's own axes: x nods (down is +), y turns (to the person's left is +), z tilts. */
export type Turn = [number, number, number];

export interface State {
  view: string;
  zoom: number;
  map: Surface;
  morph: Weights;
  joint: Record<string, Turn>;
  gaze: [number, number];
  light: number;
  turntable: boolean;
}

export function initialState(): State {
  return { view: "threequarter", zoom: 1, map: "albedo", morph: {}, joint: {}, gaze: [0, 0], light: 0, turntable: false };
}

function bounded(text: string | undefined, low: number, high: number): number | null {
  const value = Number(text);
  return text !== undefined && text.trim() !== "" && Number.isFinite(value) ? Math.min(Math.max(value, low), high) : null;
}

/** Yaw and pitch of a view's name or of "yaw:pitch" in degrees; null if it is neither. */
export function viewAngles(view: string): readonly [number, number] | null {
  if (Object.hasOwn(VIEWS, view)) return VIEWS[view] ?? null;
  const [yaw, pitch, rest] = view.split(":");
  const a = bounded(yaw, -360, 360);
  const b = bounded(pitch ?? "0", -85, 85);
  return a === null || b === null || rest !== undefined ? null : [a, b];
}

function entries(text: string): string[][] {
  return text.split(",").filter(Boolean).map((item) => item.split(":"));
}

/** Read a hash; what it does not say, or says wrongly, keeps its initial value. */
export function parseState(hash: string): State {
  const state = initialState();
  const query = new URLSearchParams(hash.replace(/^#/, ""));
  const view = query.get("view");
  if (view !== null && viewAngles(view) !== null) state.view = view;
  state.zoom = bounded(query.get("zoom") ?? undefined, 0.4, 8) ?? state.zoom;
  const map = SURFACES.find((name) => name === query.get("map"));
  if (map !== undefined) state.map = map;
  for (const [name, text] of entries(query.get("morph") ?? "")) {
    const weight = bounded(text, 0, 1);
    if (name && weight !== null) state.morph[name] = weight;
  }
  for (const [name, ...angles] of entries(query.get("joint") ?? "")) {
    const turn = angles.map((text) => bounded(text, -90, 90));
    const [x, y, z] = turn;
    if (name && x != null && y != null && z != null) state.joint[name] = [x, y, z];
  }
  const [yaw, pitch] = (query.get("gaze") ?? "").split(":").map((text) => bounded(text, -45, 45));
  if (yaw != null && pitch != null) state.gaze = [yaw, pitch];
  state.light = bounded(query.get("light") ?? undefined, -180, 180) ?? state.light;
  state.turntable = query.get("turntable") === "1";
  return state;
}

function short(value: number): string {
  return String(Math.round(value * 100) / 100);
}

/** Write the hash of a state, leaving out what is at its initial value. */
export function formatState(state: State): string {
  const start = initialState();
  const parts: string[] = [];
  if (state.view !== start.view) parts.push(`view=${state.view}`);
  if (Math.abs(state.zoom - 1) > 0.01) parts.push(`zoom=${short(state.zoom)}`);
  if (state.map !== start.map) parts.push(`map=${state.map}`);
  const morph = Object.entries(state.morph).filter(([, weight]) => weight > 0.004);
  if (morph.length > 0) parts.push(`morph=${morph.map(([name, weight]) => `${encodeURIComponent(name)}:${short(weight)}`).join(",")}`);
  const joint = Object.entries(state.joint).filter(([, turn]) => turn.some((angle) => angle !== 0));
  if (joint.length > 0) parts.push(`joint=${joint.map(([name, turn]) => `${encodeURIComponent(name)}:${turn.map(short).join(":")}`).join(",")}`);
  if (state.gaze.some((angle) => angle !== 0)) parts.push(`gaze=${state.gaze.map(short).join(":")}`);
  if (state.light !== 0) parts.push(`light=${short(state.light)}`);
  if (state.turntable) parts.push("turntable=1");
  return parts.join("&");
}
