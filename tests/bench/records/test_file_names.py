"""Names that become files stay in their folder, are short enough, and are as many as the texts that they are of."""

from __future__ import annotations

from pathlib import Path

import pytest

from oneblock.bench.records.names import file_name

ODD = [
    "../../etc/x", "/abs", "a\x1b[31mb", "..", ".", "", ".hidden", "-o", "a/b", "a_b", "a\\b", "new\nline", "ü日本",
    "x" * 300, "x" * 301, "a\udc80b", "a\x00b", "~", "%2F..%2F",
]  # fmt: skip


@pytest.mark.parametrize("text", ODD)
def test_no_name_leaves_the_folder_or_is_too_long_for_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / f"{file_name(text)}.0123456789abcdef.20261128T112640.123Z.json"
    path.write_text("")
    assert path.parent.resolve() == tmp_path.resolve()
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    assert path.name[0] not in ".-~" or text == "~" or not text.strip("./-_")
    assert path.name.isascii()
    assert path.name.isprintable()


def test_two_texts_have_two_names() -> None:
    assert len({file_name(text) for text in ODD}) == len(ODD)


@pytest.mark.parametrize(
    "text", ["block-tiny-prefill-B1-T16-float32-jax_xla-plain-cpu", "tpu_v5e_2x4@dp2,tp4", "a%2Fb"]
)
def test_a_name_of_today_is_its_text(text: str) -> None:
    assert file_name(text) == text
