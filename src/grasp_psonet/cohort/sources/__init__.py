"""The files that tables come from, as the user has them: text of any form, workbooks, Parquet; own names and values."""
