"""Aurora MySQL: accounts, grants, SQL files and the session lock."""
