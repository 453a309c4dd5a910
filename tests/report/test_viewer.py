"""The report page in a real browser: it shows a head, and its switches and sliders do what they say."""

from __future__ import annotations

import dataclasses
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cephalon.report import SigmaMap, write_report
from cephalon.values import provenance_colours
from tests.report.browser import Browser, find_chrome
from tests.report.content import HOSTILE, full_content, hostile_content

CHROME = find_chrome()
pytestmark = [
    pytest.mark.skipif(CHROME is None, reason="no Chromium or Chrome on the PATH (or in CEPHALON_CHROME)"),
    pytest.mark.skipif(os.name != "posix", reason="the browser is driven through POSIX pipes"),
]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # a name with everything that a path in an address has to survive
    return write_report(tmp_path_factory.mktemp("re port #1 ü"), content=full_content())


@pytest.fixture(scope="module")
def session() -> Iterator[Browser]:
    assert CHROME is not None
    with Browser(CHROME) as browser:
        yield browser


@pytest.fixture
def browser(session: Browser) -> Browser:
    session.window(900, 700)
    return session


def picture(browser: Browser) -> np.ndarray:
    """The canvas alone, without what lies over it, as (h, w, 3) int."""
    browser.evaluate(
        "for (const e of document.querySelectorAll('.surfaces, .bar, .stage-legend')) e.style.visibility = 'hidden'"
    )
    shot = Image.open(io.BytesIO(browser.screenshot("#stage"))).convert("RGB")
    return np.asarray(shot).astype(int)


def changed(a: np.ndarray, b: np.ndarray, least: int = 12) -> float:
    """Share of pixels that differ."""
    return float((np.abs(a - b).max(-1) > least).mean())


def head_pixels(browser: Browser) -> np.ndarray:
    """(h, w) True where the canvas covers the background."""
    with_head = picture(browser)
    browser.evaluate("document.getElementById('canvas').style.visibility = 'hidden'")
    without = picture(browser)
    browser.evaluate("document.getElementById('canvas').style.visibility = ''")
    return np.abs(with_head - without).max(-1) > 4


def test_the_canvas_shows_a_head(browser: Browser, page: Path) -> None:
    browser.open(page, "view=front")
    covered = head_pixels(browser)
    assert 0.15 < covered.mean() < 0.6
    rows, columns = np.nonzero(covered)
    height, width = covered.shape
    assert abs(columns.mean() / width - 0.5) < 0.02
    assert 0.3 < rows.mean() / height < 0.6
    skin = picture(browser)[covered]
    red, green, blue = skin.mean(0)
    assert red > green > blue
    assert skin.std(0).min() > 8  # it is shaded, no flat patch
    assert browser.problems == []
    assert [url for url in browser.requests if not url.startswith(("data:", "blob:", "file:"))] == []
    assert [url for url in browser.requests if url.startswith("file:")] == [url for url in browser.requests[:1]]


def test_jaw_open_changes_the_picture_below_the_nose(browser: Browser, page: Path) -> None:
    browser.open(page, "view=left")
    closed = picture(browser)
    browser.go("view=left&morph=jawOpen:1")
    opened = picture(browser)
    rows = np.nonzero((np.abs(closed - opened).max(-1) > 12).any(1))[0]
    assert changed(closed, opened) > 0.02
    assert rows.min() > 0.4 * len(closed)


def test_a_new_address_counts_though_a_pending_write_replaces_it(browser: Browser, page: Path) -> None:
    browser.open(page, "view=left")
    closed = picture(browser)
    browser.evaluate(
        "new Promise((done) => { addEventListener('hashchange', done, { once: true });"
        " location.hash = '#view=left&morph=jawOpen:1'; history.replaceState(null, '', '#view=left'); }).then(() => 0)"
    )
    browser.settle()
    assert changed(closed, picture(browser)) > 0.02


def test_a_slider_moves_the_jaw_as_the_address_does(browser: Browser, page: Path) -> None:
    browser.open(page, "view=left&morph=jawOpen:1")
    by_address = picture(browser)
    browser.open(page, "view=left")
    closed = picture(browser)
    browser.evaluate(
        """(() => {
        const search = document.querySelector('#panel input[type=search]');
        search.value = 'jaw op';
        search.dispatchEvent(new Event('input'));
        const shown = [...document.querySelectorAll('#panel .slider')].filter((row) => row.offsetParent);
        const wanted = shown.filter((row) => row.title === 'jawOpen');
        if (wanted.length !== 1 || shown.some((row) => row.title && row !== wanted[0])) throw new Error('search');
        wanted[0].querySelector('input').focus();
        })()"""
    )
    for _ in range(2):
        for kind in ("keyDown", "keyUp"):
            browser.call("Input.dispatchKeyEvent", type=kind, key="End", code="End", windowsVirtualKeyCode=35)
    browser.settle()
    assert browser.evaluate("document.activeElement.value") == "1"
    assert changed(closed, picture(browser)) > 0.02
    assert changed(by_address, picture(browser)) < 0.002
    browser.evaluate("document.querySelector('#panel .tools .plain').click()")
    browser.settle()
    assert changed(closed, picture(browser)) < 0.002


def test_left_and_right_move_together_until_they_are_unlinked(browser: Browser, page: Path) -> None:
    browser.open(page)
    move = """((name) => {
        const row = [...document.querySelectorAll('#panel .slider')].find((one) => one.title === name);
        const input = row.querySelector('input');
        input.value = '0.5';
        input.dispatchEvent(new Event('input'));
        const at = (title) => document.querySelector(`#panel [title=${title}] input`).value;
        return [at('mouthSmileLeft'), at('mouthSmileRight')];
        })"""
    assert browser.evaluate(f"{move}('mouthSmileLeft')") == ["0.5", "0.5"]
    browser.evaluate("document.querySelector('#panel .tools .plain').click()")
    browser.evaluate("document.getElementById('link-sides').click()")
    assert browser.evaluate(f"{move}('mouthSmileLeft')") == ["0.5", "0"]
    # where a shape goes to is no side of the face
    assert browser.evaluate("document.querySelector('#panel [title=jawLeft] label').textContent") == "Jaw left"


def test_switches_paint_the_skin(browser: Browser, page: Path) -> None:
    browser.open(page, "view=back")
    seen = {}
    for surface in ("albedo", "clay", "sigma", "provenance"):
        browser.evaluate(f"document.querySelector('input[name=surface][value={surface}]').click()")
        browser.settle()
        seen[surface] = picture(browser)
        shown = "[...document.querySelectorAll('.stage-legend')].filter((e) => !e.hidden).map((e) => e.dataset.surface)"
        assert browser.evaluate(shown) == ([surface] if surface in ("sigma", "provenance") else [])
    names = list(seen)
    for at, one in enumerate(names):
        for other in names[at + 1 :]:
            assert changed(seen[one], seen[other]) > 0.1, (one, other)
    red, _, blue = seen["clay"][seen["clay"].shape[0] // 2, seen["clay"].shape[1] // 2]
    assert 0 < red - blue < 40


def test_maps_lie_on_the_skin_as_the_texture_does(browser: Browser, page: Path) -> None:
    # the toy head's texture has u = 0.5 in front and grows to the person's left; the map's left half is photo 1
    photo, completed = (np.array(rgb) for rgb in provenance_colours(("photo 1", "completed")))
    for view, colour in (("right", photo), ("left", completed)):
        browser.open(page, f"map=provenance&view={view}")
        middle = picture(browser)
        height, width, _ = middle.shape
        found = middle[height // 2 - 20 : height // 2 + 20, width // 2 - 20 : width // 2 + 20].reshape(-1, 3).mean(0)
        assert np.abs(found - colour).max() < 16, view


def test_colours_per_vertex(browser: Browser, tmp_path: Path) -> None:
    content = full_content()
    document = json.loads(content.glb[20 : 20 + int.from_bytes(content.glb[12:16], "little")])
    skin = document["meshes"][0]["primitives"][0]
    count = document["accessors"][skin["attributes"]["POSITION"]]["count"]
    sigma = SigmaMap.of_vertices(np.full(count, 2.0), low_mm=0, high_mm=2)
    page = write_report(tmp_path, content=dataclasses.replace(content, sigma=sigma))
    browser.open(page, "map=sigma&view=back")
    middle = picture(browser)
    found = middle[middle.shape[0] // 2, middle.shape[1] // 2]
    assert np.abs(found - np.array(sigma.stops[-1])).max() < 16
    assert browser.problems == []


def test_views_joints_and_gaze(browser: Browser, page: Path) -> None:
    browser.open(page, "view=front")
    front = picture(browser)
    browser.evaluate("document.querySelector('button[data-view=profile]').click()")
    browser.settle()
    assert (
        browser.evaluate("document.querySelector('button[data-view=profile]').getAttribute('aria-pressed')") == "true"
    )
    assert changed(front, picture(browser)) > 0.05
    browser.go("view=front&joint=head:0:30:0")
    assert changed(front, picture(browser)) > 0.03
    browser.go("view=front&gaze=25:0")
    moved = np.abs(front - picture(browser)).max(-1) > 12
    assert 0.0005 < moved.mean() < 0.03  # the eyes and nothing else
    browser.go("view=photo1")
    assert changed(front, picture(browser)) > 0.05
    browser.go("view=nonsense&map=nonsense&morph=jawOpen:many,:,x&joint=head:1&gaze=a:b&zoom=&light=NaN")
    assert browser.problems == []
    assert (
        browser.evaluate("document.querySelector('button[data-view=threequarter]').getAttribute('aria-pressed')")
        == "true"
    )


def test_the_address_follows_what_is_shown(browser: Browser, page: Path) -> None:
    browser.open(page, "view=front")
    browser.evaluate("document.querySelector('input[name=surface][value=clay]').click()")
    browser.evaluate("[...document.querySelectorAll('.chip')].find((e) => e.textContent === 'Open jaw').click()")
    browser.evaluate("new Promise((done) => setTimeout(done, 700))")
    assert browser.evaluate("location.hash") == "#view=front&map=clay&morph=jawOpen:0.8"


def test_keyboard_turns_the_head(browser: Browser, page: Path) -> None:
    browser.open(page, "view=front")
    front = picture(browser)
    browser.evaluate("document.getElementById('canvas').focus()")
    for _ in range(3):
        for kind in ("keyDown", "keyUp"):
            browser.call(
                "Input.dispatchKeyEvent", type=kind, key="ArrowRight", code="ArrowRight", windowsVirtualKeyCode=39
            )
    browser.settle()
    assert changed(front, picture(browser)) > 0.03


def test_photo_modes_and_pictures_at_full_size(browser: Browser, page: Path) -> None:
    browser.open(page)
    count = "[...document.querySelectorAll('#photos img')].filter((e) => e.offsetParent).length"
    assert browser.evaluate(count) == 4
    browser.evaluate("document.querySelector('input[name=photo-mode][value=overlay]').click()")
    assert browser.evaluate(count) == 2
    browser.evaluate("document.querySelector('#photos .overlay').click()")
    assert browser.evaluate("document.getElementById('lightbox').open") is True
    browser.evaluate("document.querySelector('#lightbox button').click()")
    assert browser.evaluate("document.getElementById('lightbox').open") is False
    assert browser.problems == []


@pytest.mark.parametrize(("width", "dark"), [(360, False), (390, True), (820, False), (1600, True)])
def test_nothing_sticks_out_at_any_width(browser: Browser, page: Path, width: int, dark: bool) -> None:
    browser.window(width, 800, dark=dark, phone=width < 500)
    browser.open(page)
    assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
    luma = browser.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert (sum(luma) < 120) is dark
    assert head_pixels(browser).mean() > 0.1


def test_every_control_has_a_name(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.evaluate("document.querySelectorAll('details').forEach((fold) => (fold.open = true))")
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    roles = {"button", "slider", "radio", "checkbox", "searchbox", "image", "region", "application", "group"}
    nameless = [
        node["role"]["value"]
        for node in nodes
        if not node["ignored"]
        and node["role"]["value"] in roles - {"group"}
        and not node["name"].get("value", "").strip()
    ]
    assert nameless == []
    assert sum(node["role"]["value"] == "slider" for node in nodes if not node["ignored"]) >= 15


def test_without_webgl_there_are_words_and_pictures(browser: Browser, page: Path) -> None:
    block = "HTMLCanvasElement.prototype.getContext = () => null"
    script = browser.call("Page.addScriptToEvaluateOnNewDocument", source=block)["identifier"]
    try:
        browser.open(page, wait_for="unavailable")
        assert "WebGL is missing" in browser.evaluate("document.getElementById('stage-note').innerText")
        assert browser.evaluate("document.querySelector('.strip img').getBoundingClientRect().width") > 50
        assert browser.evaluate("document.getElementById('panel').offsetParent === null")
        assert browser.problems == []
    finally:
        browser.call("Page.removeScriptToEvaluateOnNewDocument", identifier=script)


def test_a_broken_head_is_told_not_hidden(browser: Browser, tmp_path: Path) -> None:
    content = full_content()
    page = write_report(tmp_path, content=content)
    text = page.read_text(encoding="utf-8")
    start = text.index('id="asset-glb">') + len('id="asset-glb">')
    page.write_text(text[:start] + "AAAA" + text[start + 4 :], encoding="utf-8")
    with pytest.raises(AssertionError, match="could not be started"):
        browser.open(page)


def test_hostile_names_do_nothing(browser: Browser, tmp_path: Path) -> None:
    for at, bad in enumerate((" ".join(HOSTILE[:-1]), HOSTILE[-1])):
        page = write_report(tmp_path / f"{at}.html", content=hostile_content(bad))
        dialogs = "window.alert = () => { window.pwned = true; }"
        script = browser.call("Page.addScriptToEvaluateOnNewDocument", source=dialogs)["identifier"]
        browser.open(page)
        browser.call("Page.removeScriptToEvaluateOnNewDocument", identifier=script)
        assert browser.evaluate("window.pwned === undefined")
        assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert browser.problems == []
