"""Run by a Python that has bpy: import a GLB and write what Blender made of it to an .npz file.

python blender_facts.py head.glb facts.npz
"""

from __future__ import annotations

import json
import sys

import bpy
import numpy as np

source, target = sys.argv[-2:]
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.import_scene.gltf(filepath=source)
meshes = [o for o in bpy.data.objects if o.type == "MESH" and o.data.shape_keys is not None]
armatures = [o for o in bpy.data.objects if o.type == "ARMATURE"]
(head,) = meshes
(armature,) = armatures
keys = head.data.shape_keys.key_blocks
arrays = {}
for key in keys:
    flat = np.zeros(len(head.data.vertices) * 3, dtype=np.float32)
    key.data.foreach_get("co", flat)
    arrays[f"key {key.name}"] = flat.reshape(-1, 3)
bones = {b.name: list(armature.matrix_world @ b.head_local) for b in armature.data.bones}
parents = {b.name: b.parent.name if b.parent else None for b in armature.data.bones}
dominant = []
for vertex in head.data.vertices:
    best = max(vertex.groups, key=lambda g: g.weight)
    dominant.append(head.vertex_groups[best.group].name)
loops = np.zeros(len(head.data.loops), dtype=np.int32)
head.data.loops.foreach_get("vertex_index", loops)
uv = np.zeros(len(loops) * 2, dtype=np.float32)
head.data.uv_layers[0].data.foreach_get("uv", uv)

# Open the mouth and turn the head as a user would, and look at the evaluated mesh.
keys["jawOpen"].value = 1.0
bone = armature.pose.bones["head"]
bone.rotation_mode = "XYZ"
bone.rotation_euler = (0.3, 0.0, 0.0)
bpy.context.view_layer.update()
evaluated = head.evaluated_get(bpy.context.evaluated_depsgraph_get())
posed = np.zeros(len(evaluated.data.vertices) * 3, dtype=np.float32)
evaluated.data.vertices.foreach_get("co", posed)

facts = {
    "keys": [key.name for key in keys],
    "bones": bones,
    "parents": parents,
    "materials": [m.name for m in head.data.materials],
    "images": [i.name for i in bpy.data.images if i.size[0]],
    "dominant": dominant,
    "matrix_world": [list(row) for row in head.matrix_world],
}
np.savez(target, facts=json.dumps(facts), loops=loops, uv=uv.reshape(-1, 2), posed=posed.reshape(-1, 3), **arrays)
