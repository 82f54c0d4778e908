"""The page in the package is what its sources make, holds nothing that runs text, and stays small."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import trainwright.lab

STATIC = Path(trainwright.lab.__file__).parent / "static"
WEB = Path(__file__).parents[2] / "web"
MANIFEST = json.loads((STATIC / "manifest.json").read_text(encoding="utf-8"))
LARGEST = 120 * 1024


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_every_file_of_the_page_is_the_one_in_the_manifest() -> None:
    found = {path.name: sha256(path) for path in STATIC.iterdir() if path.name != "manifest.json"}
    assert found == MANIFEST["files"]
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    assert all(name in page for name in found if name.startswith("lab-"))


def test_the_sources_are_those_that_the_page_was_built_from() -> None:
    own = [WEB / name for name in ("build.mjs", "package.json", "package-lock.json", "tsconfig.json")]
    found = {str(path.relative_to(WEB)): sha256(path) for path in [*own, *(WEB / "src").rglob("*")] if path.is_file()}
    assert found == MANIFEST["sources"], "run `make web` and commit what it builds"


def test_what_the_page_loads_stays_below_120_kilobytes_compressed() -> None:
    loaded = [path for path in STATIC.iterdir() if path.suffix in (".js", ".css", ".html", ".svg")]
    assert sum(len(gzip.compress(path.read_bytes(), 9)) for path in loaded) <= LARGEST


@pytest.mark.parametrize(
    "pattern",
    [
        r"\.innerHTML",
        r"\.outerHTML",
        r"insertAdjacentHTML",
        r"dangerouslySetInnerHTML",
        r"document\.write",
        r"\beval\(",
        r"new Function\(",
        r"srcdoc",
        r"https?://(?!www\.w3\.org)",
    ],
)
def test_no_source_makes_markup_from_text_or_names_another_machine(pattern: str) -> None:
    for path in [*(WEB / "src").rglob("*.ts*"), WEB / "src" / "index.html", WEB / "src" / "style.css"]:
        assert not re.search(pattern, path.read_text(encoding="utf-8")), path.name


def test_the_page_has_no_script_or_style_of_its_own_in_its_markup() -> None:
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=", page)


def test_licences_of_all_that_is_bundled_are_shipped() -> None:
    text = (STATIC / "LICENSES.txt").read_text(encoding="utf-8")
    for name in ("preact", "@preact/signals", "@preact/signals-core", "uplot"):
        assert f"\n{name} " in text


def test_a_rebuild_gives_the_same_bytes(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None or not (WEB / "node_modules" / "esbuild").is_dir():
        pytest.skip("no node, or `npm ci` was not run in web/")
    subprocess.run([node, "build.mjs", str(tmp_path / "made")], cwd=WEB, check=True, capture_output=True)
    made = {path.name: sha256(path) for path in (tmp_path / "made").iterdir()}
    assert made == {path.name: sha256(path) for path in STATIC.iterdir()}
