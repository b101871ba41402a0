"""Performance history: what `asv run` measures at every commit."""
