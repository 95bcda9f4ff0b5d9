"""The words of the command line: commands and options, help, completion, suggestions. Nothing is done here."""
