"""The engine and its command line: recipe → image → bundle → verified bundle → inventory → plan → run → report."""
