"""Files in and out: GLB, OBJ, PLY, STL, USD, PNG, JSON. Plain arrays and records; no room above is known here.

Writers are atomic (the old file or the whole new one), readers are bounded, and everything a file or the operating
system can do wrong is one `InputError` with one sentence. Lengths are mm on this side of the border.
"""

from __future__ import annotations

from cephalon.files.atomic import OutputFolder, write_bytes, write_files, write_text
from cephalon.files.bounded import read_bytes
from cephalon.files.document import check_schema, json_bytes, parse_json, read_json, write_json
from cephalon.files.formats import FORMATS, Format, format_of, read_mesh
from cephalon.files.glb import GlbFile, GlbPrimitive, parse_glb, read_glb
from cephalon.files.gltf import glb_bytes, write_glb
from cephalon.files.obj import ObjFile, ObjMaterial, mtl_bytes, obj_bytes, read_obj, write_obj
from cephalon.files.ply import PlyFile, ply_bytes, read_ply, write_ply
from cephalon.files.png import image_size, jpeg_bytes, png_bytes, read_png, write_png
from cephalon.files.scene import (
    GltfJoint,
    GltfMaterial,
    GltfPrimitive,
    GltfScene,
    SeamSplit,
    primitive_from_polygons,
    split_at_uv_seams,
    strongest_joints,
)
from cephalon.files.stl import read_stl, stl_bytes, write_stl
from cephalon.files.usd import usdz_bytes, write_usdz

__all__ = [
    "FORMATS",
    "Format",
    "GlbFile",
    "GlbPrimitive",
    "GltfJoint",
    "GltfMaterial",
    "GltfPrimitive",
    "GltfScene",
    "ObjFile",
    "ObjMaterial",
    "OutputFolder",
    "PlyFile",
    "SeamSplit",
    "check_schema",
    "format_of",
    "glb_bytes",
    "image_size",
    "jpeg_bytes",
    "json_bytes",
    "mtl_bytes",
    "obj_bytes",
    "parse_glb",
    "parse_json",
    "ply_bytes",
    "png_bytes",
    "primitive_from_polygons",
    "read_bytes",
    "read_glb",
    "read_json",
    "read_mesh",
    "read_obj",
    "read_ply",
    "read_png",
    "read_stl",
    "split_at_uv_seams",
    "stl_bytes",
    "strongest_joints",
    "usdz_bytes",
    "write_bytes",
    "write_files",
    "write_glb",
    "write_json",
    "write_obj",
    "write_ply",
    "write_png",
    "write_stl",
    "write_text",
    "write_usdz",
]
