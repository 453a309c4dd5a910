"""Views map pixels to the photo and back without a shift."""

from __future__ import annotations

import numpy as np
import pytest

from cephalon.observe.views import View

WIDTH, HEIGHT = 600, 500
# Centres of red, green and blue spots, px.
SPOTS = np.array([[250.0, 200.0], [360.0, 230.0], [300.0, 310.0]])
WINDOWS = [
    {"side": 250.0, "size": 256},
    {"side": 400.0, "size": 128},
    {"side": 300.0, "size": 200, "angle_deg": 30.0},
    {"side": 320.0, "size": 200, "angle_deg": -120.0, "flipped": True},
    {"side": 900.0, "size": 300, "flipped": True},
]


def spots(spread: float = 9.0) -> np.ndarray:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    layers = [np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * spread**2)) for x, y in SPOTS]
    return (250 * np.stack(layers, axis=-1)).round().astype(np.uint8)


def spots_seen(rgb: np.ndarray) -> np.ndarray:
    """(3, 2) px: where the spots are in a view (the fill colour lies under the threshold)."""
    weight = np.clip(rgb.astype(float) - 130, 0, None)
    rows, columns = np.mgrid[: rgb.shape[0], : rgb.shape[1]] + 0.5
    return (
        np.stack([(weight * at[..., None]).sum((0, 1)) for at in (columns, rows)], axis=-1)
        / weight.sum((0, 1))[:, None]
    )


@pytest.mark.parametrize("options", WINDOWS)
def test_window_shows_what_it_says(options):
    view = View.of_window(np.array([310.0, 240.0]), **options)
    rgb = view.render(spots())
    assert rgb.shape == (options["size"], options["size"], 3)
    assert rgb.dtype == np.uint8
    np.testing.assert_allclose(view.to_photo(spots_seen(rgb)), SPOTS, atol=0.1)
    assert view.flipped == options.get("flipped", False)
    assert view.scale == pytest.approx(options["side"] / options["size"])
    np.testing.assert_allclose(view.to_photo(np.array([options["size"] / 2] * 2)), [310, 240])


def test_turned_content_stands_upright_in_the_view():
    """The line from the first to the second spot falls by 15.3 degrees to the right: taken back, it is level."""
    line = SPOTS[1] - SPOTS[0]
    angle = float(np.degrees(np.arctan2(line[1], line[0])))
    seen = spots_seen(View.of_window(np.array([300.0, 250.0]), 300.0, size=300, angle_deg=angle).render(spots()))
    assert seen[0, 1] == pytest.approx(seen[1, 1], abs=0.1)
    assert seen[0, 0] < seen[1, 0]


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("longest", [1000, 150])
def test_box_turned_by_quarters(turns, longest):
    view = View.of_box((200.0, 150.0, 420.0, 350.0), longest=longest, quarter_turns=turns)
    assert max(view.size) == min(220, longest)
    np.testing.assert_allclose(view.to_photo(spots_seen(view.render(spots()))), SPOTS, atol=0.5)
    # A face that is turned clockwise by that many quarters is upright in the view: its "up" becomes up.
    up_in_photo = {0: (0, -1), 1: (1, 0), 2: (0, 1), 3: (-1, 0)}[turns]
    np.testing.assert_allclose(view.photo_from_view[:, :2] @ [0, -1] / view.scale, up_in_photo, atol=1e-9)


def test_view_within_another():
    base = View.of_box((40.0, 30.0, 500.0, 480.0), longest=230)
    view = View.of_window(np.array([300.0, 250.0]), 280.0, size=160, angle_deg=12.0, flipped=True)
    points = np.array([[0.0, 0.0], [100.0, 30.0], [50.0, 90.0]])
    np.testing.assert_allclose(base.to_photo(view.within(base).to_photo(points)), view.to_photo(points), atol=1e-9)
    seen = spots_seen(view.within(base).render(base.render(spots())))
    np.testing.assert_allclose(view.to_photo(seen), SPOTS, atol=0.2)


def test_outside_is_filled_with_one_colour():
    photo = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    beyond = View.of_window(np.array([5000.0, 5000.0]), 100.0, size=32).render(photo)
    assert len(np.unique(beyond.reshape(-1, 3), axis=0)) == 1
    corner = View.of_window(np.array([0.0, 0.0]), 100.0, size=50).render(photo)
    np.testing.assert_array_equal(corner[:20, :20], np.broadcast_to(beyond[0, 0], (20, 20, 3)))
    assert (corner[30:, 30:] >= 254).all()


def test_fine_detail_is_smoothed_before_reduction():
    checks = np.indices((400, 400)).sum(0) % 2 * 255
    rgb = np.repeat(checks[..., None], 3, axis=2).astype(np.uint8)
    seen = View.of_box((0.0, 0.0, 400.0, 400.0), longest=97).render(rgb)
    assert np.abs(seen[5:-5, 5:-5].astype(int) - 127).max() < 12
