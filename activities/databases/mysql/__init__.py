"""Aurora MySQL: accounts, SQL files and the lock that one attempt holds."""
