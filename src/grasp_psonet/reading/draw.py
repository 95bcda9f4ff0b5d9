"""Which visits a round holds and in which order each reader gets them; every choice is named by the round's seed."""

from collections.abc import Sequence
from dataclasses import dataclass

from grasp_psonet.chance import generator
from grasp_psonet.errors import StudyError

FIRST, REPEAT = "first", "repeat"


@dataclass(frozen=True)
class Listed:
    """A visit of the audit's list, and whether the list says to read it again."""

    visit_id: str
    is_flagged: bool


@dataclass(frozen=True)
class Turn:
    """A visit's place in a reader's queue: read for the first time, or a hidden repeat."""

    visit_id: str
    kind: str


def drawn_visits(listed: Sequence[Listed], flagged: int | None, controls: float, key: tuple[int, str]) -> list[Listed]:
    """The flagged visits, and so many controls for each of them, drawn from the others.

    ``listed``: most suspicious first. ``flagged``: take this many from the top in place of those that are flagged.
    ``key``: seed and name of the round. Raises StudyError where there are too few visits.
    """
    marked = [visit.visit_id for visit in listed if visit.is_flagged] if flagged is None else None
    top = marked if marked is not None else [visit.visit_id for visit in listed[:flagged]]
    if not top or (flagged is not None and len(top) < flagged):
        raise StudyError(
            f"the audit's list holds {len(top)} visits to read again; wanted {flagged or 'at least 1'}"
            "\n  next: change reading.flagged or audit.inspected"
        )
    others = [visit.visit_id for visit in listed if visit.visit_id not in set(top)]
    wanted = round(controls * len(top))
    if wanted > len(others):
        raise StudyError(
            f"{len(top)} flagged visits and reading.controls {controls:g} ask for {wanted} controls; the list has {len(others)}"
            " that are not flagged\n  next: lower reading.controls or reading.flagged"
        )
    chosen = generator(key[0], "reading-controls", key[1]).permutation(len(others))[:wanted]
    return [Listed(visit_id, True) for visit_id in top] + [Listed(others[int(one)], False) for one in sorted(chosen)]


def queue_of(visit_ids: Sequence[str], repeats: float, key: tuple[int, str, str]) -> list[Turn]:
    """A reader's queue: every visit once in random order, and a part of them again, at least a quarter of the queue later.

    ``key``: seed, round and reader.
    """
    chance = generator(key[0], "reading-order", key[1], key[2])
    order = [visit_ids[int(one)] for one in chance.permutation(len(visit_ids))]
    gap = max(2, len(order) // 4)
    early = order[: max(0, len(order) - gap)]
    num_repeats = min(len(early), round(repeats * len(order)))
    again = {early[int(one)] for one in chance.permutation(len(early))[:num_repeats]}
    # each visit has a time; a repeat's lies a gap or more after its first, so that it may come at any place from there on
    timed = [(float(place), Turn(visit_id, FIRST)) for place, visit_id in enumerate(order)]
    for place, visit_id in enumerate(order):
        if visit_id in again:
            timed.append((float(chance.uniform(place + gap, len(order))), Turn(visit_id, REPEAT)))
    return [turn for _, turn in sorted(timed, key=lambda one: one[0])]
