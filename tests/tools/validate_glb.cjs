// Prints the Khronos validator's report on a GLB file as JSON.
//   node validate_glb.cjs FOLDER_WITH_NODE_MODULES FILE.glb
const fs = require("fs");
const path = require("path");
const [home, file] = process.argv.slice(2);
const validator = require(path.join(home, "node_modules", "gltf-validator"));
validator
  .validateBytes(new Uint8Array(fs.readFileSync(file)), { uri: path.basename(file), maxIssues: 1000, writeTimestamp: false })
  .then((report) => process.stdout.write(JSON.stringify(report)))
  .catch((error) => {
    process.stderr.write(String(error));
    process.exit(1);
  });
