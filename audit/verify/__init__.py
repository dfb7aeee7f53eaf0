"""`audit verify`: compares the trail with Temporal's history and with its seals."""
