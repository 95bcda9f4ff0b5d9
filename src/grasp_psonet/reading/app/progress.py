"""What a coordinator sees of a round: how far readers are, and how far they agree."""

from dataclasses import dataclass
from itertools import combinations

from grasp_psonet.reading.app.models import Item, Reading, Round
from grasp_psonet.reading.app.models.rounds import SIGNED
from grasp_psonet.reading.draw import FIRST, REPEAT
from grasp_psonet.reading.pairs import Agreement, agreement


@dataclass(frozen=True)
class Progress:
    """Of one reader: items, how many are signed, and of those how many are not assessable."""

    reader: str
    role: str
    num_items: int
    num_signed: int
    num_not_assessable: int


def progress_of(one: Round) -> list[Progress]:
    """Readers in the order of the charter, then adjudicators."""
    rules = one.rules
    found = []
    for name in (*rules.readers, *rules.adjudicators):
        items = Item.objects.filter(case__round=one, reader__username=name)
        last = _latest(one, name)
        role = "reader" if name in rules.readers else "adjudicator"
        not_assessable = sum(reading.grade is None for reading in last)
        found.append(Progress(name, role, items.count(), items.filter(state=SIGNED).count(), not_assessable))
    return found


def agreement_of(one: Round) -> list[tuple[str, Agreement]]:
    """Each pair of readers over the visits that both read, and each reader against their own hidden repeats."""
    rules = one.rules
    scale, names = rules.severity, rules.readers
    by_reader = {name: _latest(one, name) for name in names}
    first = {name: {r.item.case.pk: r for r in last if r.item.kind == FIRST} for name, last in by_reader.items()}
    found = []
    for a, b in combinations(names, 2):
        both = sorted(first[a].keys() & first[b].keys())
        pairs = [(_said(first[a][case]), _said(first[b][case])) for case in both]
        found.append((f"{a} and {b}", agreement(pairs, len(scale.classes))))
    for name in names:
        again = {r.item.case.pk: r for r in by_reader[name] if r.item.kind == REPEAT}
        pairs = [(_said(first[name][case]), _said(again[case])) for case in sorted(first[name].keys() & again.keys())]
        found.append((f"{name} again", agreement(pairs, len(scale.classes))))
    return found


def _said(reading: Reading) -> tuple[float | None, int | None]:
    return reading.score, reading.grade


def _latest(one: Round, name: str) -> list[Reading]:
    """The last version of each reading of a reader."""
    found: dict[int, Reading] = {}
    signed = Reading.objects.filter(item__case__round=one, item__reader__username=name)
    for reading in signed.select_related("item__case").order_by("version"):
        found[reading.item.pk] = reading
    return list(found.values())
