// The loaded GLB as a head: shapes by name, joints by name, a gaze, and the ways to paint it.

import {
  Bone,
  BufferAttribute,
  Color,
  Euler,
  Material,
  Mesh,
  MeshLambertMaterial,
  MeshStandardMaterial,
  Object3D,
  Quaternion,
  SRGBColorSpace,
  Texture,
} from "three";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";

import { lidsForGaze, type Weights } from "./arkit";
import { MorphNormals } from "./normals";
import type { Surface, Turn } from "./state";

/** What the page knows beside the GLB: pictures in the skin's UV, or a colour for each of the skin's vertices. */
export interface Paint {
  image?: HTMLImageElement | null;
  vertexColours?: Uint8Array | null;
}

interface Piece {
  mesh: Mesh;
  material: Material;
  isSkin: boolean;
  isEye: boolean;
  seeThrough: boolean;
  normals: MorphNormals | null;
}

interface Joint {
  bone: Object3D;
  rest: Quaternion;
  parentRest: Quaternion;
}

const EYE_YAW = 35;
const EYE_PITCH = 30;

function side(name: string): "Left" | "Right" | null {
  if (/left|(^|[_.])l([_.]|$)/i.test(name)) return "Left";
  return /right|(^|[_.])r([_.]|$)/i.test(name) ? "Right" : null;
}

function materialOf(mesh: Mesh): Material {
  return Array.isArray(mesh.material) ? (mesh.material[0] as Material) : mesh.material;
}

/** True if the mesh itself moves with the eyeLook shapes, so that a turned joint would move it twice. */
function looksByShape(mesh: Mesh): boolean {
  const at = mesh.morphTargetDictionary?.["eyeLookUpLeft"];
  const target = at === undefined ? undefined : mesh.geometry.morphAttributes.position?.[at];
  if (target === undefined) return false;
  for (let i = 0; i < target.count; i++) if (target.getX(i) || target.getY(i) || target.getZ(i)) return true;
  return false;
}

export class Head {
  readonly shapes: string[];
  readonly joints = new Map<string, Joint>();
  private readonly pieces: Piece[] = [];
  private readonly eyes = new Map<"Left" | "Right", Joint>();
  private readonly eyesLookByShape: boolean;
  private readonly painted = new Map<Surface, Material>();
  private readonly clay = new MeshStandardMaterial({ name: "clay", color: 0xc9c1b8, roughness: 0.72, metalness: 0 });
  private readonly grey = legible(new MeshLambertMaterial({ name: "grey" }), 0x9a9ea2);

  constructor(readonly root: Object3D) {
    const meshes: Mesh[] = [];
    root.traverse((object) => {
      if (object instanceof Mesh) meshes.push(object);
      if (object instanceof Bone) this.addJoint(object);
    });
    const largest = [...meshes].sort((a, b) => b.geometry.attributes.position!.count - a.geometry.attributes.position!.count)[0];
    const named = meshes.filter((mesh) => /^skin$/i.test(materialOf(mesh).name));
    const names = new Set<string>();
    for (const mesh of meshes) {
      const material = materialOf(mesh);
      mesh.frustumCulled = false;
      const isSkin = named.length > 0 ? named.includes(mesh) : mesh === largest;
      const seeThrough = !isSkin && (material.transparent || material.alphaTest > 0);
      const label = `${material.name} ${mesh.name}`;
      const isEye = !isSkin && /eye|iris|sclera|cornea/i.test(label) && !/lash|brow/i.test(label);
      this.pieces.push({ mesh, material, isSkin, isEye, seeThrough, normals: seeThrough ? null : MorphNormals.of(mesh) });
      for (const name of Object.keys(mesh.morphTargetDictionary ?? {})) names.add(name);
    }
    this.shapes = [...names];
    this.eyesLookByShape = this.pieces.some(({ mesh, isEye }) => isEye && looksByShape(mesh));
  }

  static async parse(glb: ArrayBuffer): Promise<Head> {
    const gltf = await new GLTFLoader().parseAsync(glb, "");
    gltf.scene.updateMatrixWorld(true);
    return new Head(gltf.scene);
  }

  get hasGaze(): boolean {
    return this.eyes.size > 0;
  }

  private addJoint(bone: Object3D): void {
    const joint = { bone, rest: bone.quaternion.clone(), parentRest: bone.parent?.getWorldQuaternion(new Quaternion()) ?? new Quaternion() };
    const which = /eye/i.test(bone.name) ? side(bone.name) : null;
    if (which !== null) this.eyes.set(which, joint);
    else this.joints.set(bone.name, joint);
  }

  /** Show a face: shape weights, turns of the joints in degrees, gaze (yaw, pitch) in degrees. */
  pose(morph: Weights, turns: Record<string, Turn>, gaze: readonly [number, number]): void {
    for (const [name, joint] of this.joints) turn(joint, turns[name] ?? [0, 0, 0]);
    const lids = this.hasGaze ? lidsForGaze(...gaze) : {};
    for (const [which, joint] of this.eyes) {
      let [yaw, pitch] = gaze;
      if (!this.eyesLookByShape) {
        const weight = (shape: string): number => morph[`eyeLook${shape}${which}`] ?? 0;
        const outwards = EYE_YAW * (weight("Out") - weight("In"));
        yaw += which === "Left" ? outwards : -outwards;
        pitch += EYE_PITCH * (weight("Up") - weight("Down"));
      }
      turn(joint, [-pitch, yaw, 0]);
    }
    for (const piece of this.pieces) {
      const { mesh, normals } = piece;
      const influences = mesh.morphTargetInfluences;
      if (!influences || !mesh.morphTargetDictionary) continue;
      let changed = false;
      for (const [name, at] of Object.entries(mesh.morphTargetDictionary)) {
        const wanted = Math.max(morph[name] ?? 0, piece.isEye ? 0 : (lids[name] ?? 0));
        changed ||= influences[at] !== wanted;
        influences[at] = wanted;
      }
      if (changed) normals?.update(influences);
    }
  }

  /** Give the skin another face for one of the switches; the other parts turn a quiet grey with it. */
  addPaint(surface: Surface, paint: Paint): void {
    if (paint.image) {
      const map = new Texture(paint.image);
      map.colorSpace = SRGBColorSpace;
      map.flipY = false;
      map.anisotropy = 8;
      map.needsUpdate = true;
      this.painted.set(surface, legible(new MeshLambertMaterial({ name: surface, map })));
    } else if (paint.vertexColours) {
      const colours = paint.vertexColours;
      const skins = this.pieces.filter(({ isSkin }) => isSkin);
      const count = skins.reduce((sum, { mesh }) => sum + mesh.geometry.attributes.position!.count, 0);
      if (colours.length !== 3 * count) throw new Error(`${surface}: ${colours.length / 3} colours for ${count} vertices of the skin`);
      let start = 0;
      for (const { mesh } of skins) {
        const stop = start + 3 * mesh.geometry.attributes.position!.count;
        const linear = Float32Array.from(colours.subarray(start, stop), (value) => new Color().setRGB(value / 255, 0, 0, SRGBColorSpace).r);
        mesh.geometry.setAttribute("color", new BufferAttribute(linear, 3));
        start = stop;
      }
      this.painted.set(surface, legible(new MeshLambertMaterial({ name: surface, vertexColors: true })));
    }
  }

  has(surface: Surface): boolean {
    return surface === "albedo" || surface === "clay" || this.painted.has(surface);
  }

  show(surface: Surface): void {
    for (const { mesh, material, isSkin, seeThrough } of this.pieces) {
      mesh.visible = surface === "albedo" || !seeThrough;
      if (surface === "albedo") mesh.material = material;
      else if (surface === "clay") mesh.material = this.clay;
      else mesh.material = (isSkin ? this.painted.get(surface) : undefined) ?? this.grey;
    }
  }
}

/** Part of the colour shines by itself, so that a legend's colour is found again even where the skin turns away. */
function legible(material: MeshLambertMaterial, colour = 0xffffff): MeshLambertMaterial {
  const lit = 0.5;
  const place = "#include <emissivemap_fragment>";
  material.color.set(colour).multiplyScalar(lit);
  material.toneMapped = false;
  material.onBeforeCompile = (shader) => {
    const glow = `totalEmissiveRadiance += ${((1 - lit) / lit).toFixed(4)} * diffuseColor.rgb;`;
    shader.fragmentShader = shader.fragmentShader.replace(place, `${place}\n${glow}`);
  };
  return material;
}

/** Turn a joint about the head's axes, whatever its own axes are at rest. */
function turn({ bone, rest, parentRest }: Joint, [x, y, z]: Turn): void {
  const radians = Math.PI / 180;
  const world = new Quaternion().setFromEuler(new Euler(x * radians, y * radians, z * radians, "YXZ"));
  bone.quaternion.copy(parentRest).invert().multiply(world).multiply(parentRest).multiply(rest);
}
