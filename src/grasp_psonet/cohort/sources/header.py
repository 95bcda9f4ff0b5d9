"""What is wrong with the names of columns: doubled, missing, or nearly right."""

import difflib
import re
from collections import Counter

from grasp_psonet.cohort.faults import Fault
from grasp_psonet.cohort.sources.mapping import Wanted

_NEAR = 0.85  # likeness of two column names from which one is taken for a slip of the other
_HINT = 0.6  # likeness that is worth a hint when a required column is missing


def header_faults(name: str, header: list[str], wanted: Wanted) -> list[Fault]:
    """Faults of a header under our names of columns."""
    known, count = set(wanted.known), Counter(header)
    unknown = [column for column in count if column not in known]
    looked_for = [*wanted.whole, *(wanted.all_parts if count.keys() & set(wanted.all_parts) else ())]
    absent = [column for column in looked_for if column not in count]
    problems = [
        f"column {column!r} stands {number} times in the header"
        for column, number in count.items()
        if column and number > 1
    ]
    slips = {column: near for column in unknown if (near := _slip_of(column, absent))}
    problems += [f"no column {column!r} is known; did you mean {near!r}?" for column, near in slips.items()]
    for names in wanted.lacks([*header, *slips.values()]):
        stems = {
            _stem(column): column for column in unknown
        }  # that two columns are a reader's makes them no more alike
        hints = [stems[near] for near in difflib.get_close_matches(_stem(names[0]), stems, n=1, cutoff=_HINT)]
        listed = " or ".join(repr(column) for column in names)
        problems.append(f"no column {listed}" + (f"; is {hints[0]!r} meant?" if hints else ""))
    remedy = "name the column so, or say in tables.columns what the file calls it"
    return [Fault(problem, name, remedy=remedy) for problem in problems]


def _stem(column: str) -> str:
    return column.lower().removesuffix("_reader1").removesuffix("_reader2")


def _slip_of(column: str, absent: list[str]) -> str | None:
    """The absent known column that this name misspells. Names that differ in a number are different columns."""
    plain = _plain(column)
    for known in absent:
        same_numbers = re.findall(r"\d+", column) == re.findall(r"\d+", known)
        if not same_numbers:
            continue
        likeness = difflib.SequenceMatcher(None, plain, _plain(known))
        if likeness.real_quick_ratio() >= _NEAR and likeness.ratio() >= _NEAR:
            return known
    return None


def _plain(text: str) -> str:
    return re.sub("[^a-z0-9]", "", text.lower())
