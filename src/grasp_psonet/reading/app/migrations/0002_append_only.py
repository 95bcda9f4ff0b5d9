"""The database itself refuses to change or delete the trail and signed readings, and the charter of a round once open."""

from typing import Any

from django.db import migrations

_APPEND_ONLY = ("reading_entry", "reading_reading")
_TOLD = "rows of this table are never changed or deleted"
_FIXED = "the charter of a round that was opened is fixed, and a locked round stays locked"
_IS_CHANGED = (
    "(OLD.state <> 'draft' AND (NEW.charter <> OLD.charter OR NEW.name <> OLD.name OR NEW.state = 'draft'))"
    " OR (OLD.state = 'locked' AND NEW.state <> 'locked')"
)


def _statements(vendor: str) -> list[str]:
    if vendor == "sqlite":
        guarded = [
            f"CREATE TRIGGER {table}_no_{event.lower()} BEFORE {event} ON {table} BEGIN SELECT RAISE(ABORT, '{_TOLD}'); END"
            for table in _APPEND_ONLY
            for event in ("UPDATE", "DELETE")
        ]
        charter = (
            f"CREATE TRIGGER reading_round_fixed BEFORE UPDATE ON reading_round WHEN {_IS_CHANGED}"
            f" BEGIN SELECT RAISE(ABORT, '{_FIXED}'); END"
        )
        return [*guarded, charter]
    functions = [
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '{text}'; END $$"
        for name, text in (("reading_append_only", _TOLD), ("reading_fixed", _FIXED))
    ]
    guarded = [
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}"
        " FOR EACH ROW EXECUTE FUNCTION reading_append_only()"
        for table in _APPEND_ONLY
    ]
    emptied = [
        f"CREATE TRIGGER {table}_not_emptied BEFORE TRUNCATE ON {table}"
        " FOR EACH STATEMENT EXECUTE FUNCTION reading_append_only()"
        for table in _APPEND_ONLY
    ]
    charter = (
        f"CREATE TRIGGER reading_round_fixed BEFORE UPDATE ON reading_round FOR EACH ROW WHEN ({_IS_CHANGED})"
        " EXECUTE FUNCTION reading_fixed()"
    )
    return [*functions, *guarded, *emptied, charter]


def _guard(_apps: Any, schema_editor: Any) -> None:
    for statement in _statements(schema_editor.connection.vendor):
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    """After all tables stand."""

    dependencies = [("reading", "0001_initial")]
    operations = [migrations.RunPython(_guard, elidable=False)]
