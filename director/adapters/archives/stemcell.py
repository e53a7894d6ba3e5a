"""A stemcell archive: stemcell.MF and its image, checked (bosh-director.md section 8.3)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from director.adapters.archives import problems as words
from director.adapters.archives.digest import digest_problem
from director.adapters.archives.problems import stemcell_problem
from director.adapters.archives.stream import Limits
from director.adapters.archives.text import Unreadable, as_map, as_words, read_yaml, word
from director.adapters.archives.unpack import BrokenArchive, copy_wanted
from director.model.names import Digest, StemcellCid
from director.model.problem import Problem, Refused
from director.model.release import Stemcell
from director.model.tree import Node
from director.ports.archives import ReadStemcell

MANIFEST: Final = "stemcell.MF"
IMAGE: Final = "image"


def open_stemcell(path: Path, unpack_to: Path, limits: Limits) -> ReadStemcell:
    """Copies ``image`` into ``unpack_to`` and checks it. Blocks. Raises Refused with every problem."""
    places = {name: unpack_to / name for name in (MANIFEST, IMAGE)}
    try:
        files, unsafe = copy_wanted(path, limits, places.get)
    except BrokenArchive as error:
        raise _refused(words.STEMCELL_ARCHIVE, f"The stemcell archive is not usable: {error}.") from error
    if unsafe:
        raise Refused(stemcell_problem(words.STEMCELL_ARCHIVE, f"The archive is refused: {entry}.") for entry in unsafe)
    manifest = _manifest(files)
    problems = _problems(manifest, files)
    if problems:
        raise Refused(problems)
    return _build(manifest, files[IMAGE])


def _refused(number: int, detail: str) -> Refused:
    return Refused([stemcell_problem(number, detail)])


def _manifest(files: Mapping[str, Path]) -> Mapping[str, Node]:
    if MANIFEST not in files:
        raise _refused(words.STEMCELL_ARCHIVE, "The stemcell archive has no stemcell.MF.")
    try:
        manifest = as_map(read_yaml(files[MANIFEST].read_bytes()))
    except Unreadable as error:
        raise _refused(words.STEMCELL_ARCHIVE, f"stemcell.MF {error}.") from error
    if not manifest:
        raise _refused(words.STEMCELL_ARCHIVE, "stemcell.MF is not a mapping.")
    return manifest


def _problems(manifest: Mapping[str, Node], files: Mapping[str, Path]) -> list[Problem]:
    problems = [
        stemcell_problem(words.STEMCELL_ARCHIVE, f"stemcell.MF has no {key}.")
        for key in ("name", "version", "sha1")
        if not word(manifest.get(key))
    ]
    if as_words(manifest.get("stemcell_formats")) is None:
        problems.append(
            stemcell_problem(words.STEMCELL_ARCHIVE, "stemcell_formats in stemcell.MF is no list of names.")
        )
    if as_map(manifest.get("cloud_properties")) is None:
        problems.append(stemcell_problem(words.STEMCELL_ARCHIVE, "cloud_properties in stemcell.MF is not a mapping."))
    if IMAGE not in files:
        problems.append(stemcell_problem(words.STEMCELL_IMAGE, "The stemcell archive has no image."))
    elif word(manifest.get("sha1")) and (wrong := digest_problem(files[IMAGE], word(manifest.get("sha1")))):
        problems.append(stemcell_problem(words.STEMCELL_DIGEST, f"The stemcell's image {wrong}."))
    return problems


def _build(manifest: Mapping[str, Node], image: Path) -> ReadStemcell:
    name, api_version = word(manifest.get("name")), manifest.get("api_version")
    stemcell = Stemcell(
        name=name,
        os=word(manifest.get("operating_system")) or name,
        version=word(manifest.get("version")),
        cid=StemcellCid(""),
        digest=Digest(word(manifest.get("sha1"))),
        api_version=api_version if isinstance(api_version, int) else 1,
    )
    formats, properties = as_words(manifest.get("stemcell_formats")), as_map(manifest.get("cloud_properties"))
    return ReadStemcell(stemcell=stemcell, image=image, formats=formats or (), cloud_properties=properties or {})
