// Renderer, light, camera and its moves. Nothing is drawn unless something changed.

import {
  Box3,
  DirectionalLight,
  Group,
  HemisphereLight,
  MathUtils,
  NeutralToneMapping,
  PerspectiveCamera,
  Scene,
  Spherical,
  Vector3,
  WebGLRenderer,
  type Object3D,
} from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";

import type { Surface } from "./state";

const FOV = 22;
const MOVE_MS = 420;
const KEY_STEP = 6;

/** Strength of the sky, the key, the fill and the rim lamp, and the light at the camera. */
const MOODS: Record<Surface, readonly [number, number, number, number, number]> = {
  albedo: [2.0, 2.1, 0.9, 1.4, 0.6],
  clay: [1.2, 2.9, 0.55, 1.4, 0.25],
  sigma: [0, 0, 0, 0, Math.PI],
  provenance: [0, 0, 0, 0, Math.PI],
};

/** A far lamp; its place in degrees about the head (towards the person's left) and above. */
function lamp(colour: number, around: number, above: number): DirectionalLight {
  const light = new DirectionalLight(colour);
  light.position.setFromSphericalCoords(1, MathUtils.degToRad(90 - above), MathUtils.degToRad(around));
  return light;
}

/** True if this browser can draw with WebGL 2. */
export function canDraw(): boolean {
  try {
    return document.createElement("canvas").getContext("webgl2") !== null;
  } catch {
    return false;
  }
}

export function prefersStillness(): boolean {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/** Calls back with an eased 0..1 until it reaches 1; a second call stops the first. */
export class Tween {
  private frame = 0;

  run(milliseconds: number, step: (share: number) => void): void {
    cancelAnimationFrame(this.frame);
    if (milliseconds <= 0 || prefersStillness()) {
      step(1);
      return;
    }
    const start = performance.now();
    const tick = (now: number): void => {
      const linear = Math.min(Math.max((now - start) / milliseconds, 0), 1);
      step(1 - (1 - linear) ** 3);
      if (linear < 1) this.frame = requestAnimationFrame(tick);
    };
    this.frame = requestAnimationFrame(tick);
  }

  stop(): void {
    cancelAnimationFrame(this.frame);
  }
}

export class Stage {
  /** Called when the user (not a button) moved the camera. */
  onUserMove: () => void = () => {};

  private readonly renderer: WebGLRenderer;
  private readonly scene = new Scene();
  private readonly camera = new PerspectiveCamera(FOV, 1, 0.01, 20);
  private readonly controls: OrbitControls;
  // A studio of three lamps under a soft sky. (A room of reflections costs seconds where there is no graphics card.)
  private readonly sky = new HemisphereLight(0xf6f8ff, 0xa89c90);
  private readonly lamps = new Group();
  private readonly key = lamp(0xfff3e6, 38, 32);
  private readonly fill = lamp(0xe6efff, -62, 8);
  private readonly rim = lamp(0xffffff, -158, 30);
  private readonly headlight = new DirectionalLight(0xffffff, 0);
  private readonly centre = new Vector3();
  private readonly extent = new Vector3(0.2, 0.3, 0.2);
  private readonly move = new Tween();
  private queued = false;
  /** Distance that a photo was taken from, m; null: the page's own lens. */
  private distance: number | null = null;
  /** Distance from which the whole head fills the picture through the lens that is on, m. */
  private full = 1;
  private drawnAt = 0;
  private margins: [number, number] = [0, 0];

  /** `box` holds the canvas; `measureMargins` says how many pixels at its top and bottom lie under bars. */
  constructor(
    private readonly box: HTMLElement,
    canvas: HTMLCanvasElement,
    private readonly measureMargins: () => [number, number],
  ) {
    this.renderer = new WebGLRenderer({ canvas, antialias: true, alpha: true });
    this.renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
    this.renderer.setClearColor(0x000000, 0);
    this.renderer.toneMapping = NeutralToneMapping;
    this.lamps.add(this.key, this.fill, this.rim);
    this.scene.add(this.sky, this.lamps, this.camera);
    this.camera.add(this.headlight, this.headlight.target);
    // a little up and aside, so that the eyes have their glint from every side
    this.headlight.position.set(0.16, 0.2, 0);
    this.headlight.target.position.set(0, 0, -1);

    this.controls = new OrbitControls(this.camera, canvas);
    this.controls.enableDamping = !prefersStillness();
    this.controls.dampingFactor = 0.12;
    this.controls.autoRotateSpeed = 2.4;
    this.controls.enableZoom = false;
    this.controls.addEventListener("change", () => this.draw());
    this.controls.addEventListener("start", () => {
      this.move.stop();
      this.onUserMove();
    });
    // A swipe up or down over the picture still scrolls the page; the wheel zooms once the picture was touched or focused.
    canvas.style.touchAction = "pan-y";
    canvas.addEventListener("pointerdown", () => (this.controls.enableZoom = true));
    canvas.addEventListener("focus", () => (this.controls.enableZoom = true));
    canvas.addEventListener("blur", () => (this.controls.enableZoom = false));
    canvas.addEventListener("keydown", (event) => this.onKey(event));
    canvas.addEventListener("webglcontextrestored", () => this.draw());
    new ResizeObserver(() => this.resize()).observe(box);
  }

  set(head: Object3D): void {
    this.scene.add(head);
    const bounds = new Box3().setFromObject(head);
    bounds.getCenter(this.centre);
    bounds.getSize(this.extent);
    this.controls.target.copy(this.centre);
    this.resize();
  }

  /** Half the height that the whole picture shows at the head's centre, so that the head fits between the bars at any angle. */
  private get halfHeight(): number {
    const { clientWidth: width, clientHeight: height } = this.box;
    const free = height - this.margins[0] - this.margins[1];
    return Math.max((this.extent.y * 0.52 * height) / free, (this.width * 0.54 * height) / width);
  }

  private get width(): number {
    return Math.max(this.extent.x, this.extent.z);
  }

  /** Distance from which the whole head fills the picture through the page's own lens. */
  private get usualDistance(): number {
    return this.halfHeight / Math.tan(MathUtils.degToRad(FOV / 2)) + this.width / 2;
  }

  private setLens(): void {
    const { clientWidth: width, clientHeight: height } = this.box;
    const full = this.distance ?? this.usualDistance;
    this.full = full;
    this.camera.aspect = width / height;
    this.camera.setViewOffset(width, height, 0, (this.margins[1] - this.margins[0]) / 2, width, height);
    this.camera.fov = 2 * MathUtils.radToDeg(Math.atan(this.halfHeight / (full - this.width / 2)));
    this.camera.near = full / 60;
    this.camera.far = full * 8;
    this.controls.minDistance = full / 8;
    this.controls.maxDistance = full * 2.5;
    this.camera.updateProjectionMatrix();
  }

  get zoom(): number {
    return this.full / (this.camera.position.distanceTo(this.controls.target) || this.full);
  }

  /** Yaw and pitch of the camera in degrees. */
  get angles(): [number, number] {
    const spherical = new Spherical().setFromVector3(this.camera.position.clone().sub(this.controls.target));
    return [MathUtils.radToDeg(spherical.theta), 90 - MathUtils.radToDeg(spherical.phi)];
  }

  /**
   * Move the camera to yaw and pitch in degrees, the short way round. `distance` (m) chooses how strong the perspective
   * is, as when a photo was taken from there; null takes the page's own lens.
   */
  look(yaw: number, pitch: number, zoom: number, distance: number | null, milliseconds = MOVE_MS): void {
    const target = this.controls.target.clone();
    const offset = this.camera.position.clone().sub(target);
    const from = offset.lengthSq() > 1e-9 ? new Spherical().setFromVector3(offset) : new Spherical(1, Math.PI / 2, 0);
    const fromFull = this.full;
    const fromZoom = fromFull / from.radius;
    const full = distance === null ? this.usualDistance : Math.max(distance, this.width);
    const phi = MathUtils.degToRad(90 - pitch);
    const around = MathUtils.euclideanModulo(MathUtils.degToRad(yaw) - from.theta + Math.PI, 2 * Math.PI) - Math.PI;
    this.move.run(milliseconds, (share) => {
      this.distance = share < 1 ? MathUtils.lerp(fromFull, full, share) : distance === null ? null : full;
      this.setLens();
      const radius = this.full / MathUtils.lerp(fromZoom, zoom, share);
      const at = new Spherical(radius, MathUtils.lerp(from.phi, phi, share), from.theta + around * share);
      this.controls.target.lerpVectors(target, this.centre, share);
      this.camera.position.setFromSpherical(at).add(this.controls.target);
      this.draw();
    });
  }

  /** Angles (degrees) and distance (m) from which a camera at `position` sees the head's centre. */
  seenFrom(position: readonly [number, number, number]): { yaw: number; pitch: number; distance: number } {
    const at = new Spherical().setFromVector3(new Vector3(...position).sub(this.centre));
    return { yaw: MathUtils.radToDeg(at.theta), pitch: 90 - MathUtils.radToDeg(at.phi), distance: at.radius };
  }

  set turntable(on: boolean) {
    this.controls.autoRotate = on;
    this.draw();
  }

  /** Turn the light about the head, degrees towards the person's left. */
  set light(degrees: number) {
    this.lamps.rotation.y = MathUtils.degToRad(degrees);
    this.draw();
  }

  /** Light that suits what is shown: a studio for the skin, a raking key for clay, flat for the coloured maps. */
  setMood(surface: Surface): void {
    [this.sky.intensity, this.key.intensity, this.fill.intensity, this.rim.intensity, this.headlight.intensity] = MOODS[surface];
    this.draw();
  }

  draw(): void {
    if (this.queued) return;
    this.queued = true;
    requestAnimationFrame((now) => {
      this.queued = false;
      this.controls.update(Math.min(now - this.drawnAt, 100) / 1000);
      this.drawnAt = now;
      this.renderer.render(this.scene, this.camera);
    });
  }

  /** Draw now and return the picture. */
  snapshot(): Promise<Blob | null> {
    this.renderer.render(this.scene, this.camera);
    return new Promise((resolve) => this.renderer.domElement.toBlob(resolve, "image/png"));
  }

  private resize(): void {
    const { clientWidth: width, clientHeight: height } = this.box;
    if (width === 0 || height === 0) return;
    const zoom = this.zoom;
    const [top, bottom] = this.measureMargins();
    this.margins = [Math.min(top, height / 3), Math.min(bottom, height / 3)];
    this.setLens();
    this.renderer.setSize(width, height, false);
    const offset = this.camera.position.clone().sub(this.controls.target);
    if (offset.lengthSq() > 0) this.camera.position.copy(offset.setLength(this.full / zoom).add(this.controls.target));
    this.renderer.render(this.scene, this.camera);
  }

  private onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const [yaw, pitch] = this.angles;
    const zoom = this.zoom;
    const moves: Record<string, [number, number, number]> = {
      ArrowLeft: [yaw - KEY_STEP, pitch, zoom],
      ArrowRight: [yaw + KEY_STEP, pitch, zoom],
      ArrowUp: [yaw, Math.min(pitch + KEY_STEP, 85), zoom],
      ArrowDown: [yaw, Math.max(pitch - KEY_STEP, -85), zoom],
      "+": [yaw, pitch, Math.min(zoom * 1.15, 8)],
      "=": [yaw, pitch, Math.min(zoom * 1.15, 8)],
      "-": [yaw, pitch, Math.max(zoom / 1.15, 0.4)],
    };
    const wanted = moves[event.key];
    if (wanted === undefined) return;
    event.preventDefault();
    this.onUserMove();
    this.look(...wanted, this.distance, 0);
  }
}
