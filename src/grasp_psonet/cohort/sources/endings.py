"""Which files are read as tables, by the endings of their names."""

WORKBOOKS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
PARQUET = (".parquet", ".pq")
TEXT = (".csv", ".tsv", ".txt", ".tab")
ENDINGS = (*TEXT, *WORKBOOKS, *PARQUET)
