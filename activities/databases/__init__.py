"""Users, SQL files and checks in a restored database: what both engines offer, and how each does it."""
