# pyright: reportAttributeAccessIssue=false, reportOptionalOperand=false
# usd-core makes its names at run time.
"""USD: a head with skeleton and blend shapes as one .usdz package (needs the extra usd: Pixar's usd-core).

Metres, +y up. One SkelRoot holds the skeleton, a rest animation with every blend shape at 0, one mesh for each part
with its blend shapes, and UsdPreviewSurface materials with their pictures.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from cephalon.core import InputError, MissingExtraError
from cephalon.files.atomic import write_bytes
from cephalon.files.bounded import StrPath
from cephalon.files.scene import GltfMaterial, GltfPrimitive, GltfScene

_METRES = 1e-3
_MADE_S = 315_705_600.0  # 3 January 1980: what a zip can state in any time zone


def usdz_bytes(scene: GltfScene, *, morph_epsilon_mm: float = 0.02) -> bytes:
    """Return a scene as the bytes of a .usdz file.

    Parameters
    ----------
    scene : what to write (the record that GLB files are written from).
    morph_epsilon_mm : blend shapes hold the vertices that they move further than this.

    Raises
    ------
    MissingExtraError
        Without usd-core.
    InputError
        If the package cannot be made, or two names are the same to USD (which knows letters, digits and _ alone).
    """
    try:
        from pxr import Sdf, UsdUtils
    except ImportError as error:
        raise MissingExtraError("writing USD", "usd") from error
    _check_names(scene)
    with tempfile.TemporaryDirectory(prefix="cephalon-usd-") as folder:
        place = Path(folder)
        layer = place / "head.usdc"
        _write_stage(scene, place, layer, morph_epsilon_mm)
        for written in place.iterdir():  # the package states when its files were made: the same scene, the same bytes
            os.utime(written, (_MADE_S, _MADE_S))
        package = place / "head.usdz"
        if not UsdUtils.CreateNewUsdzPackage(Sdf.AssetPath(str(layer)), str(package)):
            raise InputError("USD: the package could not be made")
        return package.read_bytes()


def write_usdz(path: StrPath, scene: GltfScene, *, morph_epsilon_mm: float = 0.02) -> None:
    """Write `usdz_bytes` in one step; raises as it and as `atomic.write_bytes`."""
    write_bytes(path, usdz_bytes(scene, morph_epsilon_mm=morph_epsilon_mm))


def _check_names(scene: GltfScene) -> None:
    """Refuse names that would become the same name in USD: the later thing would replace the earlier one."""
    taken = ("Materials", "Skeleton", "Rest")
    for what, names, reserved in (
        ("primitives", [primitive.name for primitive in scene.primitives], taken),
        ("materials", [material.name for material in scene.materials], ()),
        ("morph targets", list(scene.morph_names), ()),
    ):
        found = [*reserved, *(_name(name) for name in names)]
        if len(set(found)) != len(found):
            twice = next(name for name in found if found.count(name) > 1)
            raise InputError(f"USD: several {what} would be named {twice!r}; give them other names")


def _write_stage(scene: GltfScene, folder: Path, layer: Path, epsilon: float) -> None:
    from pxr import Kind, Sdf, Usd, UsdGeom, UsdSkel, Vt

    stage: Any = Usd.Stage.CreateNew(str(layer))
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    root = UsdSkel.Root.Define(stage, "/" + _name(scene.name))
    stage.SetDefaultPrim(root.GetPrim())
    Usd.ModelAPI(root).SetKind(Kind.Tokens.component)
    if scene.copyright:
        root.GetPrim().SetAssetInfoByKey("copyright", scene.copyright)
    base = root.GetPath()
    paths = [_material(stage, base.AppendPath(f"Materials/{_name(m.name)}"), m, folder) for m in scene.materials]
    skeleton = _skeleton(stage, base, scene) if scene.joints else None
    extents = []
    for primitive in scene.primitives:
        mesh = _mesh(stage, base, scene, primitive, epsilon)
        extents.append(np.asarray(mesh.GetExtentAttr().Get()))
        if primitive.material is not None:
            from pxr import UsdShade

            UsdShade.MaterialBindingAPI.Apply(mesh.GetPrim()).Bind(
                UsdShade.Material(stage.GetPrimAtPath(paths[primitive.material]))
            )
        if skeleton is not None:
            UsdSkel.BindingAPI.Apply(mesh.GetPrim()).CreateSkeletonRel().SetTargets([skeleton.GetPath()])
    if scene.morph_names and skeleton is not None:
        animation = UsdSkel.Animation.Define(stage, base.AppendChild("Rest"))
        animation.CreateBlendShapesAttr(Vt.TokenArray([_name(name) for name in scene.morph_names]))
        animation.CreateBlendShapeWeightsAttr(Vt.FloatArray(len(scene.morph_names), 0.0))
        UsdSkel.BindingAPI.Apply(skeleton.GetPrim()).CreateAnimationSourceRel().SetTargets([animation.GetPath()])
    low, high = np.min([e[0] for e in extents], axis=0), np.max([e[1] for e in extents], axis=0)
    UsdGeom.ModelAPI.Apply(root.GetPrim()).SetExtentsHint(
        Vt.Vec3fArray.FromNumpy(np.stack([low, high]).astype(np.float32))
    )
    del Sdf
    stage.GetRootLayer().Save()


def _skeleton(stage: Any, base: Any, scene: GltfScene) -> Any:
    """Define the skeleton: joints as paths, rest transforms to the parent, bind transforms in the head's frame."""
    from pxr import Gf, UsdSkel, Vt

    skeleton = UsdSkel.Skeleton.Define(stage, base.AppendChild("Skeleton"))
    paths: list[str] = []
    bind, rest = [], []
    for joint in scene.joints:
        parent = scene.joints[joint.parent].position if joint.parent >= 0 else (0.0, 0.0, 0.0)
        paths.append((f"{paths[joint.parent]}/" if joint.parent >= 0 else "") + _name(joint.name))
        place = _METRES * np.asarray(joint.position)
        bind.append(Gf.Matrix4d().SetTranslate(Gf.Vec3d(*place.tolist())))
        rest.append(Gf.Matrix4d().SetTranslate(Gf.Vec3d(*(place - _METRES * np.asarray(parent)).tolist())))
    skeleton.CreateJointsAttr(Vt.TokenArray(paths))
    skeleton.CreateBindTransformsAttr(Vt.Matrix4dArray(bind))
    skeleton.CreateRestTransformsAttr(Vt.Matrix4dArray(rest))
    UsdSkel.BindingAPI.Apply(skeleton.GetPrim())
    return skeleton


def _mesh(stage: Any, base: Any, scene: GltfScene, primitive: GltfPrimitive, epsilon: float) -> Any:
    from pxr import Sdf, UsdGeom, UsdSkel, Vt

    mesh = UsdGeom.Mesh.Define(stage, base.AppendChild(_name(primitive.name)))
    points = (_METRES * primitive.positions).astype(np.float32)
    mesh.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(points))
    mesh.CreateFaceVertexCountsAttr(Vt.IntArray.FromNumpy(np.full(len(primitive.triangles), 3, np.int32)))
    mesh.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(np.ascontiguousarray(primitive.triangles.reshape(-1))))
    mesh.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    mesh.CreateExtentAttr(Vt.Vec3fArray.FromNumpy(np.stack([points.min(0), points.max(0)])))
    if primitive.normals is not None:
        mesh.CreateNormalsAttr(Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(primitive.normals, dtype=np.float32)))
        mesh.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
    if primitive.uv is not None:
        st = UsdGeom.PrimvarsAPI(mesh).CreatePrimvar("st", Sdf.ValueTypeNames.TexCoord2fArray, UsdGeom.Tokens.vertex)
        st.Set(Vt.Vec2fArray.FromNumpy(np.ascontiguousarray(primitive.uv, dtype=np.float32)))
    if primitive.joints_indices is None and not scene.morph_names:
        return mesh
    binding = UsdSkel.BindingAPI.Apply(mesh.GetPrim())
    if primitive.joints_indices is not None and primitive.joints_weights is not None:
        count = primitive.joints_indices.shape[1]
        weights = primitive.joints_weights / primitive.joints_weights.sum(axis=1, keepdims=True)
        indices = np.ascontiguousarray(primitive.joints_indices.reshape(-1), dtype=np.int32)
        binding.CreateJointIndicesPrimvar(False, count).Set(Vt.IntArray.FromNumpy(indices))
        flat = np.ascontiguousarray(weights.reshape(-1), dtype=np.float32)
        binding.CreateJointWeightsPrimvar(False, count).Set(Vt.FloatArray.FromNumpy(flat))
        from pxr import Gf

        binding.CreateGeomBindTransformAttr(Gf.Matrix4d(1.0))
    if primitive.morph_deltas is not None:
        _blend_shapes(stage, mesh, binding, scene, primitive, epsilon)
    return mesh


def _blend_shapes(
    stage: Any, mesh: Any, binding: Any, scene: GltfScene, primitive: GltfPrimitive, epsilon: float
) -> None:
    """Define the blend shapes that move this mesh, with the moved points alone."""
    from pxr import UsdSkel, Vt

    assert primitive.morph_deltas is not None
    names, targets = [], []
    for i, name in enumerate(scene.morph_names):
        moved = np.flatnonzero(np.abs(primitive.morph_deltas[i]).max(axis=1) > epsilon)
        if not len(moved):
            continue
        shape = UsdSkel.BlendShape.Define(stage, mesh.GetPath().AppendChild(_name(name)))
        offsets = (_METRES * primitive.morph_deltas[i][moved]).astype(np.float32)
        shape.CreateOffsetsAttr(Vt.Vec3fArray.FromNumpy(offsets))
        turned = np.zeros_like(offsets) if primitive.morph_normals is None else primitive.morph_normals[i][moved]
        shape.CreateNormalOffsetsAttr(Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(turned, dtype=np.float32)))
        shape.CreatePointIndicesAttr(Vt.IntArray.FromNumpy(moved.astype(np.int32)))
        names.append(_name(name))
        targets.append(shape.GetPath())
    if names:
        binding.CreateBlendShapesAttr(Vt.TokenArray(names))
        binding.CreateBlendShapeTargetsRel().SetTargets(targets)


def _material(stage: Any, path: Any, material: GltfMaterial, folder: Path) -> Any:
    """Define a UsdPreviewSurface; its picture is written beside the layer. Returns the material's path."""
    from pxr import Gf, Sdf, UsdGeom, UsdShade

    UsdGeom.Scope.Define(stage, path.GetParentPath())
    shade = UsdShade.Material.Define(stage, path)
    surface = UsdShade.Shader.Define(stage, path.AppendChild("Surface"))
    surface.CreateIdAttr("UsdPreviewSurface")
    red, green, blue, alpha = material.base_color
    surface.CreateInput("roughness", Sdf.ValueTypeNames.Float).Set(float(material.roughness))
    surface.CreateInput("metallic", Sdf.ValueTypeNames.Float).Set(float(material.metallic))
    if material.clearcoat is not None:
        surface.CreateInput("clearcoat", Sdf.ValueTypeNames.Float).Set(float(material.clearcoat))
    colour = surface.CreateInput("diffuseColor", Sdf.ValueTypeNames.Color3f)
    opacity = surface.CreateInput("opacity", Sdf.ValueTypeNames.Float)
    opacity.Set(float(alpha) if material.alpha_mode != "OPAQUE" else 1.0)
    if material.alpha_mode == "MASK":
        surface.CreateInput("opacityThreshold", Sdf.ValueTypeNames.Float).Set(float(material.alpha_cutoff))
    if material.base_color_image is None:
        colour.Set(Gf.Vec3f(red, green, blue))
    else:
        data = bytes(material.base_color_image)
        picture = f"{_name(material.name)}{'.png' if data.startswith(bytes([0x89])) else '.jpg'}"
        (folder / picture).write_bytes(data)
        reader = UsdShade.Shader.Define(stage, path.AppendChild("Coordinates"))
        reader.CreateIdAttr("UsdPrimvarReader_float2")
        reader.CreateInput("varname", Sdf.ValueTypeNames.String).Set("st")
        reader.CreateOutput("result", Sdf.ValueTypeNames.Float2)
        texture = UsdShade.Shader.Define(stage, path.AppendChild("Picture"))
        texture.CreateIdAttr("UsdUVTexture")
        texture.CreateInput("file", Sdf.ValueTypeNames.Asset).Set(Sdf.AssetPath(f"./{picture}"))
        texture.CreateInput("sourceColorSpace", Sdf.ValueTypeNames.Token).Set("sRGB")
        texture.CreateInput("scale", Sdf.ValueTypeNames.Float4).Set(Gf.Vec4f(red, green, blue, alpha))
        texture.CreateInput("st", Sdf.ValueTypeNames.Float2).ConnectToSource(reader.ConnectableAPI(), "result")
        texture.CreateOutput("rgb", Sdf.ValueTypeNames.Float3)
        colour.ConnectToSource(texture.ConnectableAPI(), "rgb")
        if material.alpha_mode != "OPAQUE":
            texture.CreateOutput("a", Sdf.ValueTypeNames.Float)
            opacity.ConnectToSource(texture.ConnectableAPI(), "a")
    surface.CreateOutput("surface", Sdf.ValueTypeNames.Token)
    shade.CreateSurfaceOutput().ConnectToSource(surface.ConnectableAPI(), "surface")
    return path


def _name(text: str) -> str:
    """Return a name that USD can hold: letters, digits and _."""
    from pxr import Tf

    return str(Tf.MakeValidIdentifier(text))
