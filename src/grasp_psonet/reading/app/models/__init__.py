"""The database: accounts, rounds with their visits and photos, what each reader does, and the trail."""

from grasp_psonet.reading.app.models.people import User
from grasp_psonet.reading.app.models.readings import Draft, Reading
from grasp_psonet.reading.app.models.rounds import Case, Item, ItemPhoto, Photo, Round
from grasp_psonet.reading.app.models.trail import Entry, Head

__all__ = ["Case", "Draft", "Entry", "Head", "Item", "ItemPhoto", "Photo", "Reading", "Round", "User"]
