"""A model, its memory and its batch size as text: every number that counts is there, and no line is too long."""

from __future__ import annotations

import pytest

from trainwright.records.model import BatchSizeSearch, BatchSizeTrial, MemoryForecast, ModelRow, ModelSummary
from trainwright.report.model_text import bytes_text, render_batch_size, render_forecast, render_summary

GIB, MIB = 2**30, 2**20


def row(path: str, **changed: object) -> ModelRow:
    values: dict[str, object] = {
        "path": path,
        "kind": "Linear",
        "outputs": ((2, 8),),
        "parameters": 1234,
        "tied": 0,
        "learns": "trainable",
        "training": True,
        "calls": 1,
        "used": True,
    }
    return ModelRow(**{**values, **changed})  # type: ignore[arg-type]


def summary(*rows: ModelRow) -> ModelSummary:
    return ModelSummary(
        kind="Net",
        input_shape=(2, 3, 4),
        outputs=((2, 8), (2,)),
        rows=rows,
        parameters=1_234_567,
        trainable=1_234_000,
        parameter_bytes=4 * 1_234_567,
        buffer_bytes=640,
        mode="mixed",
    )


FORECAST = MemoryForecast(
    batch_size=64,
    parameters=2 * MIB,
    buffers=0,
    gradients=2 * MIB,
    optimizer_state=4 * MIB,
    inputs=MIB // 2,
    activations=100 * MIB,
    total=108 * MIB,
)


def test_a_summary_tells_each_module_and_the_totals() -> None:
    text = render_summary(
        summary(
            row("body.0", learns="frozen", training=False),
            row("body.1", kind="Flatten", parameters=0, learns="", calls=3),
            row("head", tied=1234),
            row("out", outputs=(), calls=0),
            row("aux", outputs=(), calls=0, used=False),
            row("", outputs=((2, 8), (1, 2))),
        )
    )
    lines = [line.split() for line in text.splitlines()]
    assert " ".join(lines[0]) == "Net: from (2, 3, 4) to (2, 8), (2)"
    assert lines[1] == ["module", "kind", "output", "parameters", "learns", "mode"]
    assert lines[2] == ["body.0", "Linear", "(2,", "8)", "1,234", "frozen", "eval"]
    assert lines[3] == ["body.1", "Flatten", "(2,", "8)", "x3", "train"]
    assert lines[4] == ["head", "Linear", "(2,", "8)", "1,234", "tied", "trainable", "train"]
    assert lines[5][:5] == ["out", "Linear", "used,", "not", "called"]
    assert lines[6][:4] == ["aux", "Linear", "no", "part"]
    assert lines[7][:2] == ["(the", "model)"]
    assert "1,234,567 parameters (1,234,000 trainable, 567 frozen), 4.7 MiB; buffers 640 B" in text
    assert "1,234 of the numbers above are shared between modules and counted once" in text
    assert "1 module took no part in the forward pass: aux" in text


def test_columns_are_aligned() -> None:
    lines = render_summary(summary(row("a"), row("a.much.longer.path", parameters=7))).splitlines()
    assert len({line.index("Linear") for line in lines[2:4]}) == 1
    assert lines[2].index("1,234") + 5 == lines[3].index(" 7 ") + 2


@pytest.mark.parametrize("width", [40, 80, 100])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    long = row("a.very." * 30 + "long.path", kind="Unusually" * 9, outputs=((1, 2, 3, 4),) * 9)
    assert max(map(len, render_summary(summary(long, long), width=width).splitlines()[:-1])) <= width


def test_the_middle_of_a_long_model_is_left_out_and_counted() -> None:
    text = render_summary(summary(*(row(f"layer{number}") for number in range(1000))), most_rows=6)
    shown = [line.split()[0] for line in text.splitlines() if "layer" in line]
    assert shown == ["layer0", "layer1", "layer2", "layer997", "layer998", "layer999"]
    assert "  ... 994 more" in text.splitlines()


def test_names_from_outside_cannot_write_to_the_terminal() -> None:
    assert "\x1b" not in render_summary(summary(row("a\x1b[31m", kind="B\x1b[0m")))


def test_a_forecast_tells_its_parts_and_what_is_free() -> None:
    lines = render_forecast(FORECAST, available_bytes=GIB).splitlines()
    assert lines[0] == "memory of a step on 64 samples (fp32)"
    parts = {line[:24].strip(): line[24:].split("(")[0].strip() for line in lines[1:]}
    assert parts == {
        "parameters": "2.0 MiB",
        "gradients": "2.0 MiB",
        "optimizer state": "4.0 MiB",
        "activations": "100.0 MiB",
        "inputs and targets": "512.0 KiB",
        "for a moment, beside": "0 B",
        "most at once": "108.0 MiB",
    }
    assert lines[-1].endswith("(1.0 GiB free, 10.5 % of it)")


def test_a_forecast_says_how_it_was_made() -> None:
    made = MemoryForecast(
        batch_size=1,
        parameters=1,
        buffers=1,
        gradients=1,
        optimizer_state=0,
        inputs=1,
        activations=1,
        total=10,
        precision="bf16",
        recomputed=True,
        method="measured",
    )
    lines = render_forecast(made, available_bytes=0).splitlines()
    assert (
        lines[0] == "memory of a step on 1 sample (bf16, activations computed again, extrapolated from small batches)"
    )
    assert lines[-2].split()[-2:] == ["5", "B"]
    assert lines[-1].endswith("10 B   (0 B free)")


def test_a_summary_with_a_forecast_holds_both() -> None:
    text = render_summary(summary(row("a")), FORECAST, available_bytes=GIB)
    assert text.endswith(render_forecast(FORECAST, available_bytes=GIB))


def trial(size: int, result: str, needed: int | None, seconds: float = 0.0) -> BatchSizeTrial:
    return BatchSizeTrial(
        batch_size=size,
        result=result,  # type: ignore[arg-type]
        needed_bytes=needed,
        allowed_bytes=2 * GIB,
        seconds=seconds,
    )


def test_a_batch_size_is_told_with_all_that_was_tried() -> None:
    search = BatchSizeSearch(
        batch_size=16,
        largest=512,
        limited_by="memory",
        trials=(trial(8, "fits", GIB, 0.5), trial(16, "fits", None, 1.25), trial(32, "too large", 3 * GIB)),
    )
    lines = render_batch_size(search).splitlines()
    assert lines[0] == "batch size 16: 32 would not fit into memory with a margin"
    assert [line.split() for line in lines[1:]] == [
        ["8", "fits", "1.0", "GiB", "of", "2.0", "GiB,", "0.5", "s"],
        ["16", "fits", "unknown", "of", "2.0", "GiB,", "1.25", "s"],
        ["32", "too", "large", "3.0", "GiB", "of", "2.0", "GiB"],
    ]


def test_a_batch_size_that_updates_limit_says_so() -> None:
    search = BatchSizeSearch(batch_size=64, largest=64, limited_by="updates", trials=(trial(64, "fits", GIB, 1.0),))
    assert render_batch_size(search).startswith("batch size 64: more than 64 would leave too few updates an epoch")


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1024**2 - 1, "1.0 MiB"),
        (1536 * 1024, "1.5 MiB"),
        (5 * GIB, "5.0 GiB"),
        (5000 * 2**40, "5,000.0 TiB"),
    ],
)
def test_bytes_come_in_the_unit_that_suits_them(size: int, text: str) -> None:
    assert bytes_text(size) == text
