"""Words of the compilers' languages as data: assets/words.toml, which the terminal and the page's script read alike."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Words:
    """What the words of one language mean.

    A name stands for those that differ from it in digits alone, and in what is in brackets; a * in it for any letters.
    """

    of: str = ""  # the language, as a person calls it; empty: nothing is known
    told: Mapping[str, str] = field(default_factory=dict, hash=False)

    def find(self, word: str) -> tuple[str, str] | None:
        """(name, meaning) of a word of a text, or of its part before the first dot; the page's script agrees."""
        by_form = {form(name): name for name in [*self.told][::-1]}
        in_shape = re.sub(r"^(.*\d)?x(?=[a-z]+\d)", "", word)  # bf16 of tensor<2x16xbf16>
        for one in (word, re.sub(r"[.\d]+$", "", word), word.split(".")[0], in_shape):
            name = one if one in self.told else by_form.get(form(one))
            if name is not None:
                return name, self.told[name]
        fitting = [name for name in self.told if "*" in name and _fits(name, word)]
        name = max(fitting, key=len, default=None)
        return None if name is None else (name, self.told[name])


def form(word: str) -> str:
    """A word without what its numbers are: mxu# of mxu0, T() of T(8,128)(2,1)."""
    return re.sub(r"\d+", "#", re.sub(r"\(.*", "()", word))


def _fits(name: str, word: str) -> bool:
    return re.fullmatch(re.escape(name).replace(r"\*", ".+"), word) is not None


def _read() -> Iterator[tuple[str, Words]]:
    path = Path(__file__).parent / "assets" / "words.toml"
    for of, told in tomllib.loads(path.read_text(encoding="utf-8")).items():
        yield of, Words(of, told)


NONE = Words()
_OF = dict(_read())
HLO, BUNDLES, TRITON, PTX, SASS = (_OF[of] for of in ("HLO", "TPU bundles", "Triton IR", "PTX", "SASS"))
AMD, LLVM, X86 = (_OF[of] for of in ("AMD's assembly", "LLVM IR", "x86 assembly"))
TVM, NKI, TORCH = (_OF[of] for of in ("TVM's TIR and Relax", "NKI", "PyTorch's graphs and Inductor"))
