// Starts the viewer on a report page. The page works without it: every fact is in the HTML.

import type { Weights } from "./arkit";
import { Head, type Paint } from "./head";
import { wireLightbox, wirePhotoModes } from "./page";
import { element, Panel, type PhotoPreset } from "./panel";
import { canDraw, Stage, Tween } from "./stage";
import { formatState, initialState, parseState, SURFACES, VIEWS, viewAngles, type State, type Surface } from "./state";

/** What the page hands over as JSON; see `page.py`. */
interface Config {
  presets: PhotoPreset[];
  /** Where each photo was taken from: the view's name, the camera's place in the GLB's frame, m. */
  cameras: Array<{ view: string; position: [number, number, number] }>;
}

const PRESET_MS = 280;

function find<T extends Element>(selector: string): T {
  const found = document.querySelector<T>(selector);
  if (found === null) throw new Error(`the page has no ${selector}`);
  return found;
}

function bytesOf(id: string): Uint8Array<ArrayBuffer> | null {
  const text = document.getElementById(id)?.textContent;
  if (!text) return null;
  const binary = atob(text.trim());
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

function say(status: "loading" | "ready" | "unavailable" | "error", message = ""): void {
  document.documentElement.dataset.viewer = status;
  const note = document.getElementById("stage-note");
  if (note) note.textContent = message;
}

async function paintOf(surface: Surface): Promise<Paint> {
  const shown = document.querySelector<HTMLImageElement>(`#map-${surface}`);
  let image: HTMLImageElement | null = null;
  if (shown !== null) {
    // a picture of its own: the one on the page would tell its size on the screen, not in texels
    image = new Image();
    image.src = shown.src;
    await image.decode();
  }
  return { image, vertexColours: bytesOf(`colours-${surface}`) };
}

class Viewer {
  private readonly state: State = parseState(location.hash);
  private readonly panel: Panel;
  private readonly blend = new Tween();
  private writing = 0;

  constructor(
    private readonly head: Head,
    private readonly stage: Stage,
    private readonly config: Config,
    private readonly distances: ReadonlyMap<string, number>,
  ) {
    this.panel = new Panel(find("#panel"), this.state, {
      changed: () => this.apply(),
      preset: (weights) => this.blendTo(weights),
      reset: () => this.reset(),
    });
    this.panel.build(head.shapes, [...head.joints.keys()].filter((name) => /neck|head/i.test(name)), head.hasGaze, config.presets);
    stage.onUserMove = () => {
      this.state.view = "";
      this.markView();
      this.writeHash();
    };
    this.wireButtons();
    this.showAll();
    addEventListener("hashchange", (event) => {
      // not location.hash: a write that was pending may have replaced it since
      clearTimeout(this.writing);
      this.take(parseState(new URL(event.newURL).hash));
      this.showAll();
    });
  }

  private wireButtons(): void {
    for (const button of document.querySelectorAll<HTMLButtonElement>("button[data-view]")) {
      button.addEventListener("click", () => {
        this.look(button.dataset.view ?? "front");
        if (button.classList.contains("to-photo")) this.asInPhoto(button.dataset.view ?? "");
      });
    }
    for (const input of document.querySelectorAll<HTMLInputElement>("input[name=surface]")) {
      input.addEventListener("change", () => {
        if (input.checked) this.state.map = input.value as Surface;
        this.showSurface();
        this.writeHash();
      });
    }
    find<HTMLButtonElement>("#turntable").addEventListener("click", () => {
      this.state.turntable = !this.state.turntable;
      this.showTurntable();
      this.writeHash();
    });
    find<HTMLButtonElement>("#save-picture").addEventListener("click", () => void this.savePicture());
    const full = find<HTMLButtonElement>("#full-screen");
    full.hidden = !document.fullscreenEnabled;
    full.addEventListener("click", () => {
      if (document.fullscreenElement) void document.exitFullscreen();
      else void find<HTMLElement>("#stage").requestFullscreen();
    });
  }

  private asInPhoto(view: string): void {
    const preset = this.config.presets.find((one) => one.view === view);
    if (preset) this.blendTo(preset.weights);
    find("#stage").scrollIntoView({ block: "nearest" });
  }

  private async savePicture(): Promise<void> {
    const blob = await this.stage.snapshot();
    if (blob === null) return;
    const link = element("a", { href: URL.createObjectURL(blob), download: "head.png" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  private look(view: string): void {
    const angles = viewAngles(view);
    if (angles === null) return;
    this.state.view = view;
    this.state.zoom = 1;
    this.stage.look(...angles, 1, this.distances.get(view) ?? null);
    this.markView();
    this.writeHash();
  }

  private blendTo(weights: Weights): void {
    const { morph } = this.state;
    const names = [...new Set([...Object.keys(morph), ...Object.keys(weights)])];
    const from = { ...morph };
    this.blend.run(PRESET_MS, (share) => {
      for (const name of names) morph[name] = (from[name] ?? 0) * (1 - share) + (weights[name] ?? 0) * share;
      this.panel.refresh();
      this.apply();
    });
  }

  private reset(): void {
    const start = initialState();
    this.state.joint = start.joint;
    this.state.gaze = start.gaze;
    this.state.light = start.light;
    this.blendTo({});
  }

  private take(next: State): void {
    const { morph } = this.state;
    for (const name of Object.keys(morph)) delete morph[name];
    Object.assign(this.state, next, { morph: Object.assign(morph, next.morph) });
  }

  private apply(): void {
    const { morph, joint, gaze, light } = this.state;
    this.head.pose(morph, joint, gaze);
    this.stage.light = light;
    this.writeHash();
  }

  private showAll(): void {
    this.blend.stop();
    const [yaw, pitch] = viewAngles(this.state.view) ?? [0, 0];
    this.stage.look(yaw, pitch, this.state.zoom, this.distances.get(this.state.view) ?? null, 0);
    this.markView();
    this.showSurface();
    this.showTurntable();
    this.panel.refresh();
    this.apply();
  }

  private showSurface(): void {
    if (!this.head.has(this.state.map)) this.state.map = "albedo";
    const { map } = this.state;
    this.head.show(map);
    this.stage.setMood(map);
    for (const input of document.querySelectorAll<HTMLInputElement>("input[name=surface]")) input.checked = input.value === map;
    for (const legend of document.querySelectorAll<HTMLElement>(".stage-legend")) legend.hidden = legend.dataset.surface !== map;
  }

  private showTurntable(): void {
    this.stage.turntable = this.state.turntable;
    find("#turntable").setAttribute("aria-pressed", String(this.state.turntable));
  }

  private markView(): void {
    for (const button of document.querySelectorAll<HTMLButtonElement>(".views button[data-view]")) {
      button.setAttribute("aria-pressed", String(button.dataset.view === this.state.view));
    }
  }

  private writeHash(): void {
    clearTimeout(this.writing);
    this.writing = setTimeout(() => {
      const [yaw, pitch] = this.stage.angles;
      const view = this.state.view || `${Math.round(yaw)}:${Math.round(pitch)}`;
      const hash = formatState({ ...this.state, view, zoom: this.stage.zoom });
      try {
        history.replaceState(null, "", `#${hash}`);
      } catch {
        // Some browsers limit how often, or forbid it on local files: the address bar then stays as it is.
      }
    }, 400);
  }
}

async function start(): Promise<void> {
  wirePhotoModes();
  wireLightbox();
  const glb = bytesOf("asset-glb");
  if (glb === null) return;
  if (!canDraw()) {
    say("unavailable", "This browser cannot show 3D (WebGL is missing or switched off). The pictures below show the head from all sides.");
    return;
  }
  say("loading", "Preparing the head …");
  const config = JSON.parse(find("#viewer-config").textContent ?? "{}") as Config;
  const head = await Head.parse(glb.buffer);
  for (const surface of SURFACES) head.addPaint(surface, await paintOf(surface));
  const stage = new Stage(find("#stage"), find("#canvas"), () => {
    const { offsetTop, offsetHeight } = find<HTMLElement>(".surfaces");
    return [offsetTop + offsetHeight, find("#stage").clientHeight - find<HTMLElement>(".bar").offsetTop];
  });
  stage.set(head.root);
  const distances = new Map<string, number>();
  for (const { view, position } of config.cameras) {
    const { yaw, pitch, distance } = stage.seenFrom(position);
    VIEWS[view] = [yaw, pitch];
    distances.set(view, distance);
  }
  new Viewer(head, stage, config, distances);
  requestAnimationFrame(() => requestAnimationFrame(() => say("ready")));
}

start().catch((error: unknown) => {
  console.error(error);
  say("error", `The 3D view could not be started: ${error instanceof Error ? error.message : String(error)}. The pictures below show the head from all sides.`);
});
