"""Fuzzing what reads hostile bytes: `scripts/fuzz [TARGET] [SECONDS]`. The laws stand in `targets`."""
