"""What masking has in common on both engines: the rules of the file, the gate, the order of the tables, the key."""
