from __future__ import annotations

import gzip
import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwright.data.dataset import Dataset, Split
from trainwright.data.inspect import inspect
from trainwright.data.load import load
from trainwright.data.text import TextBatches, decode, encode, load_text
from trainwright.errors import DataError, UsageError

CONTEXT = 8
RHYME = "Die Katze tritt die Treppe krumm, der Kater tritt sie grade.\n"


def written(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(tmp_path: Path, text: str | bytes, **changes: Any) -> Dataset:
    settings: dict[str, Any] = {"context": CONTEXT, "validation": 0.1, "test": 0.0, "seed": 0, **changes}
    return load_text(written(tmp_path / "t.txt", text), **settings)


def told(data: Dataset, split: Split) -> str:
    """All that the windows of a split hold, as one text."""
    characters = "".join(data.classes)
    return decode(split.x.reshape(-1), characters) + decode(split.y[-1, -1:], characters)


def numbers(count: int = 500) -> str:
    """A text in which every place can be told: 0001 0002 0003 ..."""
    return "".join(f"{number:04d} " for number in range(count))


def parts_of(data: Dataset) -> list[Split]:
    return [split for split in (data.train, data.validation, data.test) if split is not None]


@given(text=st.text(max_size=60), more=st.text(max_size=5))
def test_decoding_undoes_encoding(text: str, more: str) -> None:
    characters = "".join(sorted(set(text + more)))
    ids = encode(text, characters)
    assert ids.dtype == torch.int64
    assert ids.tolist() == [characters.index(character) for character in text]
    assert decode(ids, characters) == decode(ids.tolist(), characters) == text


@pytest.mark.parametrize("strange", ["z", "A", "\n", "\ud800"])
def test_a_character_outside_the_vocabulary_is_named(strange: str) -> None:
    with pytest.raises(DataError, match="not in the vocabulary") as caught:
        encode(f"ab{strange}c", "abc")
    assert repr(strange) in caught.value.what
    assert "character 3 of 4" in caught.value.evidence
    with pytest.raises(DataError, match="not in the vocabulary"):
        encode("a", "")
    assert encode("", "").tolist() == []


def test_each_character_is_to_be_predicted_from_those_before_it(tmp_path: Path) -> None:
    text = numbers()
    data = read(tmp_path, text)
    whole = encode(text, "".join(data.classes))
    assert data.train.x.dtype == data.train.y.dtype == torch.int64
    assert data.train.x.shape == data.train.y.shape == ((2250 - 1) // CONTEXT, CONTEXT)
    for place in (0, 7, len(data.train) - 1):
        start = place * CONTEXT
        assert torch.equal(data.train.x[place], whole[start : start + CONTEXT])
        assert torch.equal(data.train.y[place], whole[start + 1 : start + 1 + CONTEXT])
    assert (data.shape.input_shape, data.shape.outputs, data.shape.vocabulary) == ((CONTEXT,), 11, 11)
    assert data.shape.task == "classification"
    assert data.classes == tuple(" 0123456789")
    assert data.name == "t"
    assert data.notes == ()


@pytest.mark.parametrize(
    ("validation", "test", "ends"), [(0.1, 0.0, (2250, 2500)), (0.0, 0.2, (2000, 2000)), (0.1, 0.2, (1750, 2000))]
)
def test_the_text_is_divided_where_it_stands(
    tmp_path: Path, validation: float, test: float, ends: tuple[int, int]
) -> None:
    text = numbers()
    data = read(tmp_path, text, validation=validation, test=test)
    pieces = {"train": text[: ends[0]], "validation": text[ends[0] : ends[1]], "test": text[ends[1] :]}
    assert [split.name for split in parts_of(data)] == [name for name, piece in pieces.items() if piece]
    for split in parts_of(data):
        piece = pieces[split.name]
        assert piece.startswith(told(data, split))
        assert len(piece) - CONTEXT < len(told(data, split)) <= len(piece)


def test_the_last_tenth_begins_where_nanogpt_begins_it(tmp_path: Path) -> None:
    # int(0.9 * 1,115,394) characters train there: 1,003,854 of tiny Shakespeare.
    text = (numbers(9999) * 23)[:1_115_394]
    data = read(tmp_path, text, context=64)
    assert data.validation is not None
    assert len(data.validation) == (111_540 - 1) // 64
    assert text[1_003_854:].startswith(told(data, data.validation))


@given(
    length=st.integers(2, 400),
    context=st.integers(1, 30),
    validation=st.sampled_from([0.0, 0.1, 1 / 3]),
    test=st.sampled_from([0.0, 0.15, 0.5]),
)
@settings(deadline=None, max_examples=60)
def test_no_character_is_in_two_parts_and_windows_hold_all_but_what_fills_none(
    tmp_path_factory: pytest.TempPathFactory, length: int, context: int, validation: float, test: float
) -> None:
    text = "".join(chr(0x4E00 + place) for place in range(length))  # no character twice
    path = written(tmp_path_factory.mktemp("text") / "t.txt", text)
    ends = [math.floor(length * share + 1e-6) for share in (1 - validation - test, 1 - test)]
    sizes = [ends[0]] + [ends[1] - ends[0]] * (validation > 0) + [length - ends[1]] * (test > 0)
    if min(sizes) <= context:
        with pytest.raises(DataError, match="too short"):
            load_text(path, context=context, validation=validation, test=test, seed=0)
        return
    data = load_text(path, context=context, validation=validation, test=test, seed=0)
    seen = "".join(told(data, split) for split in parts_of(data))
    assert len(set(seen)) == len(seen)
    assert list(seen) == sorted(seen)
    assert length - len(seen) < len(parts_of(data)) * context
    assert text.startswith(told(data, data.train))


def test_windows_are_views_of_one_text(tmp_path: Path) -> None:
    data = read(tmp_path, numbers(), validation=0.1, test=0.1)
    owned = {split.x.untyped_storage().data_ptr() for split in parts_of(data)}
    owned |= {split.y.untyped_storage().data_ptr() for split in parts_of(data)}
    assert len(owned) == 1
    assert data.train.x.untyped_storage().nbytes() == 8 * 2500


def test_the_division_is_no_function_of_the_seed_and_digests_tell_contents_apart(tmp_path: Path) -> None:
    one, two = read(tmp_path, numbers(), test=0.1), read(tmp_path, numbers(), test=0.1, seed=9)
    assert [split.digest for split in parts_of(one)] == [split.digest for split in parts_of(two)]
    assert one.fingerprint == two.fingerprint
    assert len({split.digest for split in parts_of(one)}) == 3
    # A cipher of the text has the same tokens, but is another text.
    other = read(tmp_path, numbers().translate(str.maketrans("0123456789", "abcdefghij")), test=0.1)
    assert torch.equal(other.train.x, one.train.x)
    assert other.fingerprint != one.fingerprint


def test_the_preparation_is_plain_json_that_encodes_further_texts(tmp_path: Path) -> None:
    data = read(tmp_path, (RHYME + "Überall œ 😀\n") * 20)
    kept = json.loads(json.dumps(data.preprocessing))
    assert kept["kind"] == "text"
    assert kept["context"] == CONTEXT
    assert tuple(kept["characters"]) == data.classes == tuple(sorted(set(RHYME + "Überall œ 😀\n")))
    assert decode(encode("Überall 😀", kept["characters"]), kept["characters"]) == "Überall 😀"


def test_packed_texts_line_ends_and_byte_order_marks_are_read(tmp_path: Path) -> None:
    plain = read(tmp_path, RHYME * 20)
    packed = written(tmp_path / "verse.txt.gz", gzip.compress((RHYME * 20).encode()))
    same = load_text(packed, context=CONTEXT, validation=0.1, test=0.0, seed=0)
    assert (same.name, same.fingerprint) == ("verse", plain.fingerprint)
    for changed in (RHYME.replace("\n", "\r\n"), RHYME.replace("\n", "\r")):
        data = read(tmp_path, b"\xef\xbb\xbf" + (changed * 20).encode())
        assert data.fingerprint == plain.fingerprint
        assert data.notes == ("t.txt: the line ends \\r\\n were read as \\n",)


def test_characters_that_training_never_shows_are_noted(tmp_path: Path) -> None:
    data = read(tmp_path, "abc " * 100 + "xyzx" + "abc " * 20, validation=0.2)
    assert set(data.classes) == set("abcxyz ")
    assert len(data.notes) == 1
    assert "3 characters of the validation part never occur in the training part, 4 times in all" in data.notes[0]
    assert "'xyz'" in data.notes[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf", "nothing to predict"),
        (b"a" * 100, "nothing to predict(.|\n)*all of its 100 characters are 'a'"),
        (b"\n" * 100, r"nothing to predict(.|\n)*'\\n'"),
        (b"\x89PNG\r\n\x1a\n\0\0", "no text file(.|\n)*offset 6"),
        ((RHYME * 9).encode("utf-16"), "no text file(.|\n)*UTF-16"),
        (b"abc\n" * 20 + "Köln\n".encode("cp1252"), "not in UTF-8(.|\n)*line 21 holds the byte 0xf6(.|\n)*iconv"),
        (gzip.compress((RHYME * 40).encode(), mtime=0)[:-9], "damaged gzip"),
    ],
)
def test_what_is_no_text_is_refused_with_the_place(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path, content)
    assert "t.txt" in caught.value.what
    assert caught.value.remedy


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_a_part_that_fills_no_window_names_a_context_that_fits(tmp_path: Path, part: str) -> None:
    shares = {"train": (0.95, 0.0), "validation": (0.05, 0.0), "test": (0.0, 0.05)}[part]
    settings: dict[str, Any] = {"validation": shares[0], "test": shares[1]}
    with pytest.raises(DataError, match=f"{part} part does not fill one window") as caught:
        read(tmp_path, "ab" * 70, **settings)
    fits = int(caught.value.remedy.split("data.context = ")[1].split(" ")[0])
    assert len(read(tmp_path, "ab" * 70, context=fits, **settings).train) > 0
    with pytest.raises(DataError, match="too short"):
        read(tmp_path, "ab" * 70, context=fits + 1, **settings)


def test_a_text_too_short_for_any_context_names_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="too short") as caught:
        read(tmp_path, "abcdefghij", validation=0.1)
    assert "data.context" not in caught.value.remedy
    assert "data.validation" in caught.value.remedy


@pytest.mark.parametrize("changes", [{"context": 0}, {"validation": 1.0}, {"validation": 0.5, "test": 0.5}])
def test_settings_that_make_no_sense_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        read(tmp_path, RHYME * 20, **changes)


def test_a_text_is_found_by_its_name(tmp_path: Path) -> None:
    written(tmp_path / "poem.txt", RHYME * 40)
    data = load("poem.txt", context=5, data_root=str(tmp_path))
    assert data.shape.input_shape == (5,)
    assert data.test is not None
    summary = inspect("poem.txt", context=5, data_root=str(tmp_path))
    assert summary.vocabulary == data.shape.vocabulary == len(set(RHYME))
    assert summary.task == "classification"


def batches(tmp_path: Path, text: str, *, batch_size: int = 7, seed: int = 0) -> tuple[TextBatches, str]:
    """Batches of the whole text, and what characters its ids stand for."""
    data = read(tmp_path, text, validation=0.0)
    return TextBatches(data.train, batch_size=batch_size, seed=seed), "".join(data.classes)


def test_every_window_of_an_epoch_is_a_piece_of_the_text_with_what_follows(tmp_path: Path) -> None:
    text = numbers()
    made, characters = batches(tmp_path, text)
    assert (made.samples, made.steps_per_epoch) == (2499 // CONTEXT, -(-(2499 // CONTEXT) // 7))
    for epoch in range(6):
        starts = []
        sizes = []
        for x, y in made.epoch(epoch):
            sizes.append(len(x))
            for before, after in zip(x, y, strict=True):
                window = decode(before, characters) + decode(after[-1:], characters)
                assert torch.equal(before[1:], after[:-1])
                starts.append(text.index(window))
        assert sizes == [7] * (made.samples // 7) + [made.samples % 7]
        ranked = sorted(starts)
        offset = ranked[0]
        assert 0 <= offset < CONTEXT
        # One after the other from the offset on; the last one ends with the text that the split holds.
        assert ranked[:-1] == [offset + place * CONTEXT for place in range(made.samples - 1)]
        assert ranked[-1] == (made.samples - 1) * CONTEXT
        assert starts != ranked


def test_epochs_cut_the_text_at_other_places_as_a_function_of_seed_and_epoch(tmp_path: Path) -> None:
    one, characters = batches(tmp_path, numbers())
    same, _ = batches(tmp_path, numbers())
    other, _ = batches(tmp_path, numbers(), seed=1)

    def order(made: TextBatches, epoch: int) -> list[list[int]]:
        return torch.cat([x for x, _ in made.epoch(epoch)]).tolist()

    text = numbers()

    def offset(epoch: int) -> int:
        firsts = (text.index(decode(x[0], characters)) for x, _ in one.epoch(epoch))
        return Counter(first % CONTEXT for first in firsts).most_common(1)[0][0]

    assert {offset(epoch) for epoch in range(40)} == set(range(CONTEXT))
    assert order(one, 3) == order(same, 3)
    assert order(one, 3) != order(one, 4)
    assert order(one, 3) != order(other, 3)


def test_in_order_gives_the_split_itself_in_batches_of_any_size(tmp_path: Path) -> None:
    data = read(tmp_path, numbers())
    made = TextBatches(data.train, batch_size=7, seed=0)
    for size in (None, 1, 10, 10_000):
        parts = list(made.in_order(size))
        assert torch.equal(torch.cat([x for x, _ in parts]), data.train.x)
        assert torch.equal(torch.cat([y for _, y in parts]), data.train.y)
        assert size is None or {len(x) for x, _ in parts[:-1]} <= {size}
    assert len(next(iter(made.in_order()))[0]) > made.batch_size


def test_samples_that_are_taken_are_the_same_ones_and_no_more_than_there_are(tmp_path: Path) -> None:
    data = read(tmp_path, numbers())
    made = TextBatches(data.train, batch_size=7, seed=0)
    windows = {tuple(window) for window in data.train.x.tolist()}
    few, all_of_them = made.take(20), made.take(10_000)
    assert few[0].shape == few[1].shape == (20, CONTEXT)
    assert torch.equal(few[0], all_of_them[0][:20])
    assert len(all_of_them[0]) == made.samples
    assert {tuple(window) for window in all_of_them[0].tolist()} == windows
    assert torch.equal(made.take(20)[1], few[1])


def test_nothing_is_drawn_from_the_global_generator_and_no_batch_shares_memory(tmp_path: Path) -> None:
    data = read(tmp_path, numbers())
    before, state = data.train.x.clone(), torch.get_rng_state()
    made = TextBatches(data.train, batch_size=7, seed=0)
    for x, y in [*made.epoch(0), *made.in_order(), made.take(5)]:
        assert x.is_contiguous()
        assert y.is_contiguous()
        kept = y.clone()
        x.fill_(-1)
        assert torch.equal(y, kept)
        y.fill_(-1)
    assert torch.equal(data.train.x, before)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_tokens_of_a_split_are_not_copied_but_a_copied_split_works(tmp_path: Path) -> None:
    data = read(tmp_path, numbers())
    view = TextBatches(data.train, batch_size=7, seed=0)
    assert view._tokens.data_ptr() == data.train.x.data_ptr()
    apart = Split(x=data.train.x.clone(), y=data.train.y.clone(), name="train", digest="")
    copied = TextBatches(apart, batch_size=7, seed=0)
    for one, other in zip(view.epoch(2), copied.epoch(2), strict=True):
        assert torch.equal(one[0], other[0])
        assert torch.equal(one[1], other[1])


def test_a_text_of_one_window_has_an_epoch_of_one_batch(tmp_path: Path) -> None:
    made, characters = batches(tmp_path, "abcdefghi")
    assert (made.samples, made.steps_per_epoch) == (1, 1)
    for epoch in range(3):
        ((x, y),) = made.epoch(epoch)
        assert (decode(x[0], characters), decode(y[0], characters)) == ("abcdefgh", "bcdefghi")


def test_batches_refuse_what_is_no_text(tmp_path: Path) -> None:
    data = read(tmp_path, numbers())
    x, y = data.train.x, data.train.y
    with pytest.raises(UsageError, match="at least one sample"):
        TextBatches(data.train, batch_size=0, seed=0)
    for left, right in [(x[::2], y[::2]), (x, x), (x.float(), y.float()), (x[:0], y[:0]), (x, y[:, -1])]:
        with pytest.raises(DataError, match="the windows of one text"):
            TextBatches(Split(x=left, y=right, name="train", digest=""), batch_size=4, seed=0)
