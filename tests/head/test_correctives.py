"""What a posed face needs beyond the sum of its shapes: clashing pairs, lids that follow the gaze and clear the ball."""

from __future__ import annotations

import io
from dataclasses import replace
from importlib import resources

import numpy as np
import pytest

from cephalon.geometry import Camera, Rigid, rasterise_mesh, rotation_from_rotvec
from cephalon.head import HeadCode, HeadModel

BLINK = {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0}


@pytest.fixture(scope="module")
def plain() -> HeadModel:
    """The same model without its correctives, as an asset of an earlier build is."""
    with np.load(io.BytesIO((resources.files("cephalon") / "data" / "head.npz").read_bytes())) as archive:
        arrays = {k: archive[k] for k in archive.files if not k.startswith(("pair_", "lid_"))}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return _loaded(buffer.getvalue())


def _loaded(data: bytes) -> HeadModel:
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "head.npz"
        path.write_bytes(data)
        return HeadModel.load(path)


def cornea_pixels(model: HeadModel, vertices: np.ndarray) -> int:
    """Pixels (0.2 mm) of the left cornea that show through the skin from before, above and below."""
    lashes = [model.parts[name].faces for name in ("left_lashes", "right_lashes")]
    kept = np.ones(len(model.faces), dtype=bool)
    for faces in lashes:
        kept[faces] = False
    faces = model.faces[kept]
    part = model.parts["left_eye"].faces
    is_cornea = np.zeros(len(model.faces), dtype=bool)
    is_cornea[part] = model.regions["cornea"][model.faces[part]].max(axis=1) > 0.5
    is_cornea = is_cornea[kept]
    ball = model.parts["left_eye"].vertices
    centre = vertices[ball].mean(axis=0) + np.array([0.0, 0.0, 12.0])
    worst = 0
    for pitch in (-0.26, 0.0, 0.26):
        rotation = np.diag([1.0, -1.0, -1.0]) @ rotation_from_rotvec([pitch, 0.0, 0.0])
        pose = Rigid(rotation=rotation, translation=np.array([0, 0, 1500.0]) - rotation @ centre)
        raster = rasterise_mesh(pose.apply(vertices), faces, Camera(width=220, height=220, focal_px=220 * 1500 / 45))
        worst = max(worst, int(is_cornea[raster.face_index[raster.covered]].sum()))
    return worst


def test_a_neutral_face_is_untouched(model, plain):
    rng = np.random.default_rng(0)
    for code in (None, *(model.sample(rng=rng) for _ in range(3))):
        np.testing.assert_array_equal(model.vertices(code), plain.vertices(code))
    made = model.code(expression=np.full(52, 0.4), joints={"left_eye": [0.3, 0.1, 0.0], "head": [0.0, 0.2, 0.0]})
    np.testing.assert_allclose(model.vertices(made, linear=True), plain.vertices(made), atol=1e-9)
    turned = model.code(joints={"head": [0.1, 0.3, 0.0]})
    np.testing.assert_allclose(model.vertices(turned), plain.vertices(turned), atol=1e-9)


@pytest.mark.parametrize(
    "more",
    [{}, {"eyeWideLeft": 1.0}, {"eyeLookDownLeft": 1.0}, {"eyeLookUpLeft": 1.0}, {"eyeSquintLeft": 1.0}],
    ids=lambda more: next(iter(more), "alone"),
)
def test_everybodys_eyes_close(model, more):
    """Of 50 people, whatever else the lids do."""
    rng = np.random.default_rng(5)
    seen = []
    for _ in range(50):
        identity = model.sample(rng=rng).identity
        seen.append(cornea_pixels(model, model.vertices(model.code(identity=identity, expression={**BLINK, **more}))))
    assert cornea_pixels(model, model.mean) > 1000
    assert max(seen) == 0


def test_shut_lids_meet_as_the_mean_heads_do(model):
    """In everybody; a half shut eye is not drawn together, and without this term some lids would stay apart."""
    rng = np.random.default_rng(6)
    meeting = model.correctives.lids[0].meeting
    apart = replace(
        model,
        correctives=replace(
            model.correctives, lids=tuple(replace(lid, meeting=None) for lid in model.correctives.lids)
        ),
    )
    left_open = 0
    for _ in range(20):
        identity = model.sample(rng=rng).identity
        shut = model.code(identity=identity, expression={**BLINK, "eyeWideLeft": 1.0})
        middle = slice(2, -2)
        assert meeting.excess_mm(model.vertices(shut))[middle].max() < 0.6
        left_open += meeting.excess_mm(apart.vertices(shut))[middle].max() > 0.6
        half = model.code(identity=identity, expression={"eyeBlinkLeft": 0.5})
        assert np.abs(model.vertices(half) - apart.vertices(half)).max() < 0.6
    assert left_open >= 3


def test_without_correctives_some_eyes_would_not_close(model, plain):
    """The check above can fail: the linear shapes alone leave eyes open or let the cornea through."""
    rng = np.random.default_rng(5)
    codes = [model.code(identity=model.sample(rng=rng).identity, expression=BLINK) for _ in range(50)]
    assert sum(cornea_pixels(plain, plain.vertices(code)) > 0 for code in codes) >= 3


def test_one_persons_shapes_close_the_eyes_of_that_person(model):
    rng = np.random.default_rng(5)
    blinks = [model.expression_names.index(name) for name in BLINK]
    seen = []
    for _ in range(50):
        code = model.sample(rng=rng)
        closed = model.vertices(code) + model.expression_offsets(code.identity)[blinks].sum(axis=0)
        seen.append(cornea_pixels(model, closed))
    assert (np.array(seen) > 0).sum() <= 3
    np.testing.assert_array_equal(
        model.expression_offsets()[model.expression_names.index("jawOpen")],
        model.expression_basis[model.expression_names.index("jawOpen")],
    )


def test_lids_stay_off_the_ball_all_the_way(model):
    from cephalon.head.correctives import FULL_MOTION_MM

    rng = np.random.default_rng(8)
    lid = model.correctives.lids[0]
    for _ in range(10):
        identity = model.sample(rng=rng).identity
        rest = model.vertices(HeadCode(identity=identity))
        centre = model.joints(rest)[lid.joint]
        radius = float(np.linalg.norm(rest[lid.ball_rows] - centre, axis=1).mean())
        for amount in (0.3, 0.6, 1.0):
            moved = model.vertices(model.code(identity=identity, expression={"eyeBlinkLeft": amount}))
            gap, _ = lid.gap(moved[lid.rows], centre, radius, np.array([0.0, 0.0, 1.0]))
            travelled = np.linalg.norm(moved[lid.rows] - rest[lid.rows], axis=1) > FULL_MOTION_MM + 1.5
            assert travelled.any() or amount < 0.5
            assert (gap - lid.clearance_mm)[travelled].min(initial=0.0) > -0.1


def test_lids_follow_the_gaze(model):
    upper = model.correctives.lids[0].opening
    upper = upper[: len(upper) // 2]
    heights = {}
    for degrees in (-20, 0, 10, 20, 30, 40):
        posed = model.vertices(model.code(joints={"left_eye": [np.radians(degrees), 0.0, 0.0]}))
        heights[degrees] = posed[upper, 1].mean() - model.mean[upper, 1].mean()
    assert heights[-20] > 0.8
    assert heights[0] == 0
    assert 0 > heights[10] > heights[20] > heights[30]
    assert heights[30] < -3
    assert heights[40] == pytest.approx(heights[30], abs=0.7)
    right = model.parts["right_eye"].vertices
    turned = model.vertices(model.code(joints={"left_eye": [0.4, 0.0, 0.0]}))
    np.testing.assert_allclose(turned[right], model.mean[right], atol=1e-4)


def test_gaze_and_coefficient_do_not_add_up(model):
    joints = {"left_eye": [np.radians(30.0), 0.0, 0.0]}
    driven = model.vertices(model.code(joints=joints))
    both = model.vertices(model.code(joints=joints, expression={"eyeLookDownLeft": 0.8}))
    np.testing.assert_allclose(both, driven, atol=1e-6)


def test_pairs_scale_with_both_coefficients(model, plain):
    first, second = model.correctives.pairs[-1]
    assert np.abs(model.correctives.pair_offsets[-1]).max() > 0.3

    def added(a: float, b: float) -> np.ndarray:
        code = model.code(expression={model.expression_names[first]: a, model.expression_names[second]: b})
        return model.vertices(code) - plain.vertices(code)

    full = added(1.0, 1.0)
    np.testing.assert_allclose(full[model.correctives.pair_rows], model.correctives.pair_offsets[-1], atol=0.01)
    np.testing.assert_allclose(added(0.5, 0.4), 0.2 * full, atol=0.01)
    assert np.abs(added(1.0, 0.0)).max() < 0.01


def test_teeth_stay_behind_the_lips_of_a_laughing_mouth(model):
    """Gums must not pierce the skin under the lower lip when the jaw is open and the lips are drawn back."""
    shapes = {"jawOpen": 0.5, "mouthSmileLeft": 1.0, "mouthSmileRight": 1.0}
    posed = model.vertices(model.code(expression=shapes))
    chin = posed[model.regions["chin"] > 0.9]
    middle = chin[np.abs(chin[:, 0]) < 12].mean(axis=0)
    pose = Rigid(rotation=np.diag([1.0, -1, -1]), translation=-np.diag([1.0, -1, -1]) @ middle + [0, 0, 1500.0])
    raster = rasterise_mesh(pose.apply(posed), model.faces, Camera(width=200, height=200, focal_px=200 * 1500 / 24))
    skin = model.parts["skin"].faces
    seen = raster.face_index[raster.covered]
    assert ((seen >= skin.start) & (seen < skin.stop)).all()
    hidden = model.regions["mouth_cavity"][model.faces[seen]].min(axis=1) > 0.5
    assert not hidden.any()
