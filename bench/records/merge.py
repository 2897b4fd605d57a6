"""Taking records of other folders into one: each once, with the texts that are missing here, and none over another."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from oneblock.bench.records import certificate
from oneblock.bench.records.order import in_order, next_number
from oneblock.bench.records.record import ArtifactRef, Record
from oneblock.bench.records.store import Store, read_record
from oneblock.bench.records.texts import LARGEST_TEXT_BYTES, StoreError, Texts
from oneblock.compilers.api.files import read_plain

Ask = Callable[[ArtifactRef], bytes]  # a stage's text, from wherever it is; StoreError where it is not there


@dataclass
class Merged:
    """What came of it."""

    records: int = 0
    here_already: int = 0
    texts: int = 0
    certificates: int = 0
    left_out: list[str] = field(default_factory=list)


def merge(source: Path, into: Path) -> Merged:
    """Take what another folder has and this one has not; what cannot be read there is said and left out."""
    there, store, done = Store(source), Store(into), Merged()
    records, problems = there.records()
    done.left_out += [problem.why.replace(f"{source}/", "") for problem in problems]
    store.check_writable()
    number, named = next_number(into), store.named()
    for _, record in in_order(records):
        taken, gone = take_texts(store, record.artifacts, lambda ref: raw_text(there, ref))
        done.texts += taken
        done.left_out += [why.replace(f"{source}/", "") for why in gone]
        if any(_same(record, path) for path in named.get(record.identity(), ())):
            done.here_already += 1
            continue
        path = store.add(replace(record, number=number))
        named.setdefault(record.identity(), []).append(path)
        number, done.records = number + 1, done.records + 1
    here, _ = certificate.certificates([into])
    for path in certificate.files(source):
        try:
            made = certificate.read_certificate(path)
        except StoreError as error:
            done.left_out.append(str(error).replace(f"{source}/", ""))
            continue
        if made not in [one for _, one in here]:
            certificate.add(into, made)
            done.certificates += 1
    return done


def take_texts(store: Store, refs: Iterable[ArtifactRef], ask: Ask) -> tuple[int, list[str]]:
    """Keep those texts that are missing under their hashes: (how many were, why not the others)."""
    taken, gone = 0, []
    for ref in {ref.sha256: ref for ref in refs if not store.has_text(ref)}.values():
        try:
            raw = ask(ref)
            if hashlib.sha256(raw).hexdigest() != ref.sha256 or len(raw) != ref.bytes:
                raise StoreError(f"{ref.stage}: expected the text of the hash {ref.sha256}, got another")
            store.write(store.artifact_path(ref.sha256), raw)
            taken += 1
        except StoreError as error:
            gone.append(str(error))
    return taken, gone


def raw_text(texts: Texts, ref: ArtifactRef) -> bytes:
    """The bytes of a stage's text as they are there, whatever they are."""
    path = texts.artifact_path(ref.sha256)
    try:
        return read_plain(path, min(ref.bytes, LARGEST_TEXT_BYTES))
    except OSError as error:
        raise StoreError(f"{path}: the stage's text cannot be read: {error.strerror}") from error


def _same(record: Record, path: Path) -> bool:
    """Whether a file is that record, whose number is its folder's affair."""
    with suppress(StoreError):
        return replace(read_record(path), number=None) == replace(record, number=None)
    return False
