"""What a paper needs of a study: methods in words, tables for reporting guidelines, cards of models and data, as Markdown."""
