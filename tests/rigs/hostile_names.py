"""Names that break a statement in which they are not quoted; both engines accept them as a login's name."""

HOSTILE_NAMES = [
    'app"quoted',
    "o'hara",
    "back`tick",
    "100%s",
    "%(name)s",
    "{braces}",
    "'; DROP USER boss; --",
    'x"; DROP ROLE boss; --',
    "Grün-ß-名前",
    "x" * 32,
    "with space",
    "back\\slash",
    "ends in \\",
    "\\'",
    "-- comment",
    "SELECT",
    "a@b",
    "tab\tand\nline",
]
