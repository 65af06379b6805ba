"""The command line: a module per group of commands, imported when its command is called; `output` is what prints."""
