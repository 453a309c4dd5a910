// Shading that follows the blendshapes: morph targets without normals would keep the neutral face's light.

import type { BufferAttribute, BufferGeometry, InterleavedBufferAttribute, Mesh } from "three";

function plain(attribute: BufferAttribute | InterleavedBufferAttribute): Float32Array {
  const out = new Float32Array(attribute.count * 3);
  for (let i = 0; i < attribute.count; i++) {
    out[3 * i] = attribute.getX(i);
    out[3 * i + 1] = attribute.getY(i);
    out[3 * i + 2] = attribute.getZ(i);
  }
  return out;
}

/** Indices of the first vertex at the same place, so that a UV seam is no crease. */
function weld(positions: Float32Array): Uint32Array {
  const first = new Map<string, number>();
  const welded = new Uint32Array(positions.length / 3);
  for (let i = 0; i < welded.length; i++) {
    const key = `${positions[3 * i]},${positions[3 * i + 1]},${positions[3 * i + 2]}`;
    const found = first.get(key);
    if (found === undefined) first.set(key, i);
    welded[i] = found ?? i;
  }
  return welded;
}

function normalsOf(positions: Float32Array, index: ArrayLike<number>, welded: Uint32Array): Float32Array {
  const sum = new Float32Array(positions.length);
  for (let t = 0; t < index.length; t += 3) {
    const corners = [index[t]!, index[t + 1]!, index[t + 2]!] as const;
    const [a, b, c] = [3 * corners[0], 3 * corners[1], 3 * corners[2]];
    const ux = positions[b]! - positions[a]!, uy = positions[b + 1]! - positions[a + 1]!, uz = positions[b + 2]! - positions[a + 2]!;
    const vx = positions[c]! - positions[a]!, vy = positions[c + 1]! - positions[a + 1]!, vz = positions[c + 2]! - positions[a + 2]!;
    const nx = uy * vz - uz * vy, ny = uz * vx - ux * vz, nz = ux * vy - uy * vx;
    for (const corner of corners) {
      const at = 3 * welded[corner]!;
      sum[at]! += nx;
      sum[at + 1]! += ny;
      sum[at + 2]! += nz;
    }
  }
  for (let i = 0; i < welded.length; i++) {
    const from = 3 * welded[i]!;
    if (from !== 3 * i) sum.copyWithin(3 * i, from, from + 3);
  }
  for (let i = 0; i < sum.length; i += 3) {
    const length = Math.hypot(sum[i]!, sum[i + 1]!, sum[i + 2]!) || 1;
    sum[i]! /= length;
    sum[i + 1]! /= length;
    sum[i + 2]! /= length;
  }
  return sum;
}

/** Keeps one mesh's normals in step with its morph weights. */
export class MorphNormals {
  private readonly rest: Float32Array;
  private readonly restNormals: Float32Array;
  private readonly restComputed: Float32Array;
  private readonly targets: Float32Array[];
  private readonly index: ArrayLike<number>;
  private readonly welded: Uint32Array;

  private constructor(private readonly geometry: BufferGeometry) {
    this.rest = plain(geometry.getAttribute("position"));
    this.restNormals = plain(geometry.getAttribute("normal"));
    this.targets = (geometry.morphAttributes.position ?? []).map(plain);
    this.index = geometry.getIndex()?.array ?? Uint32Array.from({ length: this.rest.length / 3 }, (_, i) => i);
    this.welded = weld(this.rest);
    this.restComputed = normalsOf(this.rest, this.index, this.welded);
  }

  /** A refresher for the mesh, or null where none is needed (no shapes, or shapes with normals of their own). */
  static of(mesh: Mesh): MorphNormals | null {
    const { morphAttributes, attributes, morphTargetsRelative } = mesh.geometry;
    if (!morphAttributes.position?.length || morphAttributes.normal?.length) return null;
    return attributes.normal && morphTargetsRelative ? new MorphNormals(mesh.geometry) : null;
  }

  update(weights: readonly number[]): void {
    const positions = this.rest.slice();
    this.targets.forEach((target, k) => {
      const weight = weights[k] ?? 0;
      if (weight === 0) return;
      for (let i = 0; i < positions.length; i++) positions[i]! += weight * target[i]!;
    });
    const computed = normalsOf(positions, this.index, this.welded);
    const normal = this.geometry.getAttribute("normal");
    for (let i = 0; i < computed.length; i += 3) {
      const x = this.restNormals[i]! + computed[i]! - this.restComputed[i]!;
      const y = this.restNormals[i + 1]! + computed[i + 1]! - this.restComputed[i + 1]!;
      const z = this.restNormals[i + 2]! + computed[i + 2]! - this.restComputed[i + 2]!;
      const length = Math.hypot(x, y, z) || 1;
      normal.setXYZ(i / 3, x / length, y / length, z / length);
    }
    normal.needsUpdate = true;
  }
}
