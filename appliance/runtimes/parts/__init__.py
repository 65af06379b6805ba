"""Pieces that runtimes share: what is said to systemd, and services that several of them need."""
