"""Check that a finished report keeps its promises: offline, accessible, complete, and true to its data."""

from __future__ import annotations

import hashlib
import json
import lzma
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

MAX_BYTES = 2_000_000
MORE_BYTES = {"08_imagenet_cascades": 5_000_000}
"""Of studies whose figures are many photographs."""
# Attributes whose address a browser fetches by itself; a link in <a> is fetched by a reader only.
LOADING = {"src", "srcset", "poster", "data", "background", "href", "xlink:href", "action", "formaction"}
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


class Element:
    """An element of the page: its tag, attributes, parent, and the text below it."""

    def __init__(self, tag: str, attributes: dict[str, str], parent: Element | None) -> None:
        self.tag = tag
        self.attributes = attributes
        self.parent = parent
        self.pieces: list[str] = []

    @property
    def text(self) -> str:
        """All text below the element."""
        return "".join(self.pieces)

    def ancestors(self) -> Iterator[Element]:
        """The element itself, the one around it, and so on outwards."""
        element: Element | None = self
        while element is not None:
            yield element
            element = element.parent

    def within(self, *tags: str) -> Element | None:
        """The nearest element around this one, itself included, that has one of the tags."""
        return next((element for element in self.ancestors() if element.tag in tags), None)


class Page(HTMLParser):
    """The elements of an HTML page, with the text each contains."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.root = Element("#root", {}, None)
        self.elements: list[Element] = []
        self.texts: list[tuple[Element, str]] = []
        self._open = self.root
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open an element."""
        element = Element(tag, {name: value or "" for name, value in attrs}, self._open)
        self.elements.append(element)
        if tag not in VOID:
            self._open = element

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that closes itself, as MathML and SVG write them."""
        before = self._open
        self.handle_starttag(tag, attrs)
        self._open = before

    def handle_endtag(self, tag: str) -> None:
        """Close the nearest open element of that tag; a stray end tag closes nothing."""
        element = self._open.within(tag)
        if element is not None and element.parent is not None:
            self._open = element.parent

    def handle_data(self, data: str) -> None:
        """Give the text to every element around it."""
        self.texts.append((self._open, data))
        for element in self._open.ancestors():
            element.pieces.append(data)

    def by_id(self, name: str) -> Element | None:
        """The element with an id."""
        return next((element for element in self.elements if element.attributes.get("id") == name), None)

    def all(self, *tags: str) -> Iterator[Element]:
        """All elements with one of the tags."""
        return (element for element in self.elements if element.tag in tags)


def check_page(html: str) -> list[str]:
    """List what is wrong with a page on its own: anything loaded or executed, pictures without words."""
    page = Page(html)
    return [
        *_policy_problems(page),
        *_loading_problems(page),
        *_picture_problems(page),
        *_link_problems(page),
        *_formula_problems(page),
    ]


def check_report(path: Path) -> list[str]:
    """List the problems of a report.

    Parameters
    ----------
    path
        The ``index.html`` of a run, or its folder.

    Returns
    -------
    list[str]
        One sentence for each problem; empty if the report is good.
    """
    folder = path if path.is_dir() else path.parent
    report = folder / "index.html"
    problems = []
    if (folder / "failed.html").exists():
        problems.append("failed.html lies beside it: the last run failed")
    if not report.exists():
        return [*problems, "index.html is missing"]
    try:
        html = report.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        return [*problems, f"index.html cannot be read ({error})"]
    problems += check_page(html)
    size = len(html.encode())
    most = MORE_BYTES.get(folder.parent.name, MAX_BYTES)
    if size > most:
        problems.append(f"index.html has {size / 1e6:.1f} MB, more than {most / 1e6:.0f} MB")
    missing = [name for name in ("results.json", "run.json", "scores.csv.xz") if not (folder / name).exists()]
    problems += [f"{name} is missing" for name in missing]
    if "results.json" not in missing:
        try:
            results = dict(json.loads((folder / "results.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            return [*problems, f"results.json cannot be read ({error})"]
        problems += _claim_problems(Page(html), results)
        if "scores.csv.xz" not in missing:
            problems += _digest_problems(folder / "scores.csv.xz", results)
    if not problems and (damaged := damaged_file(folder)):
        problems.append(f"{damaged} is damaged")
    return problems


def damaged_file(folder: Path) -> str:
    """Name the first file of a report that is lost, cannot be read, or has not the checksum its results speak of.

    Returns
    -------
    str
        The file's name in the folder; empty if all that a run has computed is there as it was written.
    """
    name = "results.json"
    try:
        results = json.loads((folder / name).read_text(encoding="utf-8"))
        for name, digest in results.get("sums", {}).items():
            if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
                return name
        name = "run.json"
        json.loads((folder / name).read_text(encoding="utf-8")).get("started")
    except (OSError, ValueError, AttributeError):
        return name
    return ""


def check_preset(preset: str, root: Path) -> list[str]:
    """List the problems of all reports of a preset and of their index, each with the file it concerns.

    Parameters
    ----------
    preset
        The folder below ``reports``.
    root
        The project's folder.
    """
    top = root / "reports" / preset
    index = top / "index.html"
    if not index.exists():
        problems = [f"{preset}/index.html is missing"]
    else:
        html = index.read_text(encoding="utf-8", errors="replace")
        problems = [f"{preset}/index.html: {problem}" for problem in check_page(html)]
        problems += [
            f"{preset}/index.html: the link to {target} leads nowhere"
            for target in _local_targets(Page(html))
            if not (top / target).exists()
        ]
    folders = sorted(path for path in top.glob("*/*") if path.is_dir() and not path.name.startswith("."))
    if not folders:
        problems.append(f"{preset} has no reports")
    for folder in folders:
        name = folder.relative_to(top.parent).as_posix()
        problems += [f"{name}: {problem}" for problem in check_report(folder)]
    if preset == "paper" and not (top / "README.md").exists():
        problems.append("paper/README.md is missing")
    return problems


def _policy_problems(page: Page) -> Iterator[str]:
    policies = [
        meta.attributes.get("content", "")
        for meta in page.all("meta")
        if meta.attributes.get("http-equiv", "").lower() == "content-security-policy"
    ]
    if not policies:
        yield "the Content-Security-Policy is missing"
        return
    directives = {words[0]: words[1:] for part in policies[0].split(";") if (words := part.split())}
    if directives.get("default-src") != ["'none'"]:
        yield "the Content-Security-Policy does not begin from default-src 'none'"
    for name, sources in directives.items():
        if name.startswith(("script-src", "connect-src", "frame-src")) and sources != ["'none'"]:
            yield f"the Content-Security-Policy opens {name}"
        if any(source not in ("'none'", "data:", "'unsafe-inline'") for source in sources):
            yield f"the Content-Security-Policy lets {name} reach further than this file"


def _loading_problems(page: Page) -> Iterator[str]:
    if any(page.all("script")):
        yield "it contains a <script>"
    for element in page.elements:
        for name, value in element.attributes.items():
            link = name == "href" and element.tag in ("a", "area")
            if name.startswith("on") or value.strip().lower().startswith("javascript:"):
                yield f"<{element.tag} {name}> runs a script"
            elif name in LOADING and not link and not value.strip().startswith(("data:", "#")):
                yield f"<{element.tag} {name}> loads {value[:80]!r}"
    styles = [element.text for element in page.all("style")]
    styles += [element.attributes.get("style", "") for element in page.elements]
    for style in styles:
        if "@import" in style.lower():
            yield "a style sheet has an @import"
        for target in re.findall(r"url\(\s*['\"]?([^'\")]*)", style, flags=re.IGNORECASE):
            if not target.startswith(("data:", "#")):
                yield f"a style sheet loads {target[:80]!r}"


def _picture_problems(page: Page) -> Iterator[str]:
    for image in page.all("img"):
        if not image.attributes.get("alt", "").strip():
            figure = image.within("figure")
            place = f"in figure {figure.attributes.get('id', '')!r}" if figure else "outside a figure"
            yield f"a picture {place} has no alt text"
    captioned = {caption.within("figure") for caption in page.all("figcaption") if caption.text.strip()}
    for figure in page.all("figure"):
        if figure not in captioned:
            yield f"the figure {figure.attributes.get('id', '')!r} has no caption"


def _link_problems(page: Page) -> Iterator[str]:
    names = [element.attributes["id"] for element in page.elements if "id" in element.attributes]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"the id {name!r} is used twice"
    targets = {link.attributes.get("href", "") for link in page.all("a")}
    for target in sorted(target for target in targets if target.startswith("#")):
        if target[1:] not in names:
            yield f"the link {target} leads nowhere"


def _formula_problems(page: Page) -> Iterator[str]:
    # LaTeX that reaches the reader: a dollar without its partner, or a formula split by a table's bar.
    quoting = ("pre", "code", "style", "script", "math")
    prose = "\n".join(text for element, text in page.texts if not element.within(*quoting))
    for command in sorted(set(re.findall(r"\\[a-zA-Z]{2,}", prose))):
        yield f"a formula is not typeset: {command} stands in the text"


def _claim_problems(page: Page, results: dict[str, Any]) -> Iterator[str]:
    for claim in results.get("claims", []):
        element = page.by_id(f"claim-{claim['id']}")
        if element is None:
            yield f"the claim {claim['id']} is not on the page"
            continue
        # Only a badge counts: the expected verdict is written in the same words.
        badges = [
            badge.text.strip()
            for badge in page.elements
            if "badge" in badge.attributes.get("class", "").split() and element in badge.ancestors()
        ]
        verdict = claim.get("verdict") or "answered"
        if not badges or not badges[0].endswith(f" {verdict}"):
            yield f"the claim {claim['id']} is shown without its verdict {verdict!r}"
        second = claim.get("second_verdict")
        if second and not any(badge.endswith(f" {second}") for badge in badges[1:]):
            yield f"the claim {claim['id']} is shown without its second verdict {second!r}"


def _digest_problems(scores: Path, results: dict[str, Any]) -> Iterator[str]:
    try:
        digest = hashlib.sha256(lzma.decompress(scores.read_bytes())).hexdigest()
    except (OSError, EOFError, lzma.LZMAError) as error:
        yield f"scores.csv.xz is damaged ({error})"
        return
    if digest != results.get("digest"):
        yield "the digest in results.json is not that of scores.csv.xz: one of them is from another run"


def _local_targets(page: Page) -> list[str]:
    targets = {link.attributes.get("href", "").partition("#")[0] for link in page.all("a")}
    return sorted(target for target in targets if target and ":" not in target)
