"""IAM for the emulator and the tests: which access requests a call makes, and whether policies allow them."""
