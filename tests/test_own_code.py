"""Code of one's own by its dotted path: what is found, with which arguments, and which files decide its results."""

from __future__ import annotations

import sys

import pytest

from lib import own_code as module
from lib.errors import StudyError
from lib.own_code import modules_of, own_code


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with a helper of its own, and a lonely module beside it, in a folder on the path."""
    files = {
        "mine/__init__.py": "",
        "mine/top.py": "import json\nimport numpy\nfrom .parts import deep\nfrom mine.parts.deep import two\n"
        "def build(width=3, *, name='a'):\n    return width, name\n",
        "mine/parts/__init__.py": "",
        "mine/parts/deep.py": "def two():\n    return 2\n",
        "mine/unused.py": "raise RuntimeError('nobody imports this')\n",
        "lonely.py": "import neighbour\nclass Net:\n    class Inner:\n        pass\nnumber = 3\n",
        "neighbour.py": "from lib import errors\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(module, "_told", set())
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_what_a_path_names_is_found_with_its_arguments(package):
    found = own_code("mine.top:build(width=4, name='b, (c)')", "model")
    assert found.found(**dict(found.arguments)) == (4, "b, (c)")
    assert found.path == "mine.top:build(width=4, name='b, (c)')"
    assert own_code("mine.top:build", "model").arguments == own_code("mine.top:build()", "model").arguments == ()
    assert own_code("lonely:Net.Inner", "model").found.__name__ == "Inner"


def test_it_is_named_once(package, capsys):
    for _ in range(2):
        own_code("lonely:Net", "model")
    captured = capsys.readouterr()
    assert captured.err == f"Uses code of yours: lonely:Net, {package / 'lonely.py'}\n" and not captured.out


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("nowhere:build", "could not be imported"),
        ("mine.top:nothing", "could not be imported"),
        ("mine.unused:build", "nobody imports this"),
        ("mine.top:", "could not be imported"),
        ("lonely:number", "not a function or class"),
        ("mine.top:build(4)", "arguments of the model"),
        ("mine.top:build(width=four)", "arguments of the model"),
        ("mine.top:build(width=4", "arguments of the model"),
        ("mine.top:build(width=__import__('os').getcwd())", "arguments of the model"),
        ("mine.top:build(**{'width': 4})", "arguments of the model"),
    ],
)
def test_what_cannot_be_used_is_refused(package, path, words):
    with pytest.raises(StudyError, match=words):
        own_code(path, "model")


def test_the_files_of_its_own_package_or_folder_decide_what_it_computes(package):
    def names(path):
        return [each.__name__ for each in modules_of(own_code(path, "model").found)]

    assert names("mine.top:build") == ["mine.parts.deep", "mine.top"]
    assert names("lonely:Net") == ["lonely", "neighbour"]
    # Not of an installed package, which imports hundreds.
    assert names("torchvision.models:resnet18") == ["torchvision.models.resnet"]


def test_code_without_a_file_is_refused():
    names = {"__name__": "nowhere"}
    exec("def function(): pass", names)
    with pytest.raises(StudyError, match="lies in no file"):
        modules_of(names["function"])
