"""What happens, in what order. Deterministic: no I/O, no clock but Temporal's, no import that has either."""
