// The 52 ARKit blendshapes: how the panel groups them, and the presets it offers.

export type Weights = Record<string, number>;

const GROUPS: ReadonlyArray<readonly [string, RegExp]> = [
  ["Eyes", /^eye/i],
  ["Brows", /^brow/i],
  ["Jaw", /^jaw/i],
  ["Mouth", /^(mouth|lip)/i],
  ["Nose and cheeks", /^(nose|cheek)/i],
  ["Tongue", /^tongue/i],
];

const OTHER = "Other shapes";

/** One row of sliders: a shape without a side, or the left and right twin of one. */
export interface ShapePair {
  label: string;
  names: string[];
}

function words(name: string): string {
  const spaced = name.replace(/_/g, " ").replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase().trim();
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

// "jawLeft" and "mouthRight" say where the shape moves, not which half of the face it is: they are no twins.
const DIRECTIONS = new Set(["jawLeft", "jawRight", "mouthLeft", "mouthRight"]);

function twin(name: string): string | null {
  if (DIRECTIONS.has(name)) return null;
  if (name.endsWith("Left")) return `${name.slice(0, -4)}Right`;
  return null;
}

/** Sort shape names into groups of rows; names that ARKit does not know end up under "Other shapes". */
export function groupShapes(names: readonly string[]): Map<string, ShapePair[]> {
  const groups = new Map<string, ShapePair[]>([...GROUPS.map(([label]) => label), OTHER].map((label) => [label, []]));
  const left = new Set(names);
  for (const name of names) {
    if (!left.has(name)) continue;
    left.delete(name);
    const group = GROUPS.find(([, pattern]) => pattern.test(name))?.[0] ?? OTHER;
    const other = twin(name);
    const pair = other !== null && left.delete(other);
    groups.get(group)?.push({
      label: words(pair ? name.slice(0, -4) : name),
      names: pair && other !== null ? [name, other] : [name],
    });
  }
  for (const [label, rows] of groups) if (rows.length === 0) groups.delete(label);
  return groups;
}

function both(stem: string, weight: number): Weights {
  return { [`${stem}Left`]: weight, [`${stem}Right`]: weight };
}

export const PRESETS: Record<string, Weights> = {
  Neutral: {},
  Smile: {
    ...both("mouthSmile", 0.85),
    ...both("cheekSquint", 0.5),
    ...both("eyeSquint", 0.25),
    ...both("mouthDimple", 0.2),
  },
  Blink: both("eyeBlink", 1),
  "Open jaw": { jawOpen: 0.8 },
  Surprised: {
    browInnerUp: 0.9,
    ...both("browOuterUp", 0.8),
    ...both("eyeWide", 0.8),
    jawOpen: 0.4,
    mouthFunnel: 0.25,
  },
  Frown: {
    ...both("mouthFrown", 0.7),
    ...both("browDown", 0.7),
    mouthShrugLower: 0.3,
  },
  Kiss: { mouthPucker: 0.9, mouthFunnel: 0.2 },
};

/** Lid shapes that go with a gaze of the left and the right eye, yaw and pitch in degrees (+ = person's left, up). */
export function lidsForGaze(yaw: number, pitch: number): Weights {
  const side = Math.min(Math.abs(yaw) / 35, 1);
  const height = Math.min(Math.abs(pitch) / 30, 1);
  return {
    eyeLookOutLeft: yaw > 0 ? side : 0,
    eyeLookInLeft: yaw < 0 ? side : 0,
    eyeLookInRight: yaw > 0 ? side : 0,
    eyeLookOutRight: yaw < 0 ? side : 0,
    ...both("eyeLookUp", pitch > 0 ? height : 0),
    ...both("eyeLookDown", pitch < 0 ? height : 0),
  };
}
