"""The databases behind a restored cluster: what is asked of each engine, and how each does it."""
