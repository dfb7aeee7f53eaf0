"""May a restore run? Everything that can be known before anything is copied or deleted."""
