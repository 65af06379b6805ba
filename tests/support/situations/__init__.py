"""Situations in which the command line must refuse, each a function named as in the table of `docs/messages.md`.

A situation takes a `Place`, brings itself about there, and returns the command line that must then be refused.
"""
