"""The report page as text: it is whole, asks the network for nothing, and no name can break out of it."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from cephalon.core import InputError
from cephalon.report import (
    CueRow,
    PhotoRow,
    Picture,
    ProvenanceMap,
    ReportContent,
    SigmaMap,
    report_html,
    sigma_colours,
    write_report,
)
from cephalon.report.content import SIGMA_STOPS
from cephalon.values import provenance_colours
from tests.report.content import HOSTILE, full_content, hostile_content, toy_glb
from tests.report.glb import png

VIEWER = Path(__file__).parents[2] / "builders" / "viewer"
PIXEL = png(np.zeros((1, 1, 3), np.uint8))


class Page(HTMLParser):
    """Tags, attributes and visible text of a page, as a browser's parser would take them apart."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.blocks: dict[str, list[str]] = {"script": [], "style": []}
        self._inside = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in self.blocks:
            self._inside = tag
            self.blocks[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._inside:
            self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.blocks[self._inside][-1] += data
        else:
            self.text.append(data)

    @property
    def words(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.text))


@pytest.fixture(scope="module")
def content() -> ReportContent:
    return full_content()


@pytest.fixture(scope="module")
def page(content: ReportContent) -> str:
    return report_html(content)


def test_every_section_is_there_in_order(page: str) -> None:
    ids = [attributes["id"] for tag, attributes in Page(page).tags if tag == "section" and "id" in attributes]
    assert ids == ["photos", "all-sides", "measures", "photo-table", "maps", "scale", "record"]
    assert page.index('id="canvas"') < page.index('id="photos"')


def test_nothing_refers_to_the_network(page: str) -> None:
    parsed = Page(page)
    for tag, attributes in parsed.tags:
        for name in ("src", "href", "srcset", "action", "data", "poster", "background", "formaction", "xlink:href"):
            value = attributes.get(name)
            assert value is None or value.startswith("data:"), (tag, name, value[:80])
    assert not {tag for tag, _ in parsed.tags} & {"iframe", "object", "embed", "base", "form", "audio", "video", "a"}
    assert "url(" not in parsed.blocks["style"][0]
    assert "@import" not in parsed.blocks["style"][0]
    # names of XML namespaces, which nobody fetches
    allowed = {"http://www.w3.org/1999/xhtml", "http://www.w3.org/2000/svg"}
    assert set(re.findall(r"(?:https?|wss?|ftp)://[\w./-]+", page)) <= allowed
    assert not re.search(r"[\"'(]//\w", page)


def test_the_policy_lets_only_the_pages_own_script_and_style_act(page: str) -> None:
    parsed = Page(page)
    policy = next(
        a["content"] for t, a in parsed.tags if t == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    rules = {part.split()[0]: part.split()[1:] for part in policy.split("; ")}
    assert rules["default-src"] == ["'none'"]
    assert rules["base-uri"] == rules["form-action"] == ["'none'"]
    assert not re.search("unsafe|http|\\*", policy)
    for kind, inline in (("script-src", parsed.blocks["script"][-1]), ("style-src", parsed.blocks["style"][0])):
        digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
        assert rules[kind] == [f"'sha256-{digest}'"]
    assert page.index("Content-Security-Policy") < min(page.index("<script"), page.index("<style"))
    assert not [a for _, attributes in parsed.tags for a in attributes if a.startswith("on") or a == "style"]


@pytest.mark.parametrize("bad", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_stays_text(bad: str) -> None:
    evil, tame = (Page(report_html(hostile_content(text))) for text in (bad, "tame"))
    assert [tag for tag, _ in evil.tags] == [tag for tag, _ in tame.tags]
    assert [sorted(attributes) for _, attributes in evil.tags] == [sorted(attributes) for _, attributes in tame.tags]
    assert [len(block) for block in evil.blocks["style"]] == [len(block) for block in tame.blocks["style"]]
    assert evil.blocks["script"][-1] == tame.blocks["script"][-1]
    config = json.loads(evil.blocks["script"][0])
    assert config["presets"][0]["weights"][bad] == 0.5
    if bad.isascii() and bad.isprintable():
        assert " ".join(bad.split()) in evil.words


def test_deceptive_characters_are_made_visible() -> None:
    page = report_html(hostile_content(HOSTILE[4]))
    page.encode("utf-8")
    assert not re.search("[\u202e\u0000\u0008\u2028\ufeff]", page)
    assert "cat\ufffdgpj.exe" in page


def test_size(page: str, content: ReportContent) -> None:
    assets = sum(len(block) for block in re.findall(r"(?<=base64,)[^\"]+|(?<=id=\"asset-glb\">)[^<]+", page))
    assert assets > len(content.glb)
    assert len(page.encode()) - assets < 900_000


def test_same_content_same_bytes(content: ReportContent, page: str) -> None:
    assert report_html(content) == page


def test_the_glb_comes_back_whole(content: ReportContent, page: str) -> None:
    found = re.search(r'id="asset-glb">([^<]+)<', page)
    assert found is not None
    assert base64.b64decode(found.group(1)) == content.glb


def test_the_bundle_was_made_from_the_sources_beside_it() -> None:
    if not VIEWER.is_dir():
        pytest.skip("the viewer's sources are not in this copy")
    names = sorted(["build.mjs", "package.json", *(f"src/{path.name}" for path in (VIEWER / "src").iterdir())])
    digest = hashlib.sha256()
    for name in names:
        digest.update(f"{name}\0{(VIEWER / name).read_text(encoding='utf-8')}\0".encode())
    bundle = files("cephalon.report").joinpath("viewer.min.js").read_text(encoding="utf-8")
    assert digest.hexdigest() in bundle[:500], "run  npm run build  in builders/viewer"
    assert "Permission is hereby granted" in bundle[:2000]
    assert not re.search(r"</script|<!--", bundle, re.IGNORECASE)


def test_intervals_are_the_central_ninety_per_cent() -> None:
    page = report_html(
        ReportContent(title="x", glb=toy_glb(), measures={"head breadth": (150.0, 2.0), "no sigma": (10.0, 0)})
    )
    words = Page(page).words.replace("\N{NO-BREAK SPACE}", " ")
    assert "90 %: 146.7 – 153.3" in words  # 1.6449 sd each way
    assert "known to ± 2.2 %" in words
    assert "+5 mm" in words
    assert "no sigma 10.0 –" in words
    bars = re.findall(r'<rect x="(-?[\d.]+)" y="-4" width="([\d.]+)"', page)
    assert bars == [("-65.79", "131.59"), ("-0.00", "0.00")]


def words_of(**changes: object) -> str:
    base: dict[str, object] = {"title": "x", "glb": toy_glb()}
    return Page(report_html(ReportContent(**(base | changes)))).words.replace("\N{NO-BREAK SPACE}", " ")  # pyright: ignore[reportArgumentType]


def test_status_in_plain_words() -> None:
    a, b = PhotoRow(name="a.jpg", reprojection_percent=1.2), PhotoRow(name="b.jpg", reprojection_percent=1.6)
    assert "Converged The fit converged on 1 photo." in words_of(photos=(a,))
    agreeing = words_of(photos=(a, b))
    assert "The fit converged on 2 photos, and they agree with each other." in agreeing
    assert "within 1.4 % of the outer eye distance" in agreeing
    assert "rests on what heads usually measure" in agreeing
    odd = words_of(photos=(a, dataclasses.replace(b, status="disagrees", reason="the nose is too wide.")))
    assert (
        "Look closer The fit converged on 2 photos. Photo 2 ( b.jpg ) disagrees with the rest: the nose is too wide."
        in odd
    )
    out = words_of(photos=(a, dataclasses.replace(b, status="left out", reason="no face")))
    assert "Converged The fit converged on 1 photo. Photo 2 ( b.jpg ) was left out: no face." in out
    assert "fits poorly: blurred." in words_of(photos=(a, dataclasses.replace(b, status="poor", reason="blurred")))
    stuck = words_of(status="not converged", reason="40 steps were not enough", photos=(a,))
    assert "Not converged The fit did not converge: 40 steps were not enough. Take its numbers with care." in stuck
    assert "drawn from the model and is nobody in particular." in words_of(status="sampled")
    cues = tuple(CueRow(name=name, value=11.7, sigma=0.5, fitted=11.9) for name in ("the iris", "an age", "a ruler"))
    assert "rests on the iris, an age and a ruler." in words_of(photos=(a,), cues=cues)


def test_a_page_of_nothing_but_a_head() -> None:
    page = report_html(ReportContent(title="x", glb=toy_glb(), status="sampled"))
    assert 'value="clay"' in page
    assert 'value="sigma"' not in page
    assert 'value="provenance"' not in page
    assert 'id="photos"' not in page


def test_maps_have_the_colours_of_their_legends() -> None:
    low, middle, high = sigma_colours(np.array([-5.0, 1.0, 9.0]), 0.0, 2.0).tolist()
    assert (tuple(low), tuple(middle), tuple(high)) == (SIGMA_STOPS[0], SIGMA_STOPS[2], SIGMA_STOPS[4])
    names = ("outside", "photo 1", "photo 2", "mirrored", "completed")
    assert len(set(provenance_colours(names))) == 5
    codes = np.array([[0, 1, 1, 2], [3, 4, 4, 4]], np.uint8)
    sources = {name: share for name, _, share in ProvenanceMap.of_codes(codes, names).sources}
    assert sources == {"photo 1": 2 / 7, "photo 2": 1 / 7, "mirrored": 1 / 7, "completed": 3 / 7}
    with pytest.raises(InputError, match="code 4 has no name"):
        ProvenanceMap.of_codes(codes, names[:4])


def test_sigma_outside_the_chart_continues_the_skin() -> None:
    from io import BytesIO

    from PIL import Image

    sigma, inside = np.full((8, 8), np.nan), np.zeros((8, 8), bool)
    sigma[:, :4], inside[:, :4] = np.arange(4.0), True
    made = SigmaMap.of_uv(sigma, inside, low_mm=0, high_mm=3)
    assert made.png is not None
    picture = np.asarray(Image.open(BytesIO(made.png)))
    assert (picture[:, 4:] == picture[:, 3:4]).all()
    assert tuple(picture[0, 3]) == SIGMA_STOPS[-1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"glb": b"no glb at all, but long"}, "expected a binary glTF"),
        ({"glb": toy_glb()[:-4]}, "damaged"),
        ({"glb": toy_glb().replace(b'"mimeType": "image/png"', b'"uri":"//evil.org/a.jp"')}, "points to another file"),
        ({"measures": {"head breadth": (float("nan"), 1.0)}}, "measure 'head breadth': expected a finite number"),
        ({"measures": {"head breadth": (150.0, -1.0)}}, "expected a finite number >= 0"),
        ({"highlights": ("head breadth",)}, "none of the measures"),
        ({"status": "fine"}, "expected 'converged', 'not converged' or 'sampled'"),
    ],
)
def test_wrong_content_is_refused(changes: dict[str, object], message: str) -> None:
    base: dict[str, object] = {"title": "x", "glb": toy_glb()}
    with pytest.raises(InputError, match=re.escape(message)):
        ReportContent(**(base | changes))  # pyright: ignore[reportArgumentType]


def test_wrong_rows_are_refused() -> None:
    svg = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"
    with pytest.raises(InputError, match="expected the bytes of a PNG, JPEG or WebP"):
        PhotoRow(name="a.svg", image=svg)
    with pytest.raises(InputError, match="expected the bytes of a PNG, JPEG or WebP"):
        Picture(label="front", image=b"")
    with pytest.raises(InputError, match="distance_mm"):
        PhotoRow(name="a.jpg", distance_mm=-1)
    with pytest.raises(InputError, match="camera_position_mm"):
        PhotoRow(name="a.jpg", camera_position_mm=(0, 0, 0))
    with pytest.raises(InputError, match="either a picture or colours per vertex"):
        SigmaMap(low_mm=0, high_mm=1)
    with pytest.raises(InputError, match="high_mm"):
        SigmaMap(low_mm=2, high_mm=1, png=PIXEL)


def test_write_to_a_folder_and_to_a_file(tmp_path: Path, content: ReportContent, page: str) -> None:
    assert write_report(tmp_path, content=content) == tmp_path / "report.html"
    named = write_report(tmp_path / "b.html", content=content)
    assert named.read_bytes() == (tmp_path / "report.html").read_bytes() == page.encode()
    with pytest.raises(InputError, match="cannot write"):
        write_report(tmp_path / "missing" / "folder", content=content)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.html", "report.html"]
