"""The kinds of sources, by the word that names them on the command line."""

from collections.abc import Callable
from dataclasses import dataclass, fields

from grasp_psonet.cohort.importing.folder import read_folder
from grasp_psonet.cohort.importing.public_sets import read_fitzpatrick17k, read_isic_traps, read_pad_ufes, read_scin
from grasp_psonet.cohort.importing.redcap import read_redcap
from grasp_psonet.cohort.importing.request import Imported, Request
from grasp_psonet.errors import SettingsError


@dataclass(frozen=True)
class Kind:
    """A kind of source: what reads it, a line of help, and the options it takes beside source and photos."""

    read: Callable[[Request], Imported]
    text: str
    takes: tuple[str, ...] = ()


KINDS = {
    "folder": Kind(
        read_folder, "one folder of photos per visit, or names told apart by --pattern", ("pattern", "labels")
    ),
    "redcap": Kind(read_redcap, "the flat CSV export of a REDCap project", ("columns",)),
    "isic-traps": Kind(read_isic_traps, "trap splits of ISIC 2018 (Bissoto et al. 2020)", ("trap",)),
    "pad-ufes": Kind(read_pad_ufes, "PAD-UFES-20", ("label",)),
    "scin": Kind(read_scin, "SCIN, crowdsourced cases", ("classes",)),
    "fitzpatrick17k": Kind(read_fitzpatrick17k, "Fitzpatrick17k", ("label", "classes")),
}
_ALWAYS = ("source", "photos")


def read_kind(name: str, request: Request) -> Imported:
    """What a source of this kind holds. Raises SettingsError for an option that the kind does not take."""
    kind, plain = KINDS[name], Request(request.source)
    for field in fields(Request):
        given = getattr(request, field.name)
        if field.name not in (*_ALWAYS, *kind.takes) and given != getattr(plain, field.name):
            option = "column" if field.name == "columns" else field.name
            raise SettingsError(f"grasp import {name} takes no --{option}\n  next: leave it out; `grasp import --help`")
    return kind.read(request)
