// Bundles src/ with three.js into the one script that Cephalon's report page inlines.
// The banner holds a hash of everything the bundle was made from, which a test compares: see sourcesHash().

import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, "../../src/cephalon/report/viewer.min.js");

/** sha256 over "name\0text\0" of package.json, build.mjs and src/*.ts, sorted by name. */
function sourcesHash() {
  const names = ["build.mjs", "package.json", ...readdirSync(join(here, "src")).map((name) => `src/${name}`)].sort();
  const hash = createHash("sha256");
  for (const name of names) hash.update(`${name}\0${readFileSync(join(here, name), "utf8")}\0`);
  return hash.digest("hex");
}

const three = JSON.parse(readFileSync(join(here, "node_modules/three/package.json"), "utf8"));
const wanted = JSON.parse(readFileSync(join(here, "package.json"), "utf8")).devDependencies.three;
if (three.version !== wanted) throw new Error(`three ${wanted} is wanted, ${three.version} is installed: run npm install`);
const licence = readFileSync(join(here, "node_modules/three/LICENSE"), "utf8").trim();

const banner = `/*!
Cephalon report viewer, Apache-2.0. Made by builders/viewer, do not edit. Sources sha256 ${sourcesHash()}
It contains three.js ${three.version}:

${licence}
*/`;

const result = await build({
  absWorkingDir: here,
  entryPoints: ["src/main.ts"],
  outfile: target,
  bundle: true,
  minify: true,
  format: "iife",
  target: ["chrome111", "firefox115", "safari16.4"],
  charset: "ascii",
  legalComments: "none",
  banner: { js: banner },
  metafile: true,
});
const { bytes } = Object.values(result.metafile.outputs)[0];
console.log(`viewer.min.js: ${(bytes / 1000).toFixed(0)} kB`);
