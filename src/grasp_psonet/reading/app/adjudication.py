"""The third reading: made as soon as every reader of a visit has signed and the charter's rule asks for it."""

from django.db.models import Count, Max

from grasp_psonet.reading.app.models import Case, Item, ItemPhoto, Reading, User
from grasp_psonet.reading.app.models.rounds import ADJUDICATION, SIGNED
from grasp_psonet.reading.app.trail import record
from grasp_psonet.reading.draw import FIRST

_BY_RULE = "the rule of the charter"


def latest(case: Case, kind: str = FIRST) -> list[Reading]:
    """The last version of each signed reading of a kind, by order of readers."""
    found: dict[int, Reading] = {}
    signed = Reading.objects.filter(item__case=case, item__kind=kind, item__state=SIGNED)
    for reading in signed.select_related("item__reader").order_by("item__reader__username", "version"):
        found[reading.item.pk] = reading
    return list(found.values())


def adjudicate_where_asked(case: Case) -> None:
    """Puts the visit into the queue of the adjudicator with the fewest items, once."""
    rules = case.round.rules
    readings = latest(case)
    is_adjudicated = Item.objects.filter(case=case, kind=ADJUDICATION).exists()
    if len(readings) < len(rules.readers) or is_adjudicated:
        return
    if not rules.asks_for_another([(reading.score, reading.grade) for reading in readings]):
        return
    candidates = User.objects.filter(username__in=rules.adjudicators).annotate(busy=Count("items"))
    chosen = candidates.order_by("busy", "username").first()
    assert chosen is not None, "a round whose rule asks for a third reading was made without an adjudicator"
    last = Item.objects.filter(reader=chosen, case__round=case.round).aggregate(last=Max("position"))["last"]
    item = Item.objects.create(case=case, reader=chosen, kind=ADJUDICATION, position=0 if last is None else last + 1)
    hang(item)
    record(_BY_RULE, "item.made", f"item {item.code}", after={"kind": ADJUDICATION, "reader": chosen.username})


def hang(item: Item) -> None:
    """The photos of an item, each under a new code, in the order of the hanging protocol."""
    photos = item.case.photos.order_by("position")
    ItemPhoto.objects.bulk_create([ItemPhoto(item=item, photo=photo) for photo in photos])
