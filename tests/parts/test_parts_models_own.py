from __future__ import annotations

import os
import random
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from trainwright.errors import ModelError, TrainwrightError, UsageError
from trainwright.parts import models
from trainwright.parts.own_model import from_factory, is_factory
from trainwright.records import DataShape

SHAPE = DataShape(input_shape=(1, 8, 8), outputs=10, task="classification")
HEAD = "from torch import nn\nfrom trainwright.records import DataShape\n"

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes a module into a folder of recipes; the current folder is an empty one beside it."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    modules, path = set(sys.modules), list(sys.path)

    def write_module(code: str, name: str = "ownnet.py", folder: str = "recipes") -> Path:
        file = tmp_path / folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(HEAD + textwrap.dedent(code))
        return tmp_path / folder

    yield write_module
    assert sys.path == path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def make(folder: Path | None, reference: str = "ownnet:build", shape: DataShape = SHAPE, **options: Any) -> Any:
    return from_factory(reference, shape, options, folder=None if folder is None else str(folder))


def refusal(kind: type[TrainwrightError], folder: Path | None, reference: str = "ownnet:build", **options: Any) -> Any:
    with pytest.raises(kind) as caught:
        make(folder, reference, **options)
    return caught.value


def line_of(folder: Path, code: str, name: str = "ownnet.py") -> str:
    lines = (folder / name).read_text().splitlines()
    return f"{folder / name}:{1 + next(place for place, line in enumerate(lines) if code in line)}"


def test_a_colon_tells_a_factory_from_a_built_in_name() -> None:
    assert is_factory("package.module:build")
    assert not any(is_factory(name) for name in [*models.CATALOGUE, "auto", "package.module"])


@pytest.mark.parametrize(
    ("head", "seen"),
    [
        ("def build(shape, **options)", (SHAPE, {"width": 3, "deep": True})),
        ("def build(shape: DataShape, width, deep=False)", (SHAPE, 3, True)),
        ("def build(whatever, width=1, *, deep)", (SHAPE, 3, True)),
        ("def build(whatever: 'DataShape', /, width=1, deep=0)", (SHAPE, 3, True)),
        ("def build(outputs, input_shape, width, deep)", (10, (1, 8, 8), 3, True)),
        ("def build(width, deep, task='regression', outputs=2)", (3, True, "classification", 10)),
        ("def build(deep, width, seven=7)", (True, 3, 7)),
        ("def build(**options)", ({"width": 3, "deep": True},)),
        ("def build(*all, **options)", ((SHAPE,), {"width": 3, "deep": True})),
        ("def build(*, shape, width, deep)", (SHAPE, 3, True)),
    ],
)
def test_a_factory_gets_what_its_parameters_are_called(write: Write, head: str, seen: tuple[Any, ...]) -> None:
    folder = write(f"""
        {head}:
            seen = tuple(locals().values())
            model = nn.Linear(2, 2)
            model.seen = seen
            return model
    """)
    assert make(folder, width=3, deep=True).seen == seen


def test_a_factory_without_parameters_is_called_without(write: Write) -> None:
    assert isinstance(make(write("def build(): return nn.Linear(64, 10)")), nn.Linear)


def test_a_class_is_a_factory_too_and_so_is_a_function_of_a_class(write: Write) -> None:
    folder = write("""
        class Net(nn.Module):
            def __init__(self, input_shape, outputs, width=5):
                super().__init__()
                self.layer, self.width = nn.Linear(input_shape[-1], outputs), width

            @classmethod
            def small(cls, shape):
                return cls(shape.input_shape, shape.outputs, 1)
    """)
    assert make(folder, "ownnet:Net").width == 5
    assert make(folder, "ownnet:Net", width=7).layer.weight.shape == (10, 8)
    assert make(folder, "ownnet:Net.small").width == 1


def test_the_vocabulary_is_given_where_samples_are_tokens(write: Write) -> None:
    folder = write("def build(vocabulary=None): return nn.Embedding(vocabulary or 1, 2)")
    tokens = DataShape(input_shape=(6,), outputs=11, task="classification", vocabulary=11)
    assert make(folder, shape=tokens).num_embeddings == 11
    assert make(folder).num_embeddings == 1


def test_modules_come_from_the_recipe_s_folder_then_from_the_current_one(write: Write) -> None:
    write("def build(): return nn.Tanh()", folder="elsewhere")
    assert isinstance(make(None), nn.Tanh)
    folder = write("def build(): return nn.ReLU()")
    assert isinstance(make(folder), nn.ReLU)


def test_packages_their_neighbours_and_imports_within_the_factory_are_found(write: Write) -> None:
    write("WIDTH = 3", name="sizes.py")
    write("def act(): return nn.Tanh()", name="nets/blocks.py")
    folder = write(
        """
        from .blocks import act
        def build():
            from sizes import WIDTH
            return nn.Sequential(nn.Linear(64, WIDTH), act())
        """,
        name="nets/own.py",
    )
    assert [type(part) for part in make(folder, "nets.own:build").children()] == [nn.Linear, nn.Tanh]


@pytest.mark.parametrize("name", ["ownnet.py", "nets/own.py"])
def test_a_module_of_the_same_name_in_another_folder_is_another_module(write: Write, name: str) -> None:
    reference = "ownnet:build" if name == "ownnet.py" else "nets.own:build"
    first = write("def build(): return nn.ReLU()", name=name, folder="first")
    second = write("def build(): return nn.Tanh()", name=name, folder="second")
    kinds = [type(make(folder, reference)) for folder in (first, second, first)]
    assert kinds == [nn.ReLU, nn.Tanh, nn.ReLU]


def test_installed_modules_need_no_folder() -> None:
    assert isinstance(make(None, "torch.nn:Identity"), nn.Identity)
    model = from_factory("torch.nn:Linear", SHAPE, {"in_features": 3, "out_features": 2}, folder=None)
    assert model.get_parameter("weight").shape == (2, 3)


@pytest.mark.parametrize("name", ["random", "torch"])
def test_a_file_that_would_hide_one_of_python_s_modules_is_refused(write: Write, name: str) -> None:
    folder = write("def build(): return nn.ReLU()", name=f"{name}.py")
    error = refusal(UsageError, folder, f"{name}:build")
    assert f"the module '{name}' has the name" in error.what
    assert str(folder / f"{name}.py") in error.evidence
    assert sys.modules["random"] is random


def test_a_missing_module_is_told_with_the_nearest_file_and_the_folders(write: Write) -> None:
    folder = write("def build(): return nn.ReLU()")
    error = refusal(UsageError, folder, "ownet:build")
    assert error.what == "there is no module 'ownet'"
    assert str(folder) in error.evidence
    assert error.remedy == "did you mean 'ownnet'?"


def test_a_missing_module_of_a_package_is_told_with_the_nearest_in_the_package(write: Write) -> None:
    write("", name="nets/__init__.py")
    folder = write("def build(): return nn.ReLU()", name="nets/residual.py")
    error = refusal(UsageError, folder, "nets.resdual:build")
    assert error.what == "there is no module 'nets.resdual'"
    assert error.remedy == "did you mean 'residual'?"


def test_a_module_that_misses_another_is_told_apart_from_a_missing_module(write: Write) -> None:
    folder = write("import surely_not_installed")
    error = refusal(ModelError, folder)
    assert error.what == "the module 'ownnet' cannot be imported"
    assert "surely_not_installed" in error.evidence
    assert error.evidence.startswith(line_of(folder, "import surely"))


@pytest.mark.parametrize(
    ("code", "words"),
    [("1 / 0  # here", "ZeroDivisionError: division by zero"), ("raise SystemExit(2)  # here", "SystemExit: 2")],
)
def test_a_module_that_fails_is_told_with_file_and_line(write: Write, code: str, words: str) -> None:
    folder = write(f"x = 1\n{code}")
    assert refusal(ModelError, folder).evidence == f"{line_of(folder, '# here')}: {words}"


def test_a_syntax_error_is_told_with_file_and_line(write: Write) -> None:
    folder = write("def build(:\n    pass")
    evidence = refusal(ModelError, folder).evidence
    assert evidence.startswith(f"{line_of(folder, 'def build(:')}: SyntaxError")


@pytest.mark.parametrize("reference", ["ownnet.py:build", "./nets/ownnet.py:build", ":build", "own net:build"])
def test_what_is_no_module_s_name_is_refused_with_how_to_write_it(write: Write, reference: str) -> None:
    error = refusal(UsageError, write(""), reference)
    assert "is not the name of a module" in error.what
    assert ("'ownnet:build'" if "ownnet" in reference else "'net:build'") in error.remedy


def test_a_missing_factory_is_told_with_the_nearest_name(write: Write) -> None:
    folder = write("def build_net(): return nn.ReLU()")
    error = refusal(UsageError, folder, "ownnet:build_nett")
    assert error.what == "the module 'ownnet' has no 'build_nett'"
    assert error.remedy == "did you mean 'build_net'?"
    assert str(folder / "ownnet.py") in error.evidence


@pytest.mark.parametrize(("code", "kind"), [("build = nn.Linear(2, 2)", "a finished network"), ("build = 3", "a int")])
def test_what_cannot_make_a_network_is_refused(write: Write, code: str, kind: str) -> None:
    error = refusal(UsageError, write(code))
    assert error.what == "ownnet:build is no factory"
    assert kind in error.evidence


@pytest.mark.parametrize(
    ("made", "told"), [("[1]", "returned a list"), ("nn.ReLU", "the class ReLU"), ("None", "None")]
)
def test_what_is_no_network_is_refused(write: Write, made: str, told: str) -> None:
    error = refusal(ModelError, write(f"def build(shape): return {made}"))
    assert error.what == "the factory ownnet:build made no torch.nn.Module"
    assert told in error.evidence


def test_a_factory_that_fails_is_told_with_its_own_file_and_line(write: Write) -> None:
    folder = write("""
        def layer(size):
            return nn.Linear(size, -1)  # here

        def build(shape):
            return nn.Sequential(nn.Flatten(), layer(64))
    """)
    error = refusal(ModelError, folder)
    assert error.what == "the factory ownnet:build failed"
    assert error.evidence.startswith(f"{line_of(folder, '# here')}: RuntimeError: ")
    assert isinstance(error.__cause__, RuntimeError)


def test_a_factory_without_lines_of_its_own_is_not_blamed_on_ours() -> None:
    error = refusal(ModelError, None, "math:sqrt")
    assert error.what == "the factory math:sqrt failed"
    assert error.evidence.startswith("TypeError: ")


def test_a_module_written_after_a_first_failure_is_found_at_once(write: Write) -> None:
    folder = write("", name="other.py")
    before = folder.stat().st_mtime_ns
    assert refusal(UsageError, folder).what == "there is no module 'ownnet'"
    write("def build(): return nn.ReLU()")
    os.utime(folder, ns=(before, before))  # as coarse clocks make it: the folder looks unchanged
    assert isinstance(make(folder), nn.ReLU)


def test_an_error_of_ours_passes_through_a_factory(write: Write) -> None:
    folder = write("""
        from trainwright.parts import models
        def build(shape):
            return models.build("mpl", shape, {})
    """)
    assert refusal(UsageError, folder).what == "there is no model 'mpl'"


def test_an_option_that_the_factory_does_not_take_is_refused_with_the_nearest(write: Write) -> None:
    folder = write("def build(shape, width=3): return nn.ReLU()")
    error = refusal(UsageError, folder, widht=5)
    assert error.what == "ownnet:build takes no option 'widht'"
    assert error.remedy == "did you mean 'width'?"
    assert refusal(UsageError, write("def build(): return nn.ReLU()", name="bare.py"), "bare:build", a=1).remedy == (
        "it takes none"
    )


@pytest.mark.parametrize("head", ["def build(shape, hidden)", "def build(hidden: int)", "def build(shape, *, hidden)"])
def test_a_parameter_that_nothing_fills_is_named(write: Write, head: str) -> None:
    folder = write(f"{head}: return nn.Linear(2, hidden)")
    error = refusal(UsageError, folder)
    assert error.what == "ownnet:build needs 'hidden', which neither the recipe nor the data give"
    assert make(folder, hidden=3).out_features == 3
