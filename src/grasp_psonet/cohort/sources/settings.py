"""Settings of the files that tables come from."""

import codecs
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Literal, cast, get_args

from grasp_psonet.cohort.settings import MISSING, READERS, same_name
from grasp_psonet.errors import SettingsError
from grasp_psonet.setting import STRICT, newer_mapping, refuse_unless, setting

TableName = Literal["visits", "readings", "photos", "views", "features", "flags"]
FileName = Literal["visits", "readings", "photos", "views"]
Decimal = Literal["auto", ".", ","]
FormName = Literal["delimiter", "encoding", "decimal"]
Cell = str | bool | int | float | None  # as YAML writes a value
Titles = str | list[str]

AUTO = "auto"
DELIMITERS = (",", ";", "\t", "|")
_TABLES: tuple[str, ...] = get_args(TableName)
_LETTERS = (
    "utf-",
    "utf_",
    "cp",
    "iso8859",
    "latin",
    "mac",
    "ascii",
    "koi8",
    "shift",
    "euc",
    "gb",
    "big5",
    "johab",
    "tis",
)


def _mapping(help_line: str) -> Any:
    return field(default_factory=dict, metadata={"help": help_line})


@dataclass(frozen=True)
class TablesSettings:
    """How the tables are written, where they are not UTF-8 CSV with the names of columns that stand in docs/your-study.md."""

    __pydantic_config__ = STRICT

    files: dict[FileName, str] = _mapping(
        "file of each table, from the study folder (CSV, Excel, ODS, Parquet), e.g. {visits: export.xlsx}; "
        "else visits.csv and so on"
    )
    sheets: dict[TableName, str] = _mapping("sheet of each table in a workbook that has several")
    delimiter: str = setting(
        AUTO, "what separates cells of text: ',', ';', '|', tab; auto: the one that gives the columns that are wanted"
    )
    encoding: str = setting(AUTO, "encoding of text, e.g. cp1252; auto: UTF-8, or what a byte order mark says")
    decimal: Decimal = setting(
        AUTO, "decimal mark, '.' or ','; auto: a comma where all fractions of a table have one, else a point"
    )
    forms: dict[TableName, dict[FormName, str]] = newer_mapping(
        "delimiter, encoding and decimal of single tables, where they differ: {visits: {delimiter: ';', decimal: ','}}"
    )
    dates: str = setting("%Y-%m-%d", "how dates are written (study_day, date of a reading), e.g. '%d.%m.%Y'")
    columns: dict[str, Titles | dict[str, Titles]] = _mapping(
        "what your files call a column, e.g. {visit_id: Besuch}; several are joined: {visit_id: [record_id, event]}; for one "
        "table alone: {photos: {visit_id: Nr}}"
    )
    values: dict[str, dict[Cell, Cell]] = _mapping(
        "what your files write for a value, by column, e.g. {severity: {leicht: mild}}; severity stands for both readers"
    )
    photo_columns: dict[str, str] = _mapping(
        "columns of the visits table that name a photo each, with its view, in place of photos.csv: {photo_front: front}"
    )
    double_entry: str | None = setting(
        None, "column whose ids end in --1 and --2 where two people entered a visit (REDCap): Reader 1 and Reader 2"
    )
    readers: tuple[str, ...] = setting(
        (), "readers of readings.csv, the first that read a visit being its Reader 1 and the next its Reader 2"
    )

    def __post_init__(self) -> None:
        is_delimiter = self.delimiter in (AUTO, "tab", *DELIMITERS)
        refuse_unless(is_delimiter, "tables.delimiter", self.delimiter, "auto, tab, or one of , ; | in quotes")
        refuse_unless(
            self.encoding == AUTO or _is_encoding(self.encoding),
            "tables.encoding",
            self.encoding,
            "auto, or an encoding of text such as utf-8, utf-16, cp1252, latin-1",
        )
        for table, own in self.forms.items():
            decimal = own.get("decimal", AUTO)
            refuse_unless(decimal in (AUTO, ".", ","), f"tables.forms.{table}.decimal", decimal, "auto, '.' or ','")
            try:
                self._written(own)
            except SettingsError as error:
                raise SettingsError(str(error).replace("setting tables.", f"setting tables.forms.{table}.")) from None
        refuse_unless(_is_date_form(self.dates), "tables.dates", self.dates, "day, month and year, such as %d.%m.%Y")
        for name, above in (("files", self.files), ("sheets", self.sheets)):
            refuse_unless(all(map(str.strip, above.values())), f"tables.{name}", above, "a name for each table")
        for column, told in self.columns.items():
            is_group = isinstance(told, dict)
            refuse_unless(
                is_group == (column in _TABLES),
                f"tables.columns.{column}",
                told,
                f"names of columns below the name of a table ({', '.join(_TABLES)}), and a title elsewhere",
            )
        for column, mapping in self.values.items():
            _refuse_values(column, mapping)
        refuse_unless(len(set(self.readers)) == len(self.readers), "tables.readers", self.readers, "each reader once")

    @property
    def told_delimiter(self) -> str | None:
        """The character that separates cells; None where it is found."""
        return {AUTO: None, "tab": "\t"}.get(self.delimiter, self.delimiter)

    def of_table(self, table: TableName) -> "TablesSettings":
        """How this table is written: delimiter, encoding and decimal mark are its own where it has such."""
        own = self.forms.get(table, {})
        return self._written(own) if own else self

    def _written(self, own: dict[FormName, str]) -> "TablesSettings":
        return replace(
            self,
            forms={},
            delimiter=own.get("delimiter", self.delimiter),
            encoding=own.get("encoding", self.encoding),
            decimal=cast("Decimal", own.get("decimal", self.decimal)),
        )

    def titles_of(self, table: str) -> dict[str, tuple[list[str], bool]]:
        """By our name of a column what the file of this table calls it, and whether that was said of this table alone."""
        general = {name: (_listed(told), False) for name, told in self.columns.items() if not isinstance(told, dict)}
        own = self.columns.get(table, {})
        assert isinstance(own, dict), "checked at birth"
        return general | {name: (_listed(told), True) for name, told in own.items()}

    def values_of(self, column: str) -> dict[str, str]:
        """By ``same_name`` of what the file writes in one of our columns what it means; "" for missing."""
        stem = next((column.removesuffix(f"_{reader}") for reader in READERS if column.endswith(f"_{reader}")), column)
        both = self.values.get(stem, {}) | self.values.get(column, {})
        return {same_name(as_cell(told)): as_cell(meant) for told, meant in both.items()}


def as_cell(value: Cell) -> str:
    """A value of YAML as a table writes it."""
    return "" if value is None else str(value).strip()


def _listed(told: Titles) -> list[str]:
    return [told] if isinstance(told, str) else list(told)


def _refuse_values(column: str, mapping: dict[Cell, Cell]) -> None:
    for value in (*mapping, *mapping.values()):
        wanted = "values; write yes and no of YAML in quotes: 'yes', 'no'"
        refuse_unless(not isinstance(value, bool), f"tables.values.{column}", value, wanted)
    alike = [same_name(as_cell(value)) for value in mapping]
    refuse_unless(
        len(set(alike)) == len(alike), f"tables.values.{column}", mapping, "values that differ in more than case"
    )
    missing = [as_cell(value) for value in mapping if as_cell(value).lower() in MISSING]
    refuse_unless(not missing, f"tables.values.{column}", mapping, "values other than those that mean missing anyway")


def _is_encoding(name: str) -> bool:
    """Whether text is written in it; Python's codecs hold ciphers and compressions, too."""
    try:
        return codecs.lookup(name).name.startswith(_LETTERS) and name.lower().replace("_", "-") != "utf-7"
    except (LookupError, ValueError, SettingsError):
        return False


def _is_date_form(form: str) -> bool:
    """Whether it writes each day of a year as it reads it."""
    from datetime import datetime

    try:
        days = (date(2024, 2, 29), date(1999, 12, 1))
        return all(datetime.strptime(day.strftime(form), form).date() == day for day in days)
    except ValueError:
        return False
